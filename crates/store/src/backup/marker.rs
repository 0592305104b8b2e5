//! `backup.json`: marks a backup as whole and names its database.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::backup::BackupError;
use crate::io::{open_regular, replace_private};
use crate::{StoreError, Tried};

const NAME: &str = "backup.json";
const FORMAT: u32 = 1;
/// The marker has five members, so this is many times its size.
const SIZE_BYTES_MAX: u64 = 64 * 1024;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Marker {
    format: u32,
    pub(super) database: String,
    pub(super) database_bytes: u64,
    pub(super) blobs: u64,
    pub(super) blob_bytes: u64,
}

impl Marker {
    pub(super) fn new(database: String, database_bytes: u64, (blobs, blob_bytes): (u64, u64)) -> Marker {
        Marker {
            format: FORMAT,
            database,
            database_bytes,
            blobs,
            blob_bytes,
        }
    }

    pub(super) fn find(directory: &Path, extension: &str) -> Result<Option<Marker>, BackupError> {
        let file = match open_regular(&directory.join(NAME)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.tried("read `backup.json`")?,
        };
        let mut text = Vec::new();
        file.take(SIZE_BYTES_MAX)
            .read_to_end(&mut text)
            .tried("read `backup.json`")?;
        let marker: Marker = serde_json::from_slice(&text)
            .map_err(|_| BackupError::Changed("`backup.json` cannot be read".to_owned()))?;
        if marker.format != FORMAT {
            return Err(BackupError::Changed(format!(
                "its format is {}, and this program reads {FORMAT}",
                marker.format
            )));
        }
        // The name is joined to a path, so it must have the form that `make` writes.
        let name = marker.database.strip_suffix(extension);
        let name = name.and_then(|name| name.strip_suffix('.'));
        let uuid = name.and_then(|name| Uuid::try_parse(name).ok());
        if uuid.is_none_or(|uuid| Some(uuid.to_string().as_str()) != name) {
            return Err(BackupError::Changed("`backup.json` names no database".to_owned()));
        }
        Ok(Some(marker))
    }

    /// Replaces the marker in one step: readers find either the old one or this one.
    pub(super) fn write(&self, directory: &Path) -> Result<(), StoreError> {
        let (begun, name) = (directory.join("backup.json.part"), directory.join(NAME));
        let text = serde_json::to_vec_pretty(self).unwrap_or_default();
        let write = || {
            let mut file = replace_private(&begun)?;
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&begun, &name)?;
            File::open(directory)?.sync_all()
        };
        write().tried("write `backup.json`")
    }
}
