//! An advisory in the OSV format: the affected packages and versions, and the severity.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::VersionOrder;

#[derive(Debug, Deserialize)]
pub(crate) struct Document {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) modified: String,
    pub(crate) published: Option<String>,
    pub(crate) withdrawn: Option<String>,
    pub(crate) summary: Option<String>,
    pub(crate) details: Option<String>,
    #[serde(default)]
    pub(crate) aliases: Vec<String>,
    #[serde(default)]
    pub(crate) upstream: Vec<String>,
    #[serde(default)]
    pub(crate) severity: Vec<SeverityScore>,
    #[serde(default)]
    pub(crate) references: Vec<Reference>,
    #[serde(default)]
    pub(crate) affected: Vec<Affected>,
    #[serde(default)]
    pub(crate) database_specific: Option<Specific>,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub(crate) struct SeverityScore {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) score: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Reference {
    pub(crate) url: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Affected {
    pub(crate) package: Option<AffectedPackage>,
    // Not flattened: serde would hold a long list twice.
    #[serde(default)]
    pub(crate) ranges: Vec<Range>,
    #[serde(default)]
    pub(crate) versions: Vec<String>,
    #[serde(default)]
    pub(crate) severity: Vec<SeverityScore>,
    #[serde(default)]
    pub(crate) ecosystem_specific: Option<Specific>,
    #[serde(default)]
    pub(crate) database_specific: Option<Specific>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct AffectedPackage {
    pub(crate) ecosystem: String,
    pub(crate) name: String,
}

/// The member in which databases give a severity as a word.
#[derive(Debug, Deserialize)]
pub(crate) struct Specific {
    pub(crate) severity: Option<Value>,
    pub(crate) urgency: Option<Value>,
}

impl Specific {
    pub(crate) fn word(&self) -> Option<&str> {
        let mut words = [&self.severity, &self.urgency].into_iter().flatten();
        words.find_map(Value::as_str)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub(crate) struct AffectedVersions {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) ranges: Vec<Range>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) versions: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub(crate) struct Range {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    events: Vec<BTreeMap<String, String>>,
}

/// An event at a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event<'a> {
    Introduced(&'a str),
    Fixed(&'a str),
    LastAffected(&'a str),
}

/// Lower than every version.
const BEGINNING: &str = "0";

impl AffectedVersions {
    /// A package is affected if its version is listed or lies in one of the ranges.
    pub(crate) fn contain(&self, version: &str, order: VersionOrder) -> bool {
        let named =
            |known: &String| known == version || order.compare(known, version) == Some(Ordering::Equal);
        self.versions.iter().any(named) || self.ranges().any(|range| range.contains(version, order))
    }

    /// The earliest fixed version after this one.
    pub(crate) fn fixed_after(&self, version: &str, order: VersionOrder) -> Option<&str> {
        let fixes = self
            .ranges()
            .flat_map(Range::events)
            .filter_map(|event| match event {
                Event::Fixed(fixed) if order.compare(fixed, version) == Some(Ordering::Greater) => {
                    Some(fixed)
                }
                _ => None,
            });
        fixes.reduce(|earliest, fixed| match order.compare(fixed, earliest) {
            Some(Ordering::Less) => fixed,
            _ => earliest,
        })
    }

    /// The ranges of versions; commits cannot be compared here.
    fn ranges(&self) -> impl Iterator<Item = &Range> {
        self.ranges.iter().filter(|range| range.kind != "GIT")
    }

    /// Drops ranges of commits, which are never compared.
    pub(crate) fn of(mut ranges: Vec<Range>, versions: Vec<String>) -> Self {
        ranges.retain(|range| range.kind != "GIT");
        Self { ranges, versions }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ranges.is_empty() && self.versions.is_empty()
    }
}

impl Range {
    fn events(&self) -> impl Iterator<Item = Event<'_>> {
        self.events.iter().flatten().filter_map(|(kind, version)| {
            Some(match kind.as_str() {
                "introduced" => Event::Introduced(version),
                "fixed" => Event::Fixed(version),
                "last_affected" => Event::LastAffected(version),
                _ => return None,
            })
        })
    }

    /// The last event up to the version decides, in whatever order the events are listed.
    fn contains(&self, version: &str, order: VersionOrder) -> bool {
        let mut decisive: Option<Event<'_>> = None;
        for event in self.events() {
            let reached = match (event, order.compare(event.version(), version)) {
                (Event::Introduced(BEGINNING), _) => true,
                (_, None) => return false,
                (Event::LastAffected(_), Some(at)) => at == Ordering::Less,
                (_, Some(at)) => at != Ordering::Greater,
            };
            if reached && decisive.is_none_or(|before| event.follows(before, order)) {
                decisive = Some(event);
            }
        }
        matches!(decisive, Some(Event::Introduced(_)))
    }
}

impl<'a> Event<'a> {
    fn version(self) -> &'a str {
        match self {
            Self::Introduced(version) | Self::Fixed(version) | Self::LastAffected(version) => version,
        }
    }

    /// Of two events at one version, the one that is later in the file follows.
    fn follows(self, before: Event<'_>, order: VersionOrder) -> bool {
        match (before, self) {
            (Event::Introduced(BEGINNING), _) => true,
            (_, Event::Introduced(BEGINNING)) => false,
            _ => order.compare(self.version(), before.version()) != Some(Ordering::Less),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(affected: &Value, order: VersionOrder, cases: &[(&str, bool, Option<&str>)]) {
        let affected: AffectedVersions = serde_json::from_value(affected.clone()).unwrap();
        for (version, expected, fixed) in cases {
            assert_eq!(affected.contain(version, order), *expected, "{version}");
            assert_eq!(affected.fixed_after(version, order), *fixed, "{version}");
        }
    }

    #[test]
    fn ranges_are_read_in_the_order_of_their_versions() {
        let affected = json!({ "ranges": [{ "type": "SEMVER", "events": [
            { "fixed": "2.3.0" }, { "introduced": "2.0.0" }, { "fixed": "1.2.0" }, { "introduced": "0" },
        ] }] });
        check(
            &affected,
            VersionOrder::Semver,
            &[
                ("0.1.0-alpha", true, Some("1.2.0")),
                ("1.1.9", true, Some("1.2.0")),
                ("1.2.0", false, Some("2.3.0")),
                ("2.0.0-rc1", false, Some("2.3.0")),
                ("2.0.0", true, Some("2.3.0")),
                ("2.3.0", false, None),
                ("not a version", false, None),
            ],
        );
    }

    #[test]
    fn the_last_affected_version_is_affected() {
        let affected = json!({ "ranges": [{ "type": "ECOSYSTEM", "events": [
            { "introduced": "1:1.0-1" }, { "last_affected": "1:1.2-3" },
        ] }] });
        check(
            &affected,
            VersionOrder::Dpkg,
            &[
                ("1.1", false, None),
                ("1:1.0-1", true, None),
                ("1:1.2-3", true, None),
                ("1:1.2-3+b1", false, None),
            ],
        );
    }

    #[test]
    fn versions_are_named_one_by_one_and_commits_say_nothing() {
        let affected = json!({
            "versions": ["2.0", "2.1rc1"],
            "ranges": [{ "type": "GIT", "repo": "https://example.com", "events": [{ "introduced": "0" }] }],
        });
        check(
            &affected,
            VersionOrder::Pep440,
            &[
                ("2.0.0", true, None),
                ("2.1rc1", true, None),
                ("2.1", false, None),
            ],
        );
    }
}
