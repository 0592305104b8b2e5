//! How a registry scans: what it was told, and what that means for a repository.

mod batch_get_repository_scanning_configuration;
mod get_registry_scanning_configuration;
mod put_registry_scanning_configuration;

use ecru_model::{
    ErrorCode, RegistryScanningConfiguration, RegistryScanningRule, RepositoryName, ScanFrequency, ScanType,
    ScanningRepositoryFilter, ScanningRepositoryFilterType, ScanningRepositoryFilterValue, Scope, Timestamp,
    matches_wildcard,
};
use ecru_store::{Snapshot, StoreError, Tx, stored};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::records::registry_settings;

pub use batch_get_repository_scanning_configuration::batch_get_repository_scanning_configuration;
pub use get_registry_scanning_configuration::get_registry_scanning_configuration;
pub use put_registry_scanning_configuration::put_registry_scanning_configuration;

const SETTING: &str = "REGISTRY_SCANNING_CONFIGURATION";
const VERSION: u32 = 1;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Configuration {
    version: u32,
    scan_type: String,
    rules: Vec<Rule>,
    /// When scanning became enhanced: images that were pushed long before are not scanned by it.
    enhanced_since: Option<i64>,
    /// What was before, as long as repositories have yet to be told of the difference.
    previous: Option<Box<Configuration>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Rule {
    frequency: String,
    filters: Vec<String>,
}

impl Default for Configuration {
    fn default() -> Self {
        Self {
            version: VERSION,
            scan_type: ScanType::Basic.as_str().to_owned(),
            rules: Vec::new(),
            enhanced_since: None,
            previous: None,
        }
    }
}

/// What the rules say of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Applied {
    /// None when enhanced scanning leaves the repository out.
    pub(super) frequency: Option<ScanFrequency>,
    /// Those of the rule that won.
    pub(super) filters: Vec<String>,
}

impl Configuration {
    pub(super) fn new(scan_type: ScanType, rules: &[RegistryScanningRule]) -> Result<Self, Error> {
        for rule in rules {
            check_pairing(scan_type, rule.scan_frequency)?;
        }
        let rules = rules.iter().map(|rule| Rule {
            frequency: rule.scan_frequency.as_str().to_owned(),
            filters: rule
                .repository_filters
                .iter()
                .map(|filter| filter.filter.as_str().to_owned())
                .collect(),
        });
        Ok(Self {
            scan_type: scan_type.as_str().to_owned(),
            rules: rules.collect(),
            ..Self::default()
        })
    }

    pub(super) fn find(at: &Snapshot<'_>, scope: &Scope) -> Result<Self, StoreError> {
        match registry_settings::find(at, scope, SETTING)? {
            Some(text) => stored(serde_json::from_str(&text)),
            None => Ok(Self::default()),
        }
    }

    pub(super) fn save(&self, tx: &Tx<'_>, scope: &Scope) -> Result<(), StoreError> {
        let text = stored(serde_json::to_string(self))?;
        registry_settings::save(tx, scope, SETTING, &text)
    }

    /// Takes the place of another.
    pub(super) fn succeed(&mut self, previous: Self, now: Timestamp) {
        self.enhanced_since = match (self.scan_type(), previous.scan_type()) {
            (ScanType::Enhanced, ScanType::Enhanced) => previous.enhanced_since,
            (ScanType::Enhanced, ScanType::Basic) => Some(now.as_millis()),
            (ScanType::Basic, _) => None,
        };
        // Told is the difference to what was told last.
        let mut told = previous;
        self.previous = Some(told.previous.take().unwrap_or_else(|| Box::new(told)));
    }

    pub(super) fn previous(&self) -> Option<&Self> {
        self.previous.as_deref()
    }

    pub(super) fn forget_previous(&mut self) {
        self.previous = None;
    }

    pub(super) fn scan_type(&self) -> ScanType {
        ScanType::parse(&self.scan_type).unwrap_or(ScanType::Basic)
    }

    pub(super) fn enhanced_since(&self) -> Option<Timestamp> {
        self.enhanced_since.map(Timestamp::from_millis)
    }

    /// Of the rules that match, the more frequent wins. Where none does, basic scans are made when they are asked for,
    /// and enhanced ones not at all.
    pub(super) fn applied_to(&self, name: &RepositoryName) -> Applied {
        let matching = self.rules.iter().filter_map(|rule| {
            let frequency = ScanFrequency::parse(&rule.frequency).ok()?;
            let matches = rule
                .filters
                .iter()
                .any(|filter| matches_filter(filter, name.as_str()));
            matches.then_some((frequency, rule))
        });
        let rank = |frequency| match frequency {
            ScanFrequency::Manual => 0,
            ScanFrequency::ScanOnPush => 1,
            ScanFrequency::ContinuousScan => 2,
        };
        // Of two rules with equal rank, the first applies.
        let winner = matching.reduce(|best, rule| if rank(rule.0) > rank(best.0) { rule } else { best });
        match winner {
            Some((frequency, rule)) => Applied {
                frequency: Some(frequency),
                filters: rule.filters.clone(),
            },
            None => Applied {
                frequency: (self.scan_type() == ScanType::Basic).then_some(ScanFrequency::Manual),
                filters: Vec::new(),
            },
        }
    }

    /// Whether images of this name are looked at again and again, so that their scans never end.
    pub(super) fn scans_continuously(&self, name: &RepositoryName) -> bool {
        self.scan_type() == ScanType::Enhanced
            && self.applied_to(name).frequency == Some(ScanFrequency::ContinuousScan)
    }

