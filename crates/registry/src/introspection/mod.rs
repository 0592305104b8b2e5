//! What stands in the store, over every account and region, for people and test helpers to look at.
//!
//! Lists go by row id, which is the order of creation; a page begins after the id that ended the one before.

mod blobs;
mod images;
mod repositories;

use std::cmp::Ordering;

use ecru_model::{Region, RegistryId, RepositoryName, Scope};
use ecru_store::{Row, StoreError, Value};

use crate::repositories::stored;

pub use blobs::{StoredBlob, list_blobs};
pub use images::{ImageSummary, list_images};
pub use repositories::{RepositorySummary, list_repositories};

/// Where a page begins and how long it may be.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// The id that ended the page before; zero at the beginning.
    pub after: i64,
    pub limit: u32,
}

impl Extent {
    /// One row more than the page holds tells whether another follows.
    pub(crate) fn values(self) -> [Value<'static>; 2] {
        [
            Value::Integer(self.after),
            Value::Integer(i64::from(self.limit) + 1),
        ]
    }
}

/// What a place costs beside the name of its repository.
const PLACE_BYTES: usize = 96;

/// A repository anywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub scope: Scope,
    pub repository_name: RepositoryName,
}

impl Place {
    /// Reads account, region and name, which stand in this order from column `first` on.
    pub(crate) fn from_row(row: &Row<'_>, first: usize) -> Result<Self, StoreError> {
        let registry_id = stored(RegistryId::parse(row.text(first)?))?;
        let region = stored(Region::parse(row.text(first + 1)?))?;
        let repository_name = stored(RepositoryName::parse(row.text(first + 2)?))?;
        Ok(Self {
            scope: Scope { registry_id, region },
            repository_name,
        })
    }

    fn order(&self, other: &Self) -> Ordering {
        fn key(place: &Place) -> [&str; 3] {
            let Scope { registry_id, region } = &place.scope;
            [
                registry_id.as_str(),
                region.as_str(),
                place.repository_name.as_str(),
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
