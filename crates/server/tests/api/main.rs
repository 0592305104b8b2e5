//! The JSON API as a client sees it: every operation that is built, its answers, its errors and what it leaves behind.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a helper that fails is a test that fails"
)]

mod api;
mod content;
mod delete_images;
mod get_images;
mod layer_lookup;
mod layers;
mod put_image;
mod quotas;
mod repositories;
mod signing;
mod tag_mutability;
mod verification;
