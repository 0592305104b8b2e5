//! Deleting keys: after a waiting time, by the clock that users see, the material is erased.

mod cancel_key_deletion;
mod erase;
mod schedule_key_deletion;

pub(crate) use cancel_key_deletion::cancel_key_deletion;
pub(crate) use erase::KeyDeletion;
pub(crate) use schedule_key_deletion::schedule_key_deletion;
