//! The number of concurrent uploads that the limit of open descriptors permits.

use rustix::process::{Resource, getrlimit};

/// Each upload needs a connection and a file: together at most half of the descriptors.
const DESCRIPTORS_PER_PLACE: u64 = 4;
/// Each upload may hold 0.35 MiB, so this is about 90 MiB for all.
const UPLOADS_MAX: u64 = 256;
const UPLOADS_MIN: u64 = 4;

pub(crate) fn uploads_at_once() -> usize {
    uploads_within(getrlimit(Resource::Nofile).current)
}

/// `None` means no limit.
fn uploads_within(descriptors: Option<u64>) -> usize {
    let uploads = descriptors.map_or(UPLOADS_MAX, |count| count / DESCRIPTORS_PER_PLACE);
    usize::try_from(uploads.clamp(UPLOADS_MIN, UPLOADS_MAX)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uploads_take_at_most_half_of_the_descriptors_and_no_more_than_memory_allows() {
        for (descriptors, uploads) in [
            (None, 256),
            (Some(1_048_576), 256),
            (Some(1024), 256),
            (Some(256), 64),
            (Some(8), 4),
        ] {
            assert_eq!(uploads_within(descriptors), uploads, "{descriptors:?}");
        }
    }
}
