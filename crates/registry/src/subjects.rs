//! The subjects of ECR's jobs, and the kinds that rooms below their own schedule.

use ecru_model::{Digest, RepositoryName, Scope};
use ecru_platform::jobs::Subject;

/// Work that belongs to no registry: it removes unneeded data.
pub(crate) const HOUSEKEEPING: &str = "housekeeping";
/// Work that belongs to no registry: it removes the content of deleted repositories.
pub(crate) const REPOSITORY_REMOVAL: &str = "repository-removal";

/// A repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RepositorySubject(pub(crate) RepositoryName);

impl Subject for RepositorySubject {
    fn parse(_scope: &Scope, text: &str) -> Option<Self> {
        RepositoryName::parse(text).ok().map(Self)
    }

    fn text(&self) -> String {
        self.0.as_str().to_owned()
    }
}

/// An image of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ImageSubject {
    pub(crate) name: RepositoryName,
    pub(crate) digest: Digest,
}

impl Subject for ImageSubject {
    fn parse(_scope: &Scope, text: &str) -> Option<Self> {
        let (name, digest) = text.split_once('@')?;
        Some(Self {
            name: RepositoryName::parse(name).ok()?,
            digest: Digest::parse(digest).ok()?,
        })
    }

    fn text(&self) -> String {
        format!("{}@{}", self.name, self.digest)
    }
}
