//! A package that is installed in an image.

use serde::{Deserialize, Serialize};

use crate::VersionOrder;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    pub manager: Manager,
    pub name: String,
    /// As the manager writes it, with epoch and release.
    pub version: String,
    /// What the package was built from, where that has another name or version.
    pub source_name: Option<String>,
    pub source_version: Option<String>,
    pub architecture: Option<String>,
}

/// Who installed it, or what told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Manager {
    Dpkg,
    Apk,
    Rpm,
    Python,
    Node,
    Go,
    Cargo,
}

impl Manager {
    /// The one that belongs to the distribution of the image.
    pub fn is_of_system(self) -> bool {
        matches!(self, Self::Dpkg | Self::Apk | Self::Rpm)
    }

    pub(crate) fn order(self) -> VersionOrder {
        match self {
            Self::Dpkg => VersionOrder::Dpkg,
            Self::Apk => VersionOrder::Apk,
            Self::Rpm => VersionOrder::Rpm,
            Self::Python => VersionOrder::Pep440,
            Self::Node | Self::Go | Self::Cargo => VersionOrder::Semver,
        }
    }

    /// The ecosystem of what belongs to no distribution.
    pub(crate) fn ecosystem(self) -> Option<&'static str> {
        match self {
            Self::Dpkg | Self::Apk | Self::Rpm => None,
            Self::Python => Some("PyPI"),
            Self::Node => Some("npm"),
            Self::Go => Some("Go"),
            Self::Cargo => Some("crates.io"),
        }
    }
}

const NAME_BYTES_MAX: usize = 512;
const VERSION_BYTES_MAX: usize = 256;

impl Package {
    /// None for what can be no package.
    pub(crate) fn new(manager: Manager, name: &str, version: &str) -> Option<Self> {
        let (name, version) = (name.trim(), version.trim());
        let fits = |text: &str, max: usize| {
            !text.is_empty() && text.len() <= max && !text.contains(char::is_control)
        };
        (fits(name, NAME_BYTES_MAX) && fits(version, VERSION_BYTES_MAX)).then(|| Self {
            manager,
            name: name.to_owned(),
            version: version.to_owned(),
            source_name: None,
            source_version: None,
            architecture: None,
        })
    }
}
