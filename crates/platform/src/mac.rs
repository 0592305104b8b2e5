//! Message authentication: every message carries a purpose, so that a signature for one use is invalid for another.

use aws_lc_rs::hmac;
use ecru_store::{Snapshot, StoreError, keys};

pub const TAG_BYTES: usize = 32;

/// The use of a signed message.
#[derive(Debug, Clone, Copy)]
pub enum Purpose {
    AccessKeyId,
    AuthorizationToken,
    DownloadGrant,
    EventId,
    NextToken,
    SecretAccessKey,
    SessionToken,
}

impl Purpose {
    fn label(self) -> &'static [u8] {
        match self {
            Self::AccessKeyId => b"access key id\0",
            Self::AuthorizationToken => b"authorization token\0",
            Self::DownloadGrant => b"download grant\0",
            Self::EventId => b"event id\0",
            Self::NextToken => b"next token\0",
            Self::SecretAccessKey => b"secret access key\0",
            Self::SessionToken => b"session token\0",
        }
    }
}

/// The keys of the store: the newest signs, and all verify.
pub struct Keys {
    newest: hmac::Key,
    older: Vec<hmac::Key>,
}

impl Keys {
    pub fn load(at: &Snapshot<'_>) -> Result<Self, StoreError> {
        let mut keys = keys::list(at)?
            .into_iter()
            .map(|secret| hmac::Key::new(hmac::HMAC_SHA256, &secret))
            .collect::<Vec<_>>();
        let newest = keys.pop().ok_or_else(|| StoreError::damaged("it holds no key"))?;
        Ok(Self { newest, older: keys })
    }

    /// Joins the parts with their lengths, so that two different lists never give the same message.
    pub fn sign(&self, purpose: Purpose, parts: &[&[u8]]) -> [u8; TAG_BYTES] {
        tag(&self.newest, &message(purpose, parts))
    }

    /// The signature by each key, that of the newest first.
    pub fn tags(&self, purpose: Purpose, parts: &[&[u8]]) -> impl Iterator<Item = [u8; TAG_BYTES]> {
        let message = message(purpose, parts);
        std::iter::once(&self.newest)
            .chain(&self.older)
            .map(move |key| tag(key, &message))
    }

    /// Compares in constant time.
    pub fn verify(&self, purpose: Purpose, parts: &[&[u8]], tag: &[u8]) -> bool {
        let message = message(purpose, parts);
        std::iter::once(&self.newest)
            .chain(&self.older)
            .any(|key| hmac::verify(key, &message, tag).is_ok())
    }
}

fn tag(key: &hmac::Key, message: &[u8]) -> [u8; TAG_BYTES] {
    let tag = hmac::sign(key, message);
    let mut bytes = [0; TAG_BYTES];
    bytes.copy_from_slice(tag.as_ref());
    bytes
}

fn message(purpose: Purpose, parts: &[&[u8]]) -> Vec<u8> {
    let mut message = Vec::with_capacity(128);
    message.extend_from_slice(purpose.label());
    for part in parts {
        message.extend_from_slice(&(part.len() as u64).to_be_bytes());
        message.extend_from_slice(part);
    }
    message
}
