//! Where the data lies: a directory of the user, or a fresh one that goes with the server.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

use anyhow::Context;
use uuid::Uuid;

const OTHERS: u32 = 0o077;

#[derive(Clone, Debug)]
pub enum DataDirectory {
    Kept(PathBuf),
    /// Made at start, removed at stop, and not synced in between.
    Ephemeral,
}

/// A directory in use; an ephemeral one is removed when this is dropped.
pub(crate) struct OpenedDirectory {
    path: PathBuf,
    ephemeral: bool,
}

impl OpenedDirectory {
    pub(crate) fn open(data: &DataDirectory) -> anyhow::Result<OpenedDirectory> {
        let (path, ephemeral) = match data {
            DataDirectory::Kept(path) => (path.clone(), false),
            DataDirectory::Ephemeral => (
                std::env::temp_dir().join(format!("ecru-{}", Uuid::new_v4())),
                true,
            ),
        };
        // An ephemeral one must be ours alone, so it is an error if it is there already.
        fs::DirBuilder::new()
            .mode(0o700)
            .recursive(!ephemeral)
            .create(&path)
            .with_context(|| format!("cannot make the data directory `{}`", path.display()))?;
        Ok(OpenedDirectory { path, ephemeral })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn is_ephemeral(&self) -> bool {
        self.ephemeral
    }

    /// The mode, when it lets others than the owner in.
    pub(crate) fn open_to_others(&self) -> io::Result<Option<u32>> {
        let mode = fs::metadata(&self.path)?.permissions().mode() & 0o7777;
        Ok((mode & OTHERS != 0).then_some(mode))
    }
}

impl Drop for OpenedDirectory {
    fn drop(&mut self) {
        if self.ephemeral
            && let Err(error) = fs::remove_dir_all(&self.path)
        {
            tracing::warn!(%error, "the ephemeral data directory could not be removed");
        }
    }
}
