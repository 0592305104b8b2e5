//! Inventories of layers that were read before: a layer of a base image is read once for all images that
//! contain it.

use std::collections::BTreeSet;
use std::io;

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::advisories::Advisories;
use crate::inventory::{INVENTORY_VERSION, Inventory, PathSet, Source};
use crate::readers::Content;
use crate::{Ecosystem, ScanError};

const INVENTORIES_MAX: i64 = 1_000;
const ALL_BYTES_MAX: i64 = 256 << 20;
/// A layer with a larger inventory is read again for each image.
const SOURCES_BYTES_MAX: usize = 4 << 20;
/// Earlier versions stored larger inventories.
const STORED_SOURCES_BYTES_MAX: i64 = 16 << 20;
/// The number of layers whose ecosystems are recorded. A layer that was read longer ago is read again for its
/// ecosystems.
const LAYERS_MAX: i64 = 50_000;

/// Returns `None` for a layer that is unknown, or that another version of the readers has read.
pub(crate) fn find(advisories: &Advisories, layer: &str) -> Result<Option<Inventory>, ScanError> {
    let connection = advisories.connection();
    let found = connection
        .prepare_cached(
            "UPDATE inventories SET used = (SELECT COALESCE(MAX(used), 0) + 1 FROM inventories)
             WHERE layer = ?1 AND version = ?2 AND octet_length(sources) <= ?3
             RETURNING sources, files, whiteouts, opaque, entries, unpacked_bytes",
        )?
        .query_row(
            params![layer, INVENTORY_VERSION, STORED_SOURCES_BYTES_MAX],
            |row| {
                let sources = serde_json::from_str(row.get_ref(0)?.as_str().unwrap_or_default()).ok();
                let set = |column: usize| -> rusqlite::Result<PathSet> {
                    Ok(PathSet::from_bytes(
                        row.get_ref(column)?.as_blob().unwrap_or_default(),
                    ))
                };
                let (files, whiteouts, opaque) = (set(1)?, set(2)?, set(3)?);
                let (entries, unpacked_bytes) = (row.get(4)?, row.get(5)?);
                Ok(sources.map(|sources| Inventory {
                    sources,
                    files,
                    whiteouts,
                    opaque,
                    entries,
                    unpacked_bytes,
                }))
            },
        )
        .optional()?;
    Ok(found.flatten())
}

