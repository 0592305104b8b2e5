//! A running server as clients see it, by protocol: real HTTP to a server in this process.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a helper that fails is a test that fails"
)]

mod client;
mod content;
mod oci_access;
mod oci_authentication;
mod oci_creation_templates;
mod oci_discovery;
mod oci_grants;
mod oci_hostile;
mod oci_management;
mod oci_manifests;
mod oci_manifests_refused;
mod oci_mounts;
mod oci_pull;
mod oci_push;
mod oci_ranges;
mod oci_regions;
mod oci_replication;
mod oci_upload_places;
mod oci_uploads;
mod oci_uploads_refused;
mod pull_through;
mod pull_through_refused;
mod upstream;
