//! Request IDs.

use std::{
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicU64, Ordering},
};

use uuid::Uuid;

/// Makes IDs that are unique here and in other processes. They are not secret, so the system is not asked for
/// randomness at each request.
#[derive(Default)]
pub(crate) struct RequestIds {
    keys: [RandomState; 2],
    count: AtomicU64,
}

impl RequestIds {
    pub(crate) fn next(&self) -> Uuid {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let [high, low] = self.keys.each_ref().map(|key| u128::from(key.hash_one(number)));
        uuid::Builder::from_random_bytes((high << 64 | low).to_be_bytes()).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_requests_have_the_same_id() {
        let ids = [RequestIds::default(), RequestIds::default()];
        let given = (0..1_000).flat_map(|_| ids.each_ref().map(RequestIds::next));
        let distinct = given.collect::<std::collections::HashSet<_>>();
        assert_eq!(distinct.len(), 2_000);
        assert!(distinct.iter().all(|id| id.get_version_num() == 4));
    }
}
