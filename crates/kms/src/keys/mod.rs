//! Keys: making, describing and listing them, and switching them on and off.

mod create_key;
mod describe_key;
mod disable_key;
mod enable_key;
mod list_keys;
mod managed;
mod update_key_description;

use ecru_store::stored;

use crate::Error;
use crate::generated::shapes::{
    DescriptionType, KeyIdType, KeyManagerType, KeyMetadata, KeyState, OriginType,
};
use crate::records::key::Key;

pub(crate) use create_key::create_key;
pub(crate) use describe_key::describe_key;
pub(crate) use disable_key::disable_key;
pub(crate) use enable_key::enable_key;
pub(crate) use list_keys::list_keys;
pub(crate) use managed::make_material;
pub(crate) use update_key_description::update_key_description;

/// A key as answers show it. A key whose material cannot be used is unavailable.
fn metadata(key: &Key, available: bool) -> Result<KeyMetadata, Error> {
    let state = match key.state() {
        KeyState::Enabled if !available => KeyState::Unavailable,
        state => state,
    };
    let encryption = key.spec.encryption_algorithms(key.usage);
    let signing = key.spec.signing_algorithms(key.usage);
    let material = key.material.as_ref().filter(|_| key.is_symmetric());
    Ok(KeyMetadata {
        aws_account_id: Some(key.scope.registry_id.as_str().to_owned()),
        key_id: stored(KeyIdType::parse(key.id.clone()))?,
        arn: Some(key.arn()),
        creation_date: Some(key.created_at),
        enabled: Some(state == KeyState::Enabled),
        description: Some(stored(DescriptionType::parse(key.description.clone()))?),
        key_usage: Some(key.usage),
        key_state: Some(state),
        deletion_date: key.deletion_at,
        valid_to: None,
        origin: Some(OriginType::AwsKms),
        custom_key_store_id: None,
        cloud_hsm_cluster_id: None,
        expiration_model: None,
        key_manager: Some(if key.managed {
            KeyManagerType::Aws
        } else {
            KeyManagerType::Customer
        }),
        customer_master_key_spec: Some(key.spec.customer_master_key_spec()),
        key_spec: Some(key.spec.key_spec()),
        encryption_algorithms: (!encryption.is_empty()).then(|| encryption.to_vec()),
        signing_algorithms: (!signing.is_empty()).then(|| signing.to_vec()),
        key_agreement_algorithms: None,
        encapsulation_algorithms: None,
        multi_region: Some(false),
        multi_region_configuration: None,
        pending_deletion_window_in_days: None,
        mac_algorithms: None,
        xks_key_configuration: None,
        current_key_material_id: material.map(|material| material.id.clone()),
    })
}
