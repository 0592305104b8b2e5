//! The replication configuration of a registry: its stored form, its rules, and the destinations of a repository.

use std::collections::BTreeSet;

use ecru_model::{
    DeleteReplication, Region, RegistryId, ReplicationConfiguration, ReplicationDestination, ReplicationRule,
    RepositoryFilter, RepositoryFilterType, RepositoryFilterValue, RepositoryName, Scope,
};
use ecru_store::{Snapshot, StoreError, Tx, stored};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::records::registry_settings;

const SETTING: &str = "REPLICATION_CONFIGURATION";
const VERSION: u32 = 1;
const DESTINATIONS_MAX: usize = 25;

/// The stored form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Configuration {
    version: u32,
    rules: Vec<Rule>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Rule {
    destinations: Vec<Place>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prefixes: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deletions: Option<bool>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    account: String,
    region: String,
}

/// A registry to which a repository is replicated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) destination: Scope,
    /// Whether deletions at the source are replicated.
    pub(super) deletions: bool,
}

/// The destinations of the images of a repository: each registry once, whatever the number of rules that name it.
pub(super) fn targets(
    at: &Snapshot<'_>,
    scope: &Scope,
    name: &RepositoryName,
) -> Result<Vec<Target>, StoreError> {
    find(at, scope)?.map_or_else(|| Ok(Vec::new()), |configuration| configuration.targets(name))
}

/// Whether images of a repository still go to the destination.
pub(super) fn sends(at: &Snapshot<'_>, route: &super::Route) -> Result<bool, StoreError> {
    let targets = targets(at, &route.source, &route.name)?;
    Ok(targets
        .iter()
        .any(|target| target.destination == route.destination))
}

/// Whether any rule names the destination.
pub(super) fn names(at: &Snapshot<'_>, scope: &Scope, destination: &Scope) -> Result<bool, StoreError> {
    let Some(configuration) = find(at, scope)? else {
        return Ok(false);
    };
    let mut places = configuration.rules.iter().flat_map(|rule| &rule.destinations);
    Ok(places.any(|place| place.is(destination)))
}

/// The configuration as it was put; without rules if none was put.
pub(crate) fn describe(at: &Snapshot<'_>, scope: &Scope) -> Result<ReplicationConfiguration, StoreError> {
    find(at, scope)?.unwrap_or_default().describe()
}

pub(super) fn save(tx: &Tx<'_>, scope: &Scope, given: &ReplicationConfiguration) -> Result<(), Error> {
    let text = serde_json::to_string(&Configuration::from(given));
    let text = text.map_err(|error| Error::server("the configuration cannot be stored").caused_by(error))?;
    Ok(registry_settings::save(tx, scope, SETTING, &text)?)
}

/// Checks the rules that the shapes of the model do not express.
pub(super) fn check(own: &Scope, given: &ReplicationConfiguration) -> Result<(), Error> {
    let mut distinct = BTreeSet::new();
    for destination in given.rules.iter().flat_map(|rule| &rule.destinations) {
        let ReplicationDestination { region, registry_id } = destination;
        if *registry_id == own.registry_id && *region == own.region {
            return Err(refusal(
                "Replication destination cannot be the same as the source registry",
            ));
        }
        // [unknown] ECR's wording.
        if region.partition() != own.region.partition() {
            return Err(refusal(
                "Replication destination must be in the same partition as the source registry",
            ));
        }
        distinct.insert((registry_id, region));
    }
    if distinct.len() > DESTINATIONS_MAX {
        // [unknown] ECR's wording.
        return Err(refusal(&format!(
            "Replication configuration must have at most {DESTINATIONS_MAX} unique destinations"
        )));
    }
    Ok(())
}

fn refusal(reason: &str) -> Error {
    Error::parameter("replicationConfiguration", reason)
}

fn find(at: &Snapshot<'_>, scope: &Scope) -> Result<Option<Configuration>, StoreError> {
    let text = registry_settings::find(at, scope, SETTING)?;
    text.map(|text| stored(serde_json::from_str(&text))).transpose()
}

impl Configuration {
    fn targets(&self, name: &RepositoryName) -> Result<Vec<Target>, StoreError> {
        let mut targets = Vec::<Target>::new();
        for rule in self.rules.iter().filter(|rule| rule.covers(name)) {
            let deletions = rule.deletions == Some(true);
            for place in &rule.destinations {
                let destination = place.scope()?;
                match targets
                    .iter_mut()
                    .find(|target| target.destination == destination)
                {
                    Some(target) => target.deletions |= deletions,
                    None => targets.push(Target {
                        destination,
                        deletions,
                    }),
                }
            }
        }
        Ok(targets)
    }

    fn describe(&self) -> Result<ReplicationConfiguration, StoreError> {
        let rules = self.rules.iter().map(Rule::describe).collect::<Result<_, _>>()?;
        Ok(ReplicationConfiguration { rules })
    }
}

impl Rule {
    /// A prefix is not a path: `prod` also covers `production`.
    fn covers(&self, name: &RepositoryName) -> bool {
        let Some(prefixes) = &self.prefixes else {
            return true;
        };
        prefixes.iter().any(|prefix| name.as_str().starts_with(prefix))
    }

    fn describe(&self) -> Result<ReplicationRule, StoreError> {
        let destinations = self.destinations.iter().map(|place| {
            let Scope { registry_id, region } = place.scope()?;
            Ok(ReplicationDestination { region, registry_id })
        });
        let filters = self.prefixes.iter().flatten().map(|prefix| {
            Ok(RepositoryFilter {
                filter: stored(RepositoryFilterValue::parse(prefix.as_str()))?,
                filter_type: RepositoryFilterType::PrefixMatch,
            })
        });
        Ok(ReplicationRule {
            destinations: destinations.collect::<Result<_, StoreError>>()?,
            repository_filters: match self.prefixes {
                Some(_) => Some(filters.collect::<Result<_, StoreError>>()?),
                None => None,
            },
            delete_replication: self.deletions.map(|enabled| DeleteReplication { enabled }),
        })
    }
}

