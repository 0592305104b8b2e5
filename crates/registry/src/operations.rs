//! Every operation of the service model under its name, for the dispatcher of the wire.

pub use crate::authorization::get_authorization_token;
pub use crate::creation_templates::{
    create_repository_creation_template, delete_repository_creation_template,
    describe_repository_creation_templates, update_repository_creation_template,
};
pub use crate::images::{
    batch_delete_image, batch_get_image, describe_images, list_image_referrers, list_images, put_image,
    update_image_storage_class,
};
pub use crate::layers::{
    batch_check_layer_availability, complete_layer_upload, get_download_url_for_layer, initiate_layer_upload,
    upload_layer_part,
};
pub use crate::lifecycle::{
    delete_lifecycle_policy, get_lifecycle_policy, get_lifecycle_policy_preview, put_lifecycle_policy,
    start_lifecycle_policy_preview,
};
pub use crate::pull_through_cache::{
    create_pull_through_cache_rule, delete_pull_through_cache_rule, describe_pull_through_cache_rules,
    update_pull_through_cache_rule, validate_pull_through_cache_rule,
};
pub use crate::pull_time_exclusions::{
    deregister_pull_time_update_exclusion, list_pull_time_update_exclusions,
    register_pull_time_update_exclusion,
};
pub use crate::registry_settings::{
    delete_registry_policy, describe_registry, get_account_setting, get_registry_policy, put_account_setting,
    put_registry_policy,
};
pub use crate::replication::{
    describe_image_replication_status, describe_replication_backfill_results, list_replication_backfills,
    put_replication_configuration, start_replication_backfill, stop_replication_backfill,
};
pub use crate::repositories::{
    create_repository, delete_repository, describe_repositories, put_image_scanning_configuration,
    put_image_tag_mutability,
};
pub use crate::repository_policy::{delete_repository_policy, get_repository_policy, set_repository_policy};
pub use crate::scanning::{
    batch_get_repository_scanning_configuration, describe_image_scan_findings,
    get_registry_scanning_configuration, put_registry_scanning_configuration, start_image_scan,
};
pub use crate::signing::{
    delete_signing_configuration, describe_image_signing_status, get_signing_configuration,
    put_signing_configuration,
};
pub use crate::tagging::{list_tags_for_resource, tag_resource, untag_resource};
