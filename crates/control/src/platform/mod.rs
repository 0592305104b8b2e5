//! What the API shows and sets of what all services share.

mod clock;
mod document;
mod duration;
mod jobs;
mod principals;
mod reset;

use crate::route::Room;

pub(crate) use reset::{reset_any, reset_one};

pub(crate) const ROOMS: &[Room] = &[
    clock::ROOM,
    jobs::ROOM,
    principals::ROOM,
    reset::ROOM,
    document::ROOM,
];
