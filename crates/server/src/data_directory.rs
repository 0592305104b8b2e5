//! The data directory: a directory of the user, or a new one that is removed with the server.

use std::{
    fs,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use anyhow::Context;
use uuid::Uuid;

#[derive(Clone, Debug)]
pub enum DataDirectory {
    /// Created with mode 0700 if it is missing.
    Kept(PathBuf),
    /// Created at start, removed at stop, and never synced.
    Ephemeral,
}

/// An open directory. An ephemeral one is removed when this is dropped.
pub(crate) struct OpenedDirectory {
    path: PathBuf,
    ephemeral: bool,
}

impl OpenedDirectory {
    pub(crate) fn open(data: &DataDirectory) -> anyhow::Result<OpenedDirectory> {
        match data {
            DataDirectory::Kept(path) => Ok(OpenedDirectory {
                path: path.clone(),
                ephemeral: false,
            }),
            DataDirectory::Ephemeral => {
                let path = std::env::temp_dir().join(format!("ecru-{}", Uuid::new_v4()));
                // The directory must belong to this process alone, so an existing one is an error.
                let made = fs::DirBuilder::new().mode(0o700).create(&path);
                made.with_context(|| {
                    format!(
                        "cannot create the data directory `{}`, whose parent is the value of `TMPDIR`",
                        path.display()
                    )
                })?;
                Ok(OpenedDirectory {
                    path,
                    ephemeral: true,
                })
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn is_ephemeral(&self) -> bool {
        self.ephemeral
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
