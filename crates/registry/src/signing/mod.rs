//! Signing: the profiles that sign pushes to a registry, and the results.

mod delete_signing_configuration;
mod describe_image_signing_status;
mod get_signing_configuration;
mod on_push;
mod put_signing_configuration;

use ecru_model::{
    ErrorCode, Scope, SigningConfiguration, SigningProfileArn, SigningRepositoryFilter,
    SigningRepositoryFilterType, SigningRepositoryFilterValue, SigningRule,
};
use ecru_store::{Snapshot, StoreError, Tx, stored};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::records::registry_settings;

pub use delete_signing_configuration::delete_signing_configuration;
pub use describe_image_signing_status::describe_image_signing_status;
pub use get_signing_configuration::get_signing_configuration;
pub(crate) use on_push::Observer;
pub use put_signing_configuration::put_signing_configuration;

const SETTING: &str = "SIGNING_CONFIGURATION";

/// A signing configuration as it is stored.
#[derive(Serialize, Deserialize)]
#[serde(tag = "version")]
enum Record {
    #[serde(rename = "1")]
    One { rules: Vec<RuleRecord> },
}

#[derive(Serialize, Deserialize)]
struct RuleRecord {
    profile_arn: String,
    /// Absent if the rule applies to every repository.
    filters: Option<Vec<String>>,
}

fn find(at: &Snapshot<'_>, scope: &Scope) -> Result<Option<SigningConfiguration>, StoreError> {
    let Some(text) = registry_settings::find(at, scope, SETTING)? else {
        return Ok(None);
    };
    let Record::One { rules } = stored(serde_json::from_str(&text))?;
    let rules = rules.into_iter().map(rule).collect::<Result<_, _>>()?;
    Ok(Some(SigningConfiguration { rules }))
}

fn load(at: &Snapshot<'_>, scope: &Scope) -> Result<SigningConfiguration, Error> {
    find(at, scope)?.ok_or_else(|| not_found(scope))
}

fn rule(record: RuleRecord) -> Result<SigningRule, StoreError> {
    let filter = |text: String| {
        Ok::<_, StoreError>(SigningRepositoryFilter {
            filter: stored(SigningRepositoryFilterValue::parse(text))?,
            filter_type: SigningRepositoryFilterType::WildcardMatch,
        })
    };
    let filters = record
        .filters
        .map(|filters| filters.into_iter().map(filter).collect());
    Ok(SigningRule {
        signing_profile_arn: stored(SigningProfileArn::parse(record.profile_arn))?,
        repository_filters: filters.transpose()?,
    })
}

fn save(tx: &Tx<'_>, scope: &Scope, configuration: &SigningConfiguration) -> Result<(), Error> {
    let rules = configuration.rules.iter().map(|rule| RuleRecord {
        profile_arn: rule.signing_profile_arn.as_str().to_owned(),
        filters: rule.repository_filters.as_ref().map(|filters| {
            let text = |filter: &SigningRepositoryFilter| filter.filter.as_str().to_owned();
            filters.iter().map(text).collect()
        }),
    });
    let record = Record::One {
        rules: rules.collect(),
    };
    let text = serde_json::to_string(&record)
        .map_err(|error| Error::server("the signing configuration cannot be stored").caused_by(error))?;
    Ok(registry_settings::save(tx, scope, SETTING, &text)?)
}

fn remove(tx: &Tx<'_>, scope: &Scope) -> Result<(), StoreError> {
    registry_settings::remove(tx, scope, SETTING)
}

fn not_found(scope: &Scope) -> Error {
    Error::new(
        ErrorCode::SigningConfigurationNotFoundException,
        format!(
            "Signing configuration does not exist in the registry with id '{}'",
            scope.registry_id
        ),
    )
}
