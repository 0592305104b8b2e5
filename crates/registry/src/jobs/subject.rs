//! The subjects of jobs, and the texts by which rows name them. A kind and scope have one job for each text.

use ecru_model::{Digest, RepositoryName, Scope};

pub(crate) trait Subject: Sized + Send {
    /// None for a text of another form, or of an earlier build.
    fn parse(scope: &Scope, text: &str) -> Option<Self>;

    fn text(&self) -> String;
}

/// A whole registry, or all registries.
impl Subject for () {
    fn parse(_scope: &Scope, text: &str) -> Option<Self> {
        text.is_empty().then_some(())
    }

    fn text(&self) -> String {
        String::new()
    }
}

impl Subject for String {
    fn parse(_scope: &Scope, text: &str) -> Option<Self> {
        Some(text.to_owned())
    }

    fn text(&self) -> String {
        self.clone()
    }
}

impl Subject for RepositoryName {
    fn parse(_scope: &Scope, text: &str) -> Option<Self> {
        Self::parse(text).ok()
    }

    fn text(&self) -> String {
        self.as_str().to_owned()
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
