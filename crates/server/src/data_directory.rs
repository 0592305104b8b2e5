//! Where the data lies: a directory of the user, or a fresh one that goes with the server.

use std::{
    fs,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use anyhow::Context;
use uuid::Uuid;

#[derive(Clone, Debug)]
pub enum DataDirectory {
    /// Made with mode 0700 if it is not there.
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
        match data {
            DataDirectory::Kept(path) => Ok(OpenedDirectory {
                path: path.clone(),
                ephemeral: false,
            }),
            DataDirectory::Ephemeral => {
                let path = std::env::temp_dir().join(format!("ecru-{}", Uuid::new_v4()));
                // It must be ours alone, so it is an error if it is there already.
                let made = fs::DirBuilder::new().mode(0o700).create(&path);
                made.with_context(|| {
                    format!(
                        "cannot make the data directory `{}`, whose place the variable `TMPDIR` decides",
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