/// Stores an inventory, and removes those that were not requested lately.
pub(crate) fn keep(advisories: &Advisories, layer: &str, inventory: &Inventory) -> Result<(), ScanError> {
    keep_ecosystems(advisories, layer, inventory)?;
    let mut sources = AtMost(Vec::new());
    if serde_json::to_writer(&mut sources, &inventory.sources).is_err() {
        return Ok(());
    }
    let Ok(sources) = std::str::from_utf8(&sources.0) else {
        return Ok(());
    };
    let connection = advisories.connection();
    connection
        .prepare_cached(
            "INSERT INTO inventories (layer, version, used, entries, unpacked_bytes, sources, files, whiteouts, opaque)
             VALUES (?1, ?2, (SELECT COALESCE(MAX(used), 0) + 1 FROM inventories), ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT (layer) DO UPDATE SET version = excluded.version, used = excluded.used,
                 entries = excluded.entries, unpacked_bytes = excluded.unpacked_bytes, sources = excluded.sources,
                 files = excluded.files, whiteouts = excluded.whiteouts, opaque = excluded.opaque",
        )?
        .execute(params![
            layer,
            INVENTORY_VERSION,
            inventory.entries,
            inventory.unpacked_bytes,
            sources,
            inventory.files.to_bytes(),
            inventory.whiteouts.to_bytes(),
            inventory.opaque.to_bytes(),
        ])?;
    forget_oldest(&connection, INVENTORIES_MAX, ALL_BYTES_MAX)
}

/// Removes the inventories that were not requested lately, until the rest is within both limits.
fn forget_oldest(connection: &Connection, count_max: i64, bytes_max: i64) -> Result<(), ScanError> {
    connection
        .prepare_cached(
            "DELETE FROM inventories WHERE layer IN
                 (SELECT layer FROM
                     (SELECT layer, row_number() OVER latest AS number,
                          sum(octet_length(sources) + octet_length(files) + octet_length(whiteouts)
                              + octet_length(opaque)) OVER latest AS bytes
                      FROM inventories WINDOW latest AS (ORDER BY used DESC ROWS UNBOUNDED PRECEDING))
                  WHERE number > ?1 OR bytes > ?2)",
        )?
        .execute([count_max, bytes_max])?;
    Ok(())
}

/// The ecosystems of the packages in a layer. `None` for a layer that these readers have not read.
pub(crate) fn find_ecosystems(
    advisories: &Advisories,
    layer: &str,
) -> Result<Option<Vec<Ecosystem>>, ScanError> {
    let connection = advisories.connection();
    let found = connection
        .prepare_cached("SELECT ecosystems FROM layer_ecosystems WHERE layer = ?1 AND version = ?2")?
        .query_row(params![layer, INVENTORY_VERSION], |row| row.get::<_, String>(0))
        .optional()?;
    let parsed = found.map(|names| names.lines().filter_map(|name| name.parse().ok()).collect());
    Ok(parsed)
}

/// Stores the ecosystems of a layer that was read, and returns them.
pub(crate) fn keep_ecosystems(
    advisories: &Advisories,
    layer: &str,
    inventory: &Inventory,
) -> Result<Vec<Ecosystem>, ScanError> {
    let found = Ecosystem::choose(inventory.sources.iter().flat_map(ecosystems_of));
    let names: Vec<_> = found.iter().map(Ecosystem::as_str).collect();
    let connection = advisories.connection();
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO layer_ecosystems (layer, version, ecosystems) VALUES (?1, ?2, ?3)",
        )?
        .execute(params![layer, INVENTORY_VERSION, names.join("\n")])?;
    connection
        .prepare_cached(
            "DELETE FROM layer_ecosystems WHERE rowid <= (SELECT MAX(rowid) FROM layer_ecosystems) - ?1",
        )?
        .execute([LAYERS_MAX])?;
    Ok(found)
}

fn ecosystems_of(source: &Source) -> BTreeSet<Ecosystem> {
    match &source.content {
        Content::Release(release) => release.ecosystem().parse().into_iter().collect(),
        Content::Packages(packages) => {
            let names = packages
                .iter()
                .filter_map(|package| package.manager().ecosystem());
            names.filter_map(|name| name.parse().ok()).collect()
        }
    }
}

/// A writer that refuses to exceed its limit.
struct AtMost(Vec<u8>);

impl io::Write for AtMost {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > SOURCES_BYTES_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inventories_that_were_used_last_stay_within_their_bounds() {
        let directory = tempfile::TempDir::new().unwrap();
        let advisories = Advisories::open(directory.path(), None).unwrap();
        let names = ["a", "b", "c", "d", "e"];
        for name in names {
            let inventory = Inventory {
                entries: 1,
                ..Inventory::default()
            };
            keep(&advisories, name, &inventory).unwrap();
        }
        assert!(find(&advisories, "a").unwrap().is_some());
        let kept = || -> Vec<&str> {
            let known = |name: &&str| {
                advisories
                    .connection()
                    .prepare("SELECT 1 FROM inventories WHERE layer = ?1")
                    .unwrap()
                    .exists([name])
                    .unwrap()
            };
            names.into_iter().filter(known).collect()
        };
        forget_oldest(&advisories.connection(), 4, 1_000).unwrap();
        assert_eq!(kept(), ["a", "c", "d", "e"]);
        // Each is an empty list, of two bytes.
        forget_oldest(&advisories.connection(), 4, 4).unwrap();
        assert_eq!(kept(), ["a", "e"]);
    }
}
