//! The parsers that a stranger's bytes reach first, opened for fuzzing: each checks what must hold of its result.

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

/// What is decoded holds no control character, and a route is made of pieces of the path that are not empty.
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

/// What is encoded is found again.
pub fn query(text: &str) {
    let _ = Query::parse(Some(text)).find("digest");
    if !text.is_empty() && !text.chars().any(char::is_control) {
        let written = format!("digest={}", query::encode(text));
        assert_eq!(Query::parse(Some(&written)).find("digest"), Some(text));
    }
}
