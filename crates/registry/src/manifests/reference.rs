//! How `/v2/` names a manifest, and the manifest that it names.

use bytes::Bytes;
use ecru_model::{Digest, ImageTag};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reference {
    Tag(ImageTag),
    Digest(Digest),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredManifest {
    pub digest: Digest,
    pub media_type: String,
    pub bytes: Bytes,
}
