//! The operations on a registry as a whole: its account settings and its policy.

mod delete_registry_policy;
mod describe_registry;
mod get_account_setting;
mod get_registry_policy;
mod put_account_setting;
mod put_registry_policy;

use ecru_model::{ErrorCode, Scope};
use ecru_store::Snapshot;

use crate::Error;
use crate::records::registry_settings::{
    BASIC_SCANNER, BLOB_MOUNTING, REGISTRY_POLICY, REGISTRY_POLICY_SCOPE, find,
};

pub use delete_registry_policy::delete_registry_policy;
pub use describe_registry::describe_registry;
pub use get_account_setting::get_account_setting;
pub use get_registry_policy::get_registry_policy;
pub use put_account_setting::put_account_setting;
pub use put_registry_policy::put_registry_policy;

/// The account settings of ECR, each with its values; the first value is the default.
const ACCOUNT_SETTINGS: [(&str, &[&str]); 3] = [
    (BASIC_SCANNER, &["AWS_NATIVE", "CLAIR"]),
    (REGISTRY_POLICY_SCOPE, &["V2", "V1"]),
    (BLOB_MOUNTING, &["DISABLED", "ENABLED"]),
];

fn load_policy(at: &Snapshot<'_>, scope: &Scope) -> Result<String, Error> {
    find(at, scope, REGISTRY_POLICY)?.ok_or_else(|| {
        Error::new(
            ErrorCode::RegistryPolicyNotFoundException,
            format!(
                "Registry policy does not exist in the registry with id '{}'",
                scope.registry_id
            ),
        )
    })
}

/// The values of a setting, or the error for an unknown setting.
fn values_of(name: &str) -> Result<&'static [&'static str], Error> {
    let known = ACCOUNT_SETTINGS.iter().find(|(known, _)| *known == name);
    known.map(|(_, values)| *values).ok_or_else(|| {
        let names = ACCOUNT_SETTINGS.map(|(name, _)| name).join(", ");
        Error::parameter("name", &format!("Member must satisfy enum value set: [{names}]"))
    })
}
