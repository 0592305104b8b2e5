//! The operations on images, of both wires.

mod batch_delete_image;
mod batch_get_image;
mod delete_manifest;
mod describe_images;
mod list_image_referrers;
mod list_images;
mod list_tags;
mod page;
mod put_image;
mod put_manifest;
mod update_image_storage_class;
mod upstream;
mod verify;

pub use crate::manifests::{MANIFEST_BYTES_MAX, Reference, StoredManifest};
pub use crate::stored_images::{load_manifest, pull_manifest};
pub use batch_delete_image::batch_delete_image;
pub use batch_get_image::batch_get_image;
pub use delete_manifest::delete_manifest;
pub use describe_images::describe_images;
pub use list_image_referrers::{Referrer, ReferrersOf, list_image_referrers, list_referrers_of};
pub use list_images::list_images;
pub use list_tags::list_tags;
pub use put_image::put_image;
pub use put_manifest::{ManifestStored, PutManifest, put_manifest};
pub use update_image_storage_class::update_image_storage_class;
pub use verify::{VerifiedImages, verify_images};
