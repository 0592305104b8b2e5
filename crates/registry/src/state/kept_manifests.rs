//! Manifests that were requested recently, kept until the next commit.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ecru_model::{RepositoryName, Scope, Timestamp};
use ecru_store::Settled;

use crate::manifests::{Reference, StoredManifest};

const KEPT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The approximate size of an entry beside its manifest.
const ENTRY_BYTES: usize = 512;

/// A request by a caller that no policy concerns.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) scope: Scope,
    pub(crate) repository: RepositoryName,
    pub(crate) reference: Reference,
}

#[derive(Clone)]
pub(crate) struct Kept {
    pub(crate) manifest: StoredManifest,
    pub(crate) last_pulled_at: Option<Timestamp>,
}

#[derive(Default)]
pub(crate) struct KeptManifests(Mutex<State>);

#[derive(Default)]
struct State {
    settled: Option<Settled>,
    manifests: HashMap<Key, Kept>,
    bytes: usize,
}

impl KeptManifests {
    /// No row changed since the entry was read, so the rows would give the same answer.
    pub(crate) fn find(&self, settled: Settled, key: &Key) -> Option<Kept> {
        let state = self.lock();
        if state.settled != Some(settled) {
            return None;
        }
        state.manifests.get(key).cloned()
    }

    /// Keeps what was read while no row changed.
    pub(crate) fn keep(&self, settled: Settled, key: Key, kept: Kept) {
        let mut state = self.lock();
        let bytes = ENTRY_BYTES + kept.manifest.bytes.len();
        if state.settled != Some(settled) || state.bytes + bytes > KEPT_BYTES_MAX {
            *state = State {
                settled: Some(settled),
                ..State::default()
            };
        }
        if bytes <= KEPT_BYTES_MAX && state.manifests.insert(key, kept).is_none() {
            state.bytes += bytes;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use ecru_model::{Digest, Region, RegistryId};
    use ecru_store::{Options, Store, StoreError};

    use super::*;

    fn open(directory: &tempfile::TempDir) -> Store {
        let options = Options {
            directory: directory.path().to_owned(),
            ephemeral: true,
        };
        Store::open(&options).unwrap()
    }

    fn manifest(name: &str, length: usize) -> (Key, Kept) {
        let bytes = Bytes::from(vec![b' '; length]);
        let key = Key {
            scope: Scope {
                registry_id: RegistryId::parse("000000000000").unwrap(),
                region: Region::parse("us-east-1").unwrap(),
            },
            repository: RepositoryName::parse(name).unwrap(),
            reference: Reference::Digest(Digest::of(&bytes)),
        };
        let manifest = StoredManifest {
            digest: Digest::of(&bytes),
            media_type: String::new(),
            bytes,
        };
        let kept = Kept {
            manifest,
            last_pulled_at: None,
        };
        (key, kept)
    }

    #[tokio::test]
    async fn what_was_kept_is_forgotten_with_the_next_commit() {
        let directory = tempfile::tempdir().unwrap();
        let store = open(&directory);
        let kept = KeptManifests::default();
        let (key, manifest) = manifest("demo", 10);
        let before = store.settled().unwrap();
        kept.keep(before, key.clone(), manifest);
        assert!(kept.find(before, &key).is_some());

        store.write(|_| Ok::<_, StoreError>(())).await.unwrap();
        let after = store.settled().unwrap();
        assert!(kept.find(after, &key).is_none());
    }

    #[test]
    fn no_more_is_kept_than_fits() {
        let directory = tempfile::tempdir().unwrap();
        let settled = open(&directory).settled().unwrap();
        let kept = KeptManifests::default();
        for number in 0..20 {
            let (key, manifest) = manifest(&format!("demo-{number}"), KEPT_BYTES_MAX / 5);
            kept.keep(settled, key.clone(), manifest);
            assert!(kept.find(settled, &key).is_some());
            let state = kept.lock();
            assert!(state.manifests.len() < 5 && state.bytes <= KEPT_BYTES_MAX);
        }
        let (key, manifest) = manifest("large", KEPT_BYTES_MAX);
        kept.keep(settled, key.clone(), manifest);
        assert!(kept.find(settled, &key).is_none());
    }
}