    pub(super) fn describe(&self) -> RegistryScanningConfiguration {
        let rules = self.rules.iter().filter_map(|rule| {
            Some(RegistryScanningRule {
                scan_frequency: ScanFrequency::parse(&rule.frequency).ok()?,
                repository_filters: describe_filters(&rule.filters),
            })
        });
        RegistryScanningConfiguration {
            scan_type: Some(self.scan_type()),
            rules: Some(rules.collect()),
        }
    }
}

pub(super) fn describe_filters(filters: &[String]) -> Vec<ScanningRepositoryFilter> {
    let described = filters.iter().filter_map(|filter| {
        Some(ScanningRepositoryFilter {
            filter: ScanningRepositoryFilterValue::parse(filter).ok()?,
            filter_type: ScanningRepositoryFilterType::Wildcard,
        })
    });
    described.collect()
}

/// Without a wildcard a filter matches every name that contains it.
fn matches_filter(filter: &str, name: &str) -> bool {
    if filter.contains('*') {
        matches_wildcard(filter, name)
    } else {
        name.contains(filter)
    }
}

fn check_pairing(scan_type: ScanType, frequency: ScanFrequency) -> Result<(), Error> {
    let fits = match scan_type {
        ScanType::Basic => frequency != ScanFrequency::ContinuousScan,
        ScanType::Enhanced => frequency != ScanFrequency::Manual,
    };
    if fits {
        return Ok(());
    }
    // [unknown] in its words.
    Err(Error::new(
        ErrorCode::ValidationException,
        format!(
            "The scan frequency '{}' is not supported for the scan type '{}'",
            frequency.as_str(),
            scan_type.as_str()
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configuration(
        scan_type: ScanType,
        rules: &[(ScanFrequency, &[&str])],
    ) -> Result<Configuration, Error> {
        let rules: Vec<_> = rules
            .iter()
            .map(|(frequency, filters)| {
                let filters: Vec<_> = filters.iter().map(|filter| (*filter).to_owned()).collect();
                RegistryScanningRule {
                    scan_frequency: *frequency,
                    repository_filters: describe_filters(&filters),
                }
            })
            .collect();
        Configuration::new(scan_type, &rules)
    }

    #[test]
    fn filters_match_as_the_guide_says() {
        let names = [
            "prod",
            "repo-prod",
            "prod-repo",
            "repo-prod-repo",
            "prodrepo",
            "other",
        ];
        let cases: [(&str, &[&str]); 5] = [
            (
                "prod",
                &["prod", "repo-prod", "prod-repo", "repo-prod-repo", "prodrepo"],
            ),
            ("*prod", &["prod", "repo-prod"]),
            ("prod*", &["prod", "prod-repo", "prodrepo"]),
            ("prod*repo", &["prod-repo", "prodrepo"]),
            ("*", &names),
        ];
        for (filter, expected) in cases {
            let matched: Vec<_> = names
                .iter()
                .filter(|name| matches_filter(filter, name))
                .copied()
                .collect();
            assert_eq!(matched, expected, "{filter}");
        }
    }

    #[test]
    fn the_more_frequent_of_two_matching_rules_wins() {
        use ScanFrequency::{ContinuousScan, Manual, ScanOnPush};
        let name = RepositoryName::parse("team/prod").unwrap();
        let both = configuration(
            ScanType::Enhanced,
            &[(ScanOnPush, &["*"]), (ContinuousScan, &["prod", "main"])],
        );
        let applied = both.unwrap().applied_to(&name);
        assert_eq!(applied.frequency, Some(ContinuousScan));
        assert_eq!(applied.filters, ["prod", "main"]);

        let cases = [
            (ScanType::Enhanced, ScanOnPush, "other", None),
            (ScanType::Basic, ScanOnPush, "other", Some(Manual)),
            (ScanType::Basic, ScanOnPush, "*", Some(ScanOnPush)),
            (ScanType::Basic, Manual, "*", Some(Manual)),
        ];
        for (scan_type, frequency, filter, expected) in cases {
            let configuration = configuration(scan_type, &[(frequency, &[filter])]).unwrap();
            assert_eq!(configuration.applied_to(&name).frequency, expected, "{filter}");
        }
    }

    #[test]
    fn a_frequency_belongs_to_its_type() {
        use ScanFrequency::{ContinuousScan, Manual};
        for (scan_type, frequency) in [(ScanType::Basic, ContinuousScan), (ScanType::Enhanced, Manual)] {
            let refused = configuration(scan_type, &[(frequency, &["*"])]).unwrap_err();
            assert_eq!(refused.code, ErrorCode::ValidationException);
        }
    }

    #[test]
    fn the_time_of_switching_is_kept_while_scanning_stays_enhanced() {
        let at = Timestamp::from_millis;
        let mut first = configuration(ScanType::Enhanced, &[]).unwrap();
        first.succeed(Configuration::default(), at(5));
        assert_eq!(first.enhanced_since(), Some(at(5)));
        let mut second = configuration(ScanType::Enhanced, &[]).unwrap();
        second.succeed(first, at(9));
        assert_eq!(second.enhanced_since(), Some(at(5)));
        assert_eq!(second.previous().unwrap().scan_type(), ScanType::Basic);
        let mut third = configuration(ScanType::Basic, &[]).unwrap();
        third.succeed(second, at(11));
        assert_eq!(third.enhanced_since(), None);
    }
}
