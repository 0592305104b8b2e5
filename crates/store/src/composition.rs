//! The one place that names the database behind the store.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::backend::Backend;
use crate::io::Flushing;
use crate::sqlite::{self, SqliteFile};

/// The file of the rows in a data directory. The names of files beside it begin with its name.
pub(crate) const DATABASE: &str = sqlite::FILE;
pub(crate) const DATABASE_FILES: [&str; 3] = sqlite::FILES;

pub(crate) fn database_path(directory: &Path) -> PathBuf {
    directory.join(DATABASE)
}

/// The database of a data directory.
pub(crate) fn database(directory: &Path, flushing: Flushing) -> Arc<dyn Backend> {
    Arc::new(SqliteFile::new(database_path(directory), flushing))
}
