//! Inventories of layers that were read before: a layer of a base image is read once for all images on it.

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension as _, params};

use crate::advisories::Advisories;
use crate::inventory::{Content, INVENTORY_VERSION, Inventory, PathSet, Source};
use crate::{Ecosystem, ScanError};

const INVENTORIES_MAX: i64 = 1_000;
/// Layers can name as many distributions as they like.
const ECOSYSTEMS_MAX: usize = 64;

/// None for a layer that is not known, or was read by other readers.
pub(crate) fn find(advisories: &Advisories, layer: &str) -> Result<Option<Inventory>, ScanError> {
    let connection = advisories.connection();
    let found = connection
        .prepare_cached(
            "UPDATE inventories SET used = (SELECT COALESCE(MAX(used), 0) + 1 FROM inventories)
             WHERE layer = ?1 AND version = ?2
             RETURNING sources, files, whiteouts, opaque, entries, unpacked_bytes",
        )?
        .query_row(params![layer, INVENTORY_VERSION], |row| {
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
        })
        .optional()?;
    Ok(found.flatten())
}

/// Keeps an inventory, and lets go of those that nobody asked for lately.
pub(crate) fn keep(advisories: &Advisories, layer: &str, inventory: &Inventory) -> Result<(), ScanError> {
    let Ok(sources) = serde_json::to_string(&inventory.sources) else {
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
    connection
        .prepare_cached(
            "DELETE FROM inventories WHERE layer IN
                 (SELECT layer FROM inventories ORDER BY used DESC LIMIT -1 OFFSET ?1)",
        )?
        .execute([INVENTORIES_MAX])?;
    Ok(())
}

/// The ecosystems of the packages in these layers; first come those whose advisories are known to be published.
pub(crate) fn ecosystems(advisories: &Advisories) -> Result<Vec<Ecosystem>, ScanError> {
    let connection = advisories.connection();
    let mut statement = connection.prepare("SELECT sources FROM inventories WHERE version = ?1")?;
    let mut rows = statement.query([INVENTORY_VERSION])?;
    let (mut published, mut others) = (BTreeSet::new(), BTreeSet::new());
    while let Some(row) = rows.next()? {
        let sources = row.get_ref(0)?.as_str().unwrap_or_default();
        let sources = serde_json::from_str::<Vec<Source>>(sources).unwrap_or_default();
        for ecosystem in sources.iter().flat_map(ecosystems_of) {
            if ecosystem.is_published() {
                published.insert(ecosystem);
            } else if others.len() < ECOSYSTEMS_MAX {
                others.insert(ecosystem);
            }
        }
    }
    let found = published.into_iter().chain(others);
    Ok(found.take(ECOSYSTEMS_MAX).collect())
}

fn ecosystems_of(source: &Source) -> BTreeSet<Ecosystem> {
    match &source.content {
        Content::Release(release) => release.ecosystem().parse().into_iter().collect(),
        Content::Packages(packages) => {
            let names = packages.iter().filter_map(|package| package.manager.ecosystem());
            names.filter_map(|name| name.parse().ok()).collect()
        }
    }
}
