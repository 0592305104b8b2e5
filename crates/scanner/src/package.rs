//! A package that is installed in an image.

use serde::{Deserialize, Serialize};

use crate::VersionOrder;

/// The lengths of all texts are limited by `Package::new`, which also checks stored packages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "StoredPackage")]
pub struct Package {
    manager: Manager,
    name: Box<str>,
    version: Box<str>,
    source_name: Option<Box<str>>,
    source_version: Option<Box<str>>,
    architecture: Option<Box<str>>,
}

/// The fields of a package record, of any length.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Facts<'a> {
    pub(crate) name: &'a str,
    /// As the package manager writes it, with epoch and release.
    pub(crate) version: &'a str,
    /// The source package, if it has another name or version.
    pub(crate) source_name: Option<&'a str>,
    pub(crate) source_version: Option<&'a str>,
    pub(crate) architecture: Option<&'a str>,
}

/// The package manager, or the kind of file that lists the package.
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
    /// Whether it is the package manager of the distribution.
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

    /// The ecosystem of packages that belong to no distribution.
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

/// Longer than any name in a package manager or an advisory.
pub(crate) const NAME_BYTES_MAX: usize = 512;
pub(crate) const VERSION_BYTES_MAX: usize = 256;
const ARCHITECTURE_BYTES_MAX: usize = 64;
/// The memory of an allocation in addition to its bytes.
const ALLOCATION_BYTES: u64 = 16;

impl Package {
    /// Returns `None` if the record has no valid name or version. Other fields are dropped if they are too
    /// long, so that the package itself stays visible.
    pub(crate) fn new(manager: Manager, facts: &Facts<'_>) -> Option<Self> {
        Some(Self {
            manager,
            name: bounded(facts.name, NAME_BYTES_MAX)?,
            version: bounded(facts.version, VERSION_BYTES_MAX)?,
            source_name: facts.source_name.and_then(|name| bounded(name, NAME_BYTES_MAX)),
            source_version: facts
                .source_version
                .and_then(|version| bounded(version, VERSION_BYTES_MAX)),
            architecture: facts
                .architecture
                .and_then(|name| bounded(name, ARCHITECTURE_BYTES_MAX)),
        })
    }

    pub(crate) fn named(manager: Manager, name: &str, version: &str) -> Option<Self> {
        let facts = Facts {
            name,
            version,
            ..Facts::default()
        };
        Self::new(manager, &facts)
    }

    pub fn manager(&self) -> Manager {
        self.manager
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn version(&self) -> &str {
        &self.version
    }

    pub fn source_name(&self) -> Option<&str> {
        self.source_name.as_deref()
    }

    pub fn source_version(&self) -> Option<&str> {
        self.source_version.as_deref()
    }

    pub fn architecture(&self) -> Option<&str> {
        self.architecture.as_deref()
    }

    /// The memory that the package takes.
    pub(crate) fn kept_bytes(&self) -> u64 {
        let optional = [&self.source_name, &self.source_version, &self.architecture];
        let texts = [&self.name, &self.version]
            .into_iter()
            .chain(optional.into_iter().flatten());
        let texts = texts.map(|text| text.len() as u64 + ALLOCATION_BYTES);
        size_of::<Self>() as u64 + texts.sum::<u64>()
    }
}

fn bounded(text: &str, bytes_max: usize) -> Option<Box<str>> {
    let text = text.trim();
    let fits = !text.is_empty() && text.len() <= bytes_max && !text.contains(char::is_control);
    fits.then(|| text.into())
}

/// A package as stored in the inventory of a layer.
#[derive(Deserialize)]
struct StoredPackage {
    manager: Manager,
    name: String,
    version: String,
    source_name: Option<String>,
    source_version: Option<String>,
    architecture: Option<String>,
}

impl TryFrom<StoredPackage> for Package {
    type Error = &'static str;

    fn try_from(stored: StoredPackage) -> Result<Self, Self::Error> {
        let facts = Facts {
            name: &stored.name,
            version: &stored.version,
            source_name: stored.source_name.as_deref(),
            source_version: stored.source_version.as_deref(),
            architecture: stored.architecture.as_deref(),
        };
        Self::new(stored.manager, &facts).ok_or("a package has no name or version")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_of_a_package_is_bounded() {
        let long = "a".repeat(100_000);
        let facts = Facts {
            name: "bash",
            version: "5.1",
            source_name: Some(&long),
            source_version: Some(&long),
            architecture: Some(&long),
        };
        let package = Package::new(Manager::Rpm, &facts).unwrap();
        assert_eq!(Some(package), Package::named(Manager::Rpm, "bash", "5.1"));
        for (name, version) in [
            (long.as_str(), "1"),
            ("a", long.as_str()),
            ("", "1"),
            ("a\u{1}", "1"),
        ] {
            assert_eq!(Package::named(Manager::Rpm, name, version), None);
        }
        let longest = Facts {
            name: &long[..NAME_BYTES_MAX],
            version: &long[..VERSION_BYTES_MAX],
            source_name: Some(&long[..NAME_BYTES_MAX]),
            source_version: Some(&long[..VERSION_BYTES_MAX]),
            architecture: Some(&long[..ARCHITECTURE_BYTES_MAX]),
        };
        assert!(Package::new(Manager::Rpm, &longest).unwrap().kept_bytes() < 2048);
    }

    #[test]
    fn a_package_that_an_earlier_build_stored_is_read() {
        let stored = r#"{"manager":"Dpkg","name":"libc6","version":"2.36-9","source_name":"glibc",
            "source_version":null,"architecture":"amd64"}"#;
        let package: Package = serde_json::from_str(stored).unwrap();
        assert_eq!(
            (package.name(), package.source_name(), package.architecture()),
            ("libc6", Some("glibc"), Some("amd64"))
        );
        let long = stored.replace("glibc", &"g".repeat(70_000));
        let package: Package = serde_json::from_str(&long).unwrap();
        assert_eq!((package.name(), package.source_name()), ("libc6", None));
        let again = serde_json::to_value(&package).unwrap();
        assert_eq!(again["architecture"], "amd64");
    }
}
