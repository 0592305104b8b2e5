//! What stands in the store, over every account and region, for people and test helpers to look at.
//!
//! Lists go by row id, which is the order of creation; a page begins after the id that ended the one before.

mod blobs;
mod clock;
mod images;
mod repositories;

pub use crate::clock::SetClock;
pub use blobs::{StoredBlob, list_blobs};
pub use clock::{reset_clock, set_clock};
pub use images::{ImageSummary, list_images};
pub use repositories::{RepositorySummary, list_repositories};

pub use crate::paging::Extent;
pub use crate::scoped_name::ScopedName;
