//! Issued uploads that have received nothing and have no row: the id itself proves that it was issued.
//!
//! Uploads that this process issued are tracked until they end. An upload that an earlier process issued is
//! accepted unless an upload with that id has ended. An upload that never had a row leaves no record of its
//! end.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use ecru_model::DigestAlgorithm;

use crate::StoreError;
use crate::keys::fill_randomly;
use crate::upload_id::{Stamp, UploadId};

/// Beyond this number, an upload gets its row at the beginning.
const COUNT_MAX: usize = 10_000;
const PURPOSE: &[u8] = b"upload id\0";
const FAR_MILLISECONDS: i64 = 60 * 60 * 1_000;
/// How far time synchronization may set the clock back across a restart.
const CLOCK_STEP_MILLISECONDS: i64 = 60 * 1_000;

pub(crate) struct IssuedUploads {
    /// The newest key signs, and all keys verify.
    newest: hmac::Key,
    older: Vec<hmac::Key>,
    /// The range of stamps in ids of earlier processes that are still valid.
    before: std::ops::RangeInclusive<Stamp>,
    open: Mutex<Open>,
}

/// An upload as it was issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unsaved {
    pub(crate) repository_id: i64,
    pub(crate) algorithm: DigestAlgorithm,
    /// A row is being created, or it is unknown whether it was created.
    pub(crate) uncertain: bool,
}

/// Uploads that this process issued and that have not ended.
#[derive(Default)]
struct Open {
    /// Random, so that no two processes issue the same id, whatever their clocks show.
    process: [u8; 4],
    last: Stamp,
    uploads: HashMap<UploadId, Unsaved>,
    counts: HashMap<i64, u64>,
}

impl IssuedUploads {
    /// The keys are ordered oldest first. An earlier process issued its ids before this one began, and at
    /// most `age_max` before. Ids outside that range are too old, or come from a time when the clock was
    /// wrong.
    pub(crate) fn new(
        secrets: &[Vec<u8>],
        began_milliseconds: i64,
        age_max_milliseconds: i64,
    ) -> Result<IssuedUploads, StoreError> {
        let mut process = [0; 4];
        fill_randomly(&mut process)?;
        let mut keys = secrets
            .iter()
            .map(|secret| hmac::Key::new(hmac::HMAC_SHA256, secret))
            .collect::<Vec<_>>();
        let newest = keys.pop().ok_or_else(|| StoreError::damaged("it holds no key"))?;
        Ok(IssuedUploads {
            newest,
            older: keys,
            before: Stamp::first_of(began_milliseconds.saturating_sub(age_max_milliseconds).max(0))
                ..=Stamp::first_of(began_milliseconds.saturating_add(CLOCK_STEP_MILLISECONDS)),
            open: Mutex::new(Open {
                process,
                ..Open::default()
            }),
        })
    }

    /// Issues an id, unless too many uploads are open, in total or in the repository.
    pub(crate) fn issue(
        &self,
        repository_id: i64,
        algorithm: DigestAlgorithm,
        now_milliseconds: i64,
        count_max: u64,
    ) -> Option<UploadId> {
        let mut open = self.lock();
        let count = open.counts.get(&repository_id).copied().unwrap_or(0);
        if open.uploads.len() >= COUNT_MAX || count >= count_max {
            return None;
        }
        open.follow(now_milliseconds);
        let id = sign(&self.newest, repository_id, algorithm, (open.last, open.process));
        let unsaved = Unsaved {
            repository_id,
            algorithm,
            uncertain: false,
        };
        open.uploads.insert(id, unsaved);
        open.counts.insert(repository_id, count + 1);
        Some(id)
    }

    pub(crate) fn find(&self, id: &UploadId) -> Option<Unsaved> {
        self.lock().uploads.get(id).copied()
    }

    pub(crate) fn mark_uncertain(&self, id: &UploadId) {
        if let Some(unsaved) = self.lock().uploads.get_mut(id) {
            unsaved.uncertain = true;
        }
    }

    pub(crate) fn count(&self, repository_id: i64) -> u64 {
        self.lock().counts.get(&repository_id).copied().unwrap_or(0)
    }

    /// From now on the upload has a row, or has ended.
    pub(crate) fn end(&self, id: &UploadId) {
        let mut open = self.lock();
        let Some(ended) = open.uploads.remove(id) else {
            return;
        };
        match open.counts.get_mut(&ended.repository_id) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(open.counts.remove(&ended.repository_id)),
        }
    }

    /// Recognizes an id that an earlier process issued for the repository.
    pub(crate) fn recognize(&self, repository_id: i64, id: &UploadId) -> Option<DigestAlgorithm> {
        let stamp = id.stamp()?;
        if id.process() == self.lock().process || !self.before.contains(&stamp) {
            return None;
        }
        let keys = || std::iter::once(&self.newest).chain(&self.older);
        [DigestAlgorithm::Sha256, DigestAlgorithm::Sha512]
            .into_iter()
            .find(|algorithm| {
                keys().any(|key| {
                    let signed = sign(key, repository_id, *algorithm, (stamp, id.process()));
                    verify_slices_are_equal(signed.as_bytes(), id.as_bytes()).is_ok()
                })
            })
    }

    /// Uploads that were issued outside the range of two times, with their repositories.
    pub(crate) fn list_issued_outside(&self, first: i64, last: i64) -> Vec<(i64, UploadId)> {
        let within = Stamp::first_of(first)..Stamp::first_of(last.saturating_add(1));
        self.lock()
            .uploads
            .iter()
            .filter(|(id, _)| id.stamp().is_some_and(|stamp| !within.contains(&stamp)))
            .map(|(id, unsaved)| (unsaved.repository_id, *id))
            .collect()
    }

    pub(crate) fn list_of(&self, repository_id: i64) -> Vec<UploadId> {
        let open = self.lock();
        let of = open
            .uploads
            .iter()
            .filter(|(_, unsaved)| unsaved.repository_id == repository_id);
        of.map(|(id, _)| *id).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// Stamps follow the clock. If the clock is set back a little, each stamp follows the last one. If it is
    /// set back far, such stamps would lie in the future for long: then they start again, under a new process
    /// number.
    fn follow(&mut self, now_milliseconds: i64) {
        let far = now_milliseconds.saturating_add(FAR_MILLISECONDS);
        let mut process = [0; 4];
        if self.last > Stamp::first_of(far) && fill_randomly(&mut process).is_ok() {
            self.process = process;
            self.last = Stamp::default();
        }
        self.last = self.last.next(now_milliseconds);
    }
}

