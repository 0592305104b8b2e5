//! The parsers that read a stranger's bytes first, exposed for fuzzing. Each function checks the invariants
//! of the result.

use crate::path::{self, Route};
use crate::query::{self, Query};
use crate::range::{self, Wanted};

/// A range lies within the content, and a chunk is not empty.
pub fn range(header: &str, size_bytes: u64) {
    if let Wanted::Part { first, last } = range::wanted(header, size_bytes) {
        assert!(
            first <= last && last < size_bytes,
            "{header}: {first}-{last} of {size_bytes}"
        );
    }
    if let Some((first, last)) = range::chunk(header) {
        assert!(first <= last, "{header}: {first}-{last}");
    }
}

/// Decoded text has no control character, and the parts of a route are non-empty pieces of the path.
pub fn path(text: &str) {
    let Some(decoded) = path::decode(text) else { return };
    assert!(!decoded.chars().any(char::is_control), "{text}");
    match Route::parse(&decoded) {
        None | Some(Route::Base | Route::Catalog) => {}
        Some(
            Route::Manifest {
                name,
                reference: part,
            }
            | Route::Blob { name, digest: part }
            | Route::Upload { name, id: part }
            | Route::Referrers { name, digest: part },
        ) => assert!(
            !name.is_empty() && !part.is_empty() && !part.contains('/'),
            "{text}"
        ),
        Some(Route::Uploads { name } | Route::Tags { name }) => assert!(!name.is_empty(), "{text}"),
    }
}

/// Encoding a value and decoding it returns the same value.
pub fn query(text: &str) {
    let _ = Query::parse(Some(text)).find("digest");
    if !text.is_empty() && !text.chars().any(char::is_control) {
        let written = format!("digest={}", query::encode(text));
        assert_eq!(Query::parse(Some(&written)).find("digest"), Some(text));
    }
}
