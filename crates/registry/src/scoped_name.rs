//! The name of a repository with its account and region.

use std::cmp::Ordering;

use ecru_model::{Region, RegistryId, RepositoryName, Scope};
use ecru_store::{Row, StoreError, stored};

/// Memory that a name takes beside its text.
pub(crate) const SCOPED_NAME_BYTES: usize = 96;

/// The name of a repository with the account and region that hold it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopedName {
    pub scope: Scope,
    pub repository_name: RepositoryName,
}

impl ScopedName {
    /// Reads account, region and name, in this order from column `first` on.
    pub(crate) fn from_row(row: &Row<'_>, first: usize) -> Result<Self, StoreError> {
        let registry_id = stored(RegistryId::parse(row.text(first)?))?;
        let region = stored(Region::parse(row.text(first + 1)?))?;
        let repository_name = stored(RepositoryName::parse(row.text(first + 2)?))?;
        Ok(Self {
            scope: Scope { registry_id, region },
            repository_name,
        })
    }

    pub(crate) fn order(&self, other: &Self) -> Ordering {
        fn key(name: &ScopedName) -> [&str; 3] {
            let Scope { registry_id, region } = &name.scope;
            [
                registry_id.as_str(),
                region.as_str(),
                name.repository_name.as_str(),
            ]
        }
        key(self).cmp(&key(other))
    }

    pub(crate) fn text_bytes(&self) -> usize {
        self.repository_name.as_str().len()
    }

    pub fn arn(&self) -> String {
        self.scope.repository_arn(&self.repository_name)
    }
}
