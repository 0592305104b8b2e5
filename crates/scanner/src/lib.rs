//! Finds the packages of an image in its layers, and the advisories that concern them.

mod advisories;
mod archive;
mod cache;
#[cfg(test)]
mod cost_tests;
mod ecosystem;
mod error;
mod findings;
mod inventory;
mod limits;
mod osv;
mod package;
mod readers;
mod release;
mod scan;
mod severity;
#[cfg(test)]
mod test_layers;
#[cfg(test)]
mod tests;
mod versions;

pub use advisories::{Advisories, ImportError, Imported, Part, SetUpdate, ZipError};
pub use ecosystem::Ecosystem;
pub use error::{Limit, ScanError};
pub use findings::Finding;
pub use limits::Limits;
pub use package::{Manager, Package};
pub use scan::{Layer, OpenLayer, Report, Scanner};
pub use severity::{Score, Severity};
pub use versions::VersionOrder;
