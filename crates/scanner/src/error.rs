//! The errors of a scan.

use std::io;

#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// The layer is not a valid archive.
    #[error("a layer cannot be unpacked: {0}")]
    Archive(String),

    /// The image exceeds a limit of the scan.
    #[error("{0}")]
    Limit(Limit),

    /// The bytes of a layer could not be read.
    #[error("a layer could not be read")]
    Layer(#[source] io::Error),

    #[error("no scratch file could be written")]
    Scratch(#[source] io::Error),

    #[error("the advisories could not be read")]
    Advisories(#[from] rusqlite::Error),

    #[error("the advisories could not be read from their directory")]
    Directory(#[source] io::Error),

    #[error("the database of advisories could not be opened")]
    Database(#[source] io::Error),

    #[error("the advisories that were fetched could not be opened")]
    Sets(#[source] io::Error),
}

/// The quantities that an image may exceed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Limit {
    #[error("a layer unpacks to more than is scanned")]
    LayerSize,
    #[error("a layer unpacks to implausibly more than its size")]
    Ratio,
    #[error("the image unpacks to more than is scanned")]
    ImageSize,
    #[error("the image has more entries than are scanned")]
    Entries,
    #[error("the image has more packages than are scanned")]
    Packages,
    #[error("the packages of the image take more memory than a scan may")]
    KeptBytes,
    #[error("a file that lists packages, or one of its records, is larger than is read")]
    FileSize,
    #[error("a package database refers to the same bytes again and again")]
    Database,
    #[error("the image has more findings than are kept")]
    Findings,
    #[error("the scan took too long")]
    Time,
}

/// Carries an error that is not the archive's fault through readers that return only `io::Error`.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Carried {
    #[error(transparent)]
    Limit(Limit),
    #[error("the source could not be read")]
    Layer(#[source] io::Error),
    #[error("the scratch file could not be written")]
    Scratch(#[source] io::Error),
}

impl From<Carried> for io::Error {
    fn from(carried: Carried) -> Self {
        Self::other(carried)
    }
}

/// Whether a reader carried the error. Any other error is a fault of the archive.
pub(crate) fn is_carried(error: &io::Error) -> bool {
    error
        .get_ref()
        .is_some_and(<dyn std::error::Error + Send + Sync>::is::<Carried>)
}

impl From<Carried> for ScanError {
    fn from(carried: Carried) -> Self {
        match carried {
            Carried::Limit(limit) => Self::Limit(limit),
            Carried::Layer(error) => Self::Layer(error),
            Carried::Scratch(error) => Self::Scratch(error),
        }
    }
}

impl From<io::Error> for ScanError {
    fn from(error: io::Error) -> Self {
        if !is_carried(&error) {
            return Self::Archive(error.to_string());
        }
        let carried = error
            .into_inner()
            .and_then(|inner| inner.downcast::<Carried>().ok());
        carried.map_or_else(
            || Self::Archive("the archive ended badly".to_owned()),
            |carried| Self::from(*carried),
        )
    }
}