impl Place {
    fn scope(&self) -> Result<Scope, StoreError> {
        Ok(Scope {
            registry_id: stored(RegistryId::parse(self.account.as_str()))?,
            region: stored(Region::parse(self.region.as_str()))?,
        })
    }

    fn is(&self, scope: &Scope) -> bool {
        self.account == scope.registry_id.as_str() && self.region == scope.region.as_str()
    }
}

impl From<&ReplicationConfiguration> for Configuration {
    fn from(given: &ReplicationConfiguration) -> Self {
        Self {
            version: VERSION,
            rules: given.rules.iter().map(Rule::from).collect(),
        }
    }
}

impl From<&ReplicationRule> for Rule {
    fn from(given: &ReplicationRule) -> Self {
        let place = |destination: &ReplicationDestination| Place {
            account: destination.registry_id.as_str().to_owned(),
            region: destination.region.as_str().to_owned(),
        };
        let prefixes = |filters: &Vec<RepositoryFilter>| {
            let prefixes = filters.iter().map(|filter| filter.filter.as_str().to_owned());
            prefixes.collect()
        };
        Self {
            destinations: given.destinations.iter().map(place).collect(),
            prefixes: given.repository_filters.as_ref().map(prefixes),
            deletions: given.delete_replication.as_ref().map(|given| given.enabled),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::test_service::scope;

    fn rule(regions: &[&str], prefixes: Option<&[&str]>, deletions: Option<bool>) -> Rule {
        let place = |region: &&str| Place {
            account: "111122223333".to_owned(),
            region: (*region).to_owned(),
        };
        Rule {
            destinations: regions.iter().map(place).collect(),
            prefixes: prefixes.map(|prefixes| prefixes.iter().map(|prefix| (*prefix).to_owned()).collect()),
            deletions,
        }
    }

    #[track_caller]
    fn check_targets(rules: &[Rule], name: &str, expected: &[(&str, bool)]) {
        let configuration = Configuration {
            version: VERSION,
            rules: rules.to_vec(),
        };
        let targets = configuration
            .targets(&RepositoryName::parse(name).unwrap())
            .unwrap();
        let targets = targets
            .iter()
            .map(|target| (target.destination.region.as_str(), target.deletions))
            .collect::<Vec<_>>();
        assert_eq!(targets, expected, "{name}");
    }

    #[test]
    fn a_repository_goes_where_any_rule_that_covers_it_says() {
        let rules = [
            rule(&["eu-west-1"], None, None),
            rule(&["eu-west-1", "eu-west-2"], Some(&["prod", "team/"]), Some(true)),
            rule(&["eu-west-3"], Some(&["dev"]), Some(false)),
        ];
        check_targets(&rules, "other", &[("eu-west-1", false)]);
        check_targets(&rules, "prod", &[("eu-west-1", true), ("eu-west-2", true)]);
        check_targets(
            &rules,
            "production/x",
            &[("eu-west-1", true), ("eu-west-2", true)],
        );
        check_targets(&rules, "team/x", &[("eu-west-1", true), ("eu-west-2", true)]);
        check_targets(&rules, "team", &[("eu-west-1", false)]);
        check_targets(&rules, "my/prod", &[("eu-west-1", false)]);
        check_targets(&rules, "dev", &[("eu-west-1", false), ("eu-west-3", false)]);
        check_targets(&[], "dev", &[]);
    }

    proptest! {
        #[test]
        fn what_is_stored_is_described_as_it_was_given(
            rules in prop::collection::vec(
                (
                    prop::collection::vec("[a-z]{2}-[a-z]{4}-[1-9]", 0..3),
                    prop::option::of(prop::collection::vec("[a-z]{2,8}/?", 1..3)),
                    prop::option::of(any::<bool>()),
                ),
                0..4,
            )
        ) {
            let rules = rules.iter().map(|(regions, prefixes, deletions)| {
                let regions = regions.iter().map(String::as_str).collect::<Vec<_>>();
                let prefixes = prefixes.as_ref().map(|prefixes| {
                    prefixes.iter().map(String::as_str).collect::<Vec<_>>()
                });
                rule(&regions, prefixes.as_deref(), *deletions)
            });
            let configuration = Configuration { version: VERSION, rules: rules.collect() };
            let described = configuration.describe().unwrap();
            let read = serde_json::to_string(&Configuration::from(&described)).unwrap();
            prop_assert_eq!(serde_json::from_str::<Configuration>(&read).unwrap(), configuration);
        }
    }

    #[test]
    fn a_destination_must_be_another_registry_of_the_same_partition() {
        let own = scope("111122223333", "us-east-1");
        let cases = [
            ("us-east-1", "111122223333", false),
            ("us-east-1", "444455556666", true),
            ("eu-west-1", "111122223333", true),
            ("cn-north-1", "444455556666", false),
        ];
        for (region, account, accepted) in cases {
            let Scope { registry_id, region } = scope(account, region);
            let given = ReplicationConfiguration {
                rules: vec![ReplicationRule {
                    destinations: vec![ReplicationDestination { region, registry_id }],
                    ..ReplicationRule::default()
                }],
            };
            assert_eq!(check(&own, &given).is_ok(), accepted, "{given:?}");
        }
    }
}
