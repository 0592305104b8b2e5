//! What the cache remembers of upstreams for a while: blobs that they do not have, and blob sizes that manifests name.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ecru_model::{Digest, RepositoryName, Scope};
use tokio::time::Instant;

use super::flights::Key;
use crate::manifests::Manifest;
use crate::ports::upstreams::UpstreamError;

/// A push checks each of its layers several times within this time.
const ABSENT_FOR: Duration = Duration::from_secs(30);
const ENTRIES_MAX: usize = 20_000;

/// Blobs that an upstream was asked for and does not have.
#[derive(Default)]
pub(crate) struct Absences(Mutex<HashMap<Key, Instant>>);

impl Absences {
    /// Returns the answer of the upstream; a recent "not found" is returned again without asking.
    pub(crate) async fn ask<T>(
        &self,
        key: Key,
        answer: impl Future<Output = Result<T, UpstreamError>>,
    ) -> Result<T, UpstreamError> {
        if self.lock().get(&key).is_some_and(|until| Instant::now() < *until) {
            return Err(UpstreamError::NotFound);
        }
        let answer = answer.await;
        if matches!(answer, Err(UpstreamError::NotFound)) {
            keep(&mut self.lock(), key, Instant::now() + ABSENT_FOR);
        }
        answer
    }

    /// Called when the upstream or its credentials change.
    pub(crate) fn forget(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The sizes of blobs according to manifests; an upstream must not send more.
#[derive(Default)]
pub(crate) struct Sizes(Mutex<HashMap<Key, u64>>);

impl Sizes {
    pub(crate) fn note(&self, scope: &Scope, name: &RepositoryName, manifest: &Manifest) {
        let mut sizes = self.lock();
        // Schema 1 contains no sizes.
        for blob in manifest.blobs.iter().filter(|blob| blob.size > 0) {
            let key = (scope.clone(), name.clone(), blob.digest);
            // If two manifests disagree, the larger size counts: that manifest may be the correct one.
            let known = sizes.get(&key).copied().unwrap_or(0);
            keep(&mut sizes, key, known.max(blob.size));
        }
    }

    /// None if no manifest with this blob was seen.
    pub(crate) fn find(&self, scope: &Scope, name: &RepositoryName, digest: Digest) -> Option<u64> {
        let key = (scope.clone(), name.clone(), digest);
        self.lock().get(&key).copied()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn keep<K: Eq + Hash, V>(entries: &mut HashMap<K, V>, key: K, value: V) {
    if entries.len() >= ENTRIES_MAX {
        entries.clear();
    }
    entries.insert(key, value);
}

#[cfg(test)]
mod tests {
    use ecru_model::{Region, RegistryId};

    use super::*;

    fn key(bytes: &[u8]) -> Key {
        let scope = Scope {
            registry_id: RegistryId::parse("000000000000").unwrap(),
            region: Region::parse("us-east-1").unwrap(),
        };
        (scope, RepositoryName::parse("demo").unwrap(), Digest::of(bytes))
    }

    #[tokio::test(start_paused = true)]
    async fn an_absence_is_remembered_for_half_a_minute_and_no_other_answer_is() {
        let absences = Absences::default();
        let absent = || std::future::ready(Err::<u8, _>(UpstreamError::NotFound));
        let present = || std::future::ready(Ok::<u8, UpstreamError>(1));
        let failed = || std::future::ready(Err::<u8, _>(UpstreamError::Failed(500)));
        assert!(absences.ask(key(b"a"), failed()).await.is_err());
        assert!(absences.ask(key(b"a"), present()).await.is_ok());
        assert!(absences.ask(key(b"a"), absent()).await.is_err());
        assert!(matches!(
            absences.ask(key(b"a"), present()).await,
            Err(UpstreamError::NotFound)
        ));
        assert!(absences.ask(key(b"b"), present()).await.is_ok());
        tokio::time::advance(ABSENT_FOR).await;
        assert!(absences.ask(key(b"a"), present()).await.is_ok());
        assert!(absences.ask(key(b"a"), absent()).await.is_err());
        absences.forget();
        assert!(absences.ask(key(b"a"), present()).await.is_ok());
    }

    #[test]
    fn memory_is_bounded() {
        let mut entries = HashMap::new();
        for number in 0..=ENTRIES_MAX {
            keep(&mut entries, number, 0);
        }
        assert_eq!(entries.len(), 1);
    }
}
