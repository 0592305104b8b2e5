//! The JSON API as clients see it: every operation with its answers, errors and effects.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a helper that fails is a test that fails"
)]

mod access;
mod api;
mod content;
mod coverage;
mod creation_templates;
mod delete_images;
mod derived_columns;
mod events;
mod faults;
mod get_images;
mod hostile;
mod inputs;
mod isolation;
mod jobs;
mod kms;
mod large_lists;
mod layer_lookup;
mod layers;
mod lifecycle;
mod links;
mod lists;
mod manifests;
mod operations;
mod policies;
mod pull_through_cache;
mod pull_time_exclusions;
mod pull_times;
mod put_image;
mod quotas;
mod referrers;
mod registry;
mod registry_policy;
mod replication;
mod replication_backfill;
mod repositories;
mod resource_tags;
mod scanning;
mod signing;
mod storage_class;
mod sts;
mod tag_mutability;
mod tokens;
mod verification;
