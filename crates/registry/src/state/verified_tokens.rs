//! Tokens that were verified before. A client sends the same token with each request, and verifying it costs as much as the rest
//! of a small request.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use aws_lc_rs::hmac;
use ecru_model::{Scope, Timestamp};
use ecru_platform::Random;

use crate::Caller;

/// The maximum of each of the two generations.
const ENTRIES_MAX: usize = 1024;
const BYTES_MAX: usize = 512 * 1024;
/// The approximate size of an entry beside the text of its caller.
const ENTRY_BYTES: usize = 256;
const KEY_BYTES: usize = 32;
/// Texts of other lengths contain no token, and need no hash.
const PRESENTED_BYTES: RangeInclusive<usize> = 128..=8192;

/// The content of a token whose signature was verified. Expiry is checked at each use.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Verified {
    pub(crate) caller: Caller,
    pub(crate) scope: Scope,
    pub(crate) expires_at: Timestamp,
}

/// Remembers credentials by a hash under a key that only this process has. The credentials are not kept. An
/// outsider can neither find two texts of one hash nor learn anything from the duration of a comparison.
#[derive(Default)]
pub(crate) struct VerifiedTokens {
    /// Created at first use, since startup does not need it. None if the system gives no randomness.
    key: OnceLock<Option<hmac::Key>>,
    generations: Mutex<Generations>,
}

type Hash = [u8; KEY_BYTES];

/// When the younger generation is full it replaces the older one, so entries in use stay.
#[derive(Default)]
struct Generations {
    younger: Generation,
    older: Generation,
}

#[derive(Default)]
struct Generation {
    entries: HashMap<Hash, Arc<Verified>>,
    bytes: usize,
}

impl VerifiedTokens {
    pub(crate) fn find(&self, presented: &[u8]) -> Option<Arc<Verified>> {
        if !PRESENTED_BYTES.contains(&presented.len()) {
            return None;
        }
        // Without a key nothing was remembered.
        let hash = hash(self.key.get()?.as_ref()?, presented);
        self.lock().find(&hash)
    }

    pub(crate) fn remember(&self, random: &Random, presented: &[u8], verified: Arc<Verified>) {
        if !PRESENTED_BYTES.contains(&presented.len()) {
            return;
        }
        let made = || random.bytes::<KEY_BYTES>().ok();
        let key = self
            .key
            .get_or_init(|| made().map(|secret| hmac::Key::new(hmac::HMAC_SHA256, &secret)));
        if let Some(key) = key {
            self.lock().insert(hash(key, presented), verified);
        }
    }

    pub(crate) fn forget(&self) {
        *self.lock() = Generations::default();
    }

    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.generations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generations {
    fn find(&mut self, hash: &Hash) -> Option<Arc<Verified>> {
        if let Some(found) = self.younger.entries.get(hash) {
            return Some(Arc::clone(found));
        }
        let found = self.older.entries.get(hash).map(Arc::clone)?;
        self.insert(*hash, Arc::clone(&found));
        Some(found)
    }

    fn insert(&mut self, hash: Hash, verified: Arc<Verified>) {
        let bytes = ENTRY_BYTES + verified.caller.name().len();
        let younger = &self.younger;
        if younger.entries.len() >= ENTRIES_MAX || younger.bytes + bytes > BYTES_MAX {
            self.older = std::mem::take(&mut self.younger);
        }
        if self.younger.entries.insert(hash, verified).is_none() {
            self.younger.bytes += bytes;
        }
    }
}

fn hash(key: &hmac::Key, presented: &[u8]) -> Hash {
    let tag = hmac::sign(key, presented);
    let mut hash = [0; KEY_BYTES];
    hash.copy_from_slice(tag.as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use ecru_model::{Region, RegistryId};

    use super::*;

    fn verified(principal: &str) -> Arc<Verified> {
        let registry_id = RegistryId::parse("123456789012").unwrap();
        Arc::new(Verified {
            caller: Caller::identity(registry_id.clone(), principal.to_owned()),
            scope: Scope {
                registry_id,
                region: Region::parse("eu-west-1").unwrap(),
            },
            expires_at: Timestamp::from_millis(1),
        })
    }

    fn presented(number: usize) -> Vec<u8> {
        format!("Basic {}{number}", "A".repeat(500)).into_bytes()
    }

    #[test]
    fn only_the_very_text_that_was_remembered_is_found() {
        let tokens = VerifiedTokens::default();
        assert_eq!(tokens.find(&presented(1)), None);
        tokens.remember(&Random::default(), &presented(1), verified("one"));
        tokens.remember(&Random::default(), &presented(2), verified("two"));
        assert_eq!(tokens.find(&presented(1)), Some(verified("one")));
        assert_eq!(tokens.find(&presented(2)), Some(verified("two")));
        for other in [
            presented(12),
            presented(3),
            presented(1).to_ascii_lowercase(),
            presented(1)[1..].to_vec(),
            presented(1)[..300].to_vec(),
            Vec::new(),
        ] {
            assert_eq!(tokens.find(&other), None);
        }
        tokens.forget();
        assert_eq!(tokens.find(&presented(1)), None);
    }

    #[test]
    fn what_cannot_hold_a_token_is_not_remembered() {
        let tokens = VerifiedTokens::default();
        tokens.remember(&Random::default(), &presented(1), verified("one"));
        for length in [0, 100, 10_000] {
            let text = vec![b'A'; length];
            tokens.remember(&Random::default(), &text, verified("other"));
            assert_eq!(tokens.find(&text), None);
        }
    }

    #[test]
    fn two_processes_hash_the_same_text_differently() {
        let hashes = [VerifiedTokens::default(), VerifiedTokens::default()].map(|tokens| {
            tokens.remember(&Random::default(), &presented(1), verified("one"));
            let generations = tokens.lock();
            generations.younger.entries.keys().copied().collect::<Vec<_>>()
        });
        assert_eq!(hashes[0].len(), 1);
        assert_ne!(hashes[0], hashes[1]);
    }

    #[test]
    fn no_more_is_remembered_than_fits_and_what_is_used_stays() {
        for principal in ["short".to_owned(), "long".repeat(500)] {
            let (tokens, used) = (VerifiedTokens::default(), presented(usize::MAX));
            tokens.remember(&Random::default(), &used, verified("used"));
            for number in 0..3 * ENTRIES_MAX {
                tokens.remember(&Random::default(), &presented(number), verified(&principal));
                assert!(tokens.find(&used).is_some());
                let generations = tokens.lock();
                for generation in [&generations.younger, &generations.older] {
                    assert!(generation.entries.len() <= ENTRIES_MAX && generation.bytes <= BYTES_MAX);
                }
            }
            assert_eq!(tokens.find(&presented(0)), None);
            assert!(tokens.find(&presented(3 * ENTRIES_MAX - 1)).is_some());
        }
    }
}
