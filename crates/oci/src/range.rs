//! `Range` of a download and `Content-Range` of a chunk.

/// The range that a `Range` header requests of content of a known size.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(crate) enum Wanted {
    Whole,
    Part { first: u64, last: u64 },
    Unsatisfiable,
}

/// Parses the value of a `Range` header. It accepts one range of bytes. For another unit or several ranges
/// the whole content is the answer, as RFC 9110 permits.
pub(crate) fn wanted(header: &str, size_bytes: u64) -> Wanted {
    let Some((unit, ranges)) = header.split_once('=') else {
        return Wanted::Unsatisfiable;
    };
    // Empty content has no ranges. Clients that send `Range` with every request still need an answer.
    if !unit.trim().eq_ignore_ascii_case("bytes") || ranges.contains(',') || size_bytes == 0 {
        return Wanted::Whole;
    }
    match ranges.trim().split_once('-') {
        Some(("", length)) => suffix(length, size_bytes),
        Some((first, last)) => from_first(first, last, size_bytes),
        None => Wanted::Unsatisfiable,
    }
}

fn suffix(length: &str, size_bytes: u64) -> Wanted {
    match digits(length) {
        None | Some(0) => Wanted::Unsatisfiable,
        Some(length) => Wanted::Part {
            first: size_bytes.saturating_sub(length),
            last: size_bytes - 1,
        },
    }
}

fn from_first(first: &str, last: &str, size_bytes: u64) -> Wanted {
    let last = if last.is_empty() {
        Some(u64::MAX)
    } else {
        digits(last)
    };
    match (digits(first), last) {
        (Some(first), Some(last)) if first <= last && first < size_bytes => Wanted::Part {
            first,
            last: last.min(size_bytes - 1),
        },
        _ => Wanted::Unsatisfiable,
    }
}

/// Parses the inclusive `<first>-<last>` of a chunk, in the strict form of the specification.
pub(crate) fn chunk(header: &str) -> Option<(u64, u64)> {
    let (first, last) = header.split_once('-')?;
    let (first, last) = (digits(first)?, digits(last)?);
    // The greatest number represents every number that does not fit, and none of these can be a chunk.
    (first <= last && last < u64::MAX).then_some((first, last))
}

/// Parses a number of any length. A number that does not fit becomes the greatest.
fn digits(text: &str) -> Option<u64> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_range_is_cut_to_the_content() {
        for (header, expected) in [
            (
                "bytes=500-1499",
                Wanted::Part {
                    first: 500,
                    last: 1499,
                },
            ),
            (
                "bytes=500-",
                Wanted::Part {
                    first: 500,
                    last: 2047,
                },
            ),
            (
                "bytes=-500",
                Wanted::Part {
                    first: 1548,
                    last: 2047,
                },
            ),
            (
                "bytes=2000-5000",
                Wanted::Part {
                    first: 2000,
                    last: 2047,
                },
            ),
            ("bytes=-5000", Wanted::Part { first: 0, last: 2047 }),
            ("Bytes=0-0", Wanted::Part { first: 0, last: 0 }),
            (
                "bytes=0-99999999999999999999999999",
                Wanted::Part { first: 0, last: 2047 },
            ),
        ] {
            assert_eq!(wanted(header, 2048), expected, "{header}");
        }
    }

    #[test]
    fn a_range_that_is_none_cannot_be_satisfied() {
        for header in [
            "bytes=500-0",
            "bytes=5000-10000",
            "bytes=2048-",
            "bytes=-0",
            "bytes=",
            "bytes=-",
            "bytes=a-b",
            "bytes=1-2-3",
            "bytes=+1-2",
            "bytes=99999999999999999999999999-",
            "bytes",
        ] {
            assert_eq!(wanted(header, 2048), Wanted::Unsatisfiable, "{header}");
        }
    }

    #[test]
    fn several_ranges_other_units_and_an_empty_content_are_answered_in_full() {
        assert_eq!(wanted("bytes=0-1,4-5", 2048), Wanted::Whole);
        assert_eq!(wanted("items=0-1", 2048), Wanted::Whole);
        assert_eq!(wanted("bytes=0-", 0), Wanted::Whole);
        assert_eq!(wanted("bytes=-1", 0), Wanted::Whole);
    }

    #[test]
    fn a_chunk_is_two_numbers_in_order() {
        assert_eq!(chunk("0-0"), Some((0, 0)));
        assert_eq!(chunk("1024-2047"), Some((1024, 2047)));
        for malformed in [
            "",
            "-",
            "1-",
            "-1",
            "2-1",
            "bytes 0-1",
            "bytes=0-1",
            "0-1/2",
            "0 - 1",
            "0-1-2",
            "0-99999999999999999999999",
        ] {
            assert_eq!(chunk(malformed), None, "{malformed}");
        }
    }

    proptest! {
        #[test]
        fn a_part_lies_inside_the_content(first in 0u64..5000, last in 0u64..5000, size in 1u64..5000) {
            let expected = if first <= last && first < size {
                Wanted::Part { first, last: last.min(size - 1) }
            } else {
                Wanted::Unsatisfiable
            };
            prop_assert_eq!(wanted(&format!("bytes={first}-{last}"), size), expected);
        }

        #[test]
        fn no_header_makes_the_readers_fail(header in "[ -~]{0,40}", size in any::<u64>()) {
            let _ = chunk(&header);
            if let Wanted::Part { first, last } = wanted(&header, size) {
                prop_assert!(first <= last && last < size);
            }
        }
    }
}