fn sign(
    key: &hmac::Key,
    repository_id: i64,
    algorithm: DigestAlgorithm,
    (stamp, process): (Stamp, [u8; 4]),
) -> UploadId {
    let mut context = hmac::Context::with_key(key);
    context.update(PURPOSE);
    context.update(&repository_id.to_be_bytes());
    context.update(&stamp.to_be_bytes());
    context.update(&process);
    context.update(algorithm.as_str().as_bytes());
    UploadId::signed(stamp, process, context.sign().as_ref())
}

#[cfg(test)]
mod tests {
    use DigestAlgorithm::{Sha256, Sha512};

    use super::*;

    const NOW: i64 = 1_700_000_000_000;
    const AGE_MAX: i64 = 24 * 60 * 60 * 1_000;

    fn issued(secrets: &[&[u8]]) -> IssuedUploads {
        let secrets = secrets.iter().map(|secret| secret.to_vec()).collect::<Vec<_>>();
        IssuedUploads::new(&secrets, NOW + 1_000, AGE_MAX).unwrap()
    }

    #[test]
    fn an_id_is_recognized_by_the_next_process_for_its_repository_alone() {
        let before = issued(&[b"one"]);
        let ids = [Sha256, Sha512].map(|algorithm| (algorithm, before.issue(7, algorithm, NOW, 9).unwrap()));
        let after = issued(&[b"one", b"two"]);
        let stranger = issued(&[b"two"]);
        for (algorithm, id) in ids {
            assert_eq!(UploadId::parse(&id.to_string()), Some(id));
            assert_eq!(after.recognize(7, &id), Some(algorithm));
            assert_eq!(after.recognize(8, &id), None);
            assert_eq!(stranger.recognize(7, &id), None);
            assert_eq!(
                before.recognize(7, &id),
                None,
                "its own process knows what it gave"
            );
        }
        assert_eq!(after.recognize(7, &UploadId::random()), None);
    }

    #[test]
    fn an_id_is_not_recognized_that_is_too_old_or_of_a_time_to_come() {
        for (issued_at, recognized) in [
            (NOW, true),
            (NOW + 30_000, true),
            (NOW + 3_600_000, false),
            (NOW + 365 * AGE_MAX, false),
            (NOW - AGE_MAX + 2_000, true),
            (NOW - AGE_MAX, false),
            (0, false),
        ] {
            let id = issued(&[b"one"]).issue(7, Sha256, issued_at, 9).unwrap();
            let found = issued(&[b"one"]).recognize(7, &id).is_some();
            assert_eq!(found, recognized, "{issued_at}");
        }
    }

    #[test]
    fn ids_are_of_the_time_again_after_the_clock_was_set_back_far() {
        let issued = issued(&[b"one"]);
        let ahead = issued.issue(7, Sha256, NOW + AGE_MAX, 9).unwrap();
        let back = issued.issue(7, Sha256, NOW, 9).unwrap();
        assert_eq!((ahead.issued_at(), back.issued_at()), (NOW + AGE_MAX, NOW));
        assert_ne!(ahead.process(), back.process());
        assert_eq!(issued.find(&ahead).unwrap().repository_id, 7);
        let soon = issued.issue(7, Sha256, NOW - 1_000, 9).unwrap();
        assert_eq!((soon.issued_at(), soon.process()), (NOW, back.process()));
    }

    #[test]
    fn ids_differ_and_are_counted_until_they_end() {
        let issued = issued(&[b"one"]);
        let ids = [0; 3].map(|_| issued.issue(7, Sha256, NOW, 3).unwrap());
        assert!(ids[0] != ids[1] && ids[1] != ids[2]);
        assert_eq!(issued.issue(7, Sha256, NOW, 3), None);
        assert!(
            issued.issue(8, Sha256, NOW - 5, 3).is_some(),
            "another repository"
        );
        assert_eq!(
            (issued.count(7), issued.find(&ids[0]).unwrap().repository_id),
            (3, 7)
        );

        issued.end(&ids[0]);
        issued.end(&ids[0]);
        assert_eq!((issued.count(7), issued.find(&ids[0])), (2, None));
        assert_eq!(issued.list_issued_outside(NOW, NOW + AGE_MAX), []);
        assert_eq!(issued.list_issued_outside(NOW + 1, NOW + AGE_MAX).len(), 3);
        assert_eq!(issued.list_issued_outside(0, NOW - 1).len(), 3);
    }
}
