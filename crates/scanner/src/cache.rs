//! Inventories of layers that were read before: a layer of a base image is read once for all images on it.

use rusqlite::{OptionalExtension as _, params};

use crate::ScanError;
use crate::advisories::Advisories;
use crate::inventory::{INVENTORY_VERSION, Inventory, PathSet};

const INVENTORIES_MAX: i64 = 1_000;

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
