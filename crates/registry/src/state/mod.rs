//! What the process keeps in memory beside the store. Each part is plain data; the room that owns it defines its use.

pub(crate) mod caching;
pub(crate) mod flights;
pub(crate) mod kept_manifests;
pub(crate) mod pulls;
pub(crate) mod recollection;
pub(crate) mod verified_tokens;
