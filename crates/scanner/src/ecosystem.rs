//! The name of an ecosystem, such as `Debian:12` or `PyPI`, in a form that is safe in addresses and file
//! names.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::release::canonical_ecosystem;

/// The maximum as part of a file name, with three characters for each byte.
const BYTES_MAX: usize = 80;
/// Needed because layers can name any number of distributions.
const COUNT_MAX: usize = 64;

/// Distributions with published advisories, and the languages whose packages are found.
const PUBLISHED: [&str; 21] = [
    "AlmaLinux",
    "Alpaquita",
    "Alpine",
    "Azure Linux",
    "BellSoft Hardened Containers",
    "Chainguard",
    "Debian",
    "Echo",
    "Go",
    "Mageia",
    "MinimOS",
    "Photon OS",
    "PyPI",
    "Red Hat",
    "Rocky Linux",
    "SUSE",
    "Ubuntu",
    "Wolfi",
    "crates.io",
    "npm",
    "openSUSE",
];

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ecosystem(String);

impl Ecosystem {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The archives that may contain its advisories, the most specific first: of a release, or of all
    /// releases together.
    pub fn archives(&self) -> Vec<Self> {
        let mut archives = vec![self.clone()];
        if self.0.starts_with("Ubuntu:") && !self.0.ends_with(":LTS") {
            archives.extend(format!("{}:LTS", self.0).parse());
        }
        if let Some((base, _)) = self.0.split_once(':') {
            archives.push(Self(base.to_owned()));
        }
        archives
    }

    /// Removes duplicates and limits the number. Ecosystems with published advisories come first.
    pub fn choose(found: impl IntoIterator<Item = Self>) -> Vec<Self> {
        let (mut published, mut others) = (BTreeSet::new(), BTreeSet::new());
        for ecosystem in found {
            if ecosystem.is_published() {
                published.insert(ecosystem);
            } else if others.len() < COUNT_MAX {
                others.insert(ecosystem);
            }
        }
        published.into_iter().chain(others).take(COUNT_MAX).collect()
    }

    pub(crate) fn is_published(&self) -> bool {
        let base = self.0.split_once(':').map_or(self.0.as_str(), |(base, _)| base);
        PUBLISHED.contains(&base)
    }

    /// Whether advisories about `other` apply to this ecosystem or a part of it.
    pub(crate) fn includes(&self, other: &str) -> bool {
        let (own, other) = (canonical_ecosystem(&self.0), canonical_ecosystem(other));
        own == other || other.strip_prefix(&own).is_some_and(|rest| rest.starts_with(':'))
    }

    /// Whether `other` covers all releases, including this one.
    pub(crate) fn is_release_of(&self, other: &str) -> bool {
        self.0
            .strip_prefix(other)
            .is_some_and(|rest| rest.starts_with(':'))
    }

    /// Letters, digits and dots are kept unchanged.
    pub(crate) fn file_stem(&self) -> String {
        let encode = |character: char| match character {
            character if character.is_ascii_alphanumeric() || character == '.' => character.to_string(),
            character => format!("%{:02X}", u32::from(character)),
        };
        self.0.chars().map(encode).collect()
    }
}

impl FromStr for Ecosystem {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const HINT: &str = "an ecosystem has a name such as `Debian:12`, `Alpine:v3.19`, `PyPI` or `npm`";
        let starts = text.starts_with(|first: char| first.is_ascii_alphanumeric());
        let known = |character: char| character.is_ascii_alphanumeric() || " .:_-+()".contains(character);
        let ends = !text.ends_with([' ', ':']);
        let named = starts && ends && text.len() <= BYTES_MAX && text.chars().all(known);
        named.then(|| Self(text.to_owned())).ok_or(HINT)
    }
}

impl fmt::Display for Ecosystem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ecosystem(text: &str) -> Ecosystem {
        text.parse().unwrap()
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for good in [
            "Debian:12",
            "crates.io",
            "SUSE:Linux Enterprise Server 15 SP5",
            "Go",
        ] {
            assert_eq!(ecosystem(good).as_str(), good);
        }
        let long = "a".repeat(81);
        for bad in [
            "", ".", "..", "../npm", "a/b", "a\\b", "a%2f", "a?b", "a#b", "a\nb", "é", " a", "a:", &long,
        ] {
            assert!(bad.parse::<Ecosystem>().is_err(), "{bad}");
        }
    }

    #[test]
    fn each_name_has_a_file_of_its_own() {
        assert_eq!(ecosystem("Debian:12").file_stem(), "Debian%3A12");
        assert_eq!(ecosystem("crates.io").file_stem(), "crates.io");
        assert_ne!(ecosystem("a b").file_stem(), ecosystem("a_b").file_stem());
        assert!(ecosystem(&format!("a{}a", ":".repeat(78))).file_stem().len() < 240);
    }

    #[test]
    fn the_most_exact_archive_is_asked_for_first() {
        let archives = |text: &str| {
            ecosystem(text)
                .archives()
                .iter()
                .map(Ecosystem::to_string)
                .collect::<Vec<_>>()
        };
        assert_eq!(archives("npm"), ["npm"]);
        assert_eq!(archives("Debian:12"), ["Debian:12", "Debian"]);
        assert_eq!(
            archives("Ubuntu:22.04"),
            ["Ubuntu:22.04", "Ubuntu:22.04:LTS", "Ubuntu"]
        );
        assert_eq!(
            archives("Red Hat:enterprise_linux:9"),
            ["Red Hat:enterprise_linux:9", "Red Hat"]
        );
    }

    #[test]
    fn an_archive_speaks_for_its_own_ecosystem_only() {
        assert!(ecosystem("Debian").includes("Debian:12") && ecosystem("Debian:12").includes("Debian:12"));
        assert!(
            !ecosystem("Debian:12").includes("Debian:11") && !ecosystem("Debian:1").includes("Debian:12")
        );
        assert!(ecosystem("Ubuntu:22.04:LTS").includes("Ubuntu:22.04"));
        assert!(ecosystem("Red Hat").includes("Red Hat:enterprise_linux:9::appstream"));
        assert!(!ecosystem("npm").includes("PyPI"));
        assert!(
            ecosystem("Debian:12").is_release_of("Debian") && !ecosystem("Debian").is_release_of("Debian")
        );
    }
}
