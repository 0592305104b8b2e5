//! What the API shows and sets of ECR.

mod blobs;
mod events;
mod findings;
mod images;
mod lifecycle;
mod named;
mod repositories;
mod secrets;
mod verification;

use crate::route::Room;

pub(crate) use images::{ImageFacts, Images, ImagesQuery};
pub(crate) use repositories::RepositoryFacts;

pub(crate) const ROOMS: &[Room] = &[
    repositories::ROOM,
    images::ROOM,
    blobs::ROOM,
    events::ROOM,
    lifecycle::ROOM,
    findings::ROOM,
    verification::ROOM,
    secrets::ROOM,
];
