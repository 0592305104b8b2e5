//! Lists the content of the store, over every account and region, for people and test helpers.
//!
//! Lists are in the order of row ids, which is the order of creation. A page begins after the id that ended the previous page.

mod blobs;
mod images;
mod repositories;

pub use blobs::{StoredBlob, list_blobs};
pub use images::{ImageSummary, list_images};
pub use repositories::{RepositorySummary, list_repositories};

pub use crate::scoped_name::ScopedName;
