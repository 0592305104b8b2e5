//! The operations, as the wire calls them.

pub(crate) use crate::aliases::{create_alias, delete_alias, list_aliases, update_alias};
pub(crate) use crate::cryptography::{
    decrypt, encrypt, generate_data_key, generate_data_key_without_plaintext, get_public_key, re_encrypt,
    sign, verify,
};
pub(crate) use crate::deletion::{cancel_key_deletion, schedule_key_deletion};
pub(crate) use crate::grants::{create_grant, list_grants, retire_grant, revoke_grant};
pub(crate) use crate::keys::{
    create_key, describe_key, disable_key, enable_key, list_keys, update_key_description,
};
pub(crate) use crate::policies::{get_key_policy, list_key_policies, put_key_policy};
pub(crate) use crate::rotation::{disable_key_rotation, enable_key_rotation, get_key_rotation_status};
pub(crate) use crate::tags::{list_resource_tags, tag_resource, untag_resource};
