//! `1.2.3-pre+build`, in the order of npm, Go and Cargo. A missing part counts as zero, and a leading `v` is
//! skipped.

use std::cmp::Ordering;

use super::{compare_digits, is_digit};

pub(super) fn compare(left: &str, right: &str) -> Option<Ordering> {
    let (left, right) = (Version::parse(left)?, Version::parse(right)?);
    for (left, right) in left.release.iter().zip(&right.release) {
        let order = compare_digits(left, right);
        if order != Ordering::Equal {
            return Some(order);
        }
    }
    Some(match (left.pre_release, right.pre_release) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(left), Some(right)) => compare_pre_release(left, right),
    })
}

struct Version<'a> {
    release: [&'a str; 3],
    pre_release: Option<&'a str>,
}

impl Version<'_> {
    fn parse(text: &str) -> Option<Version<'_>> {
        let text = text.trim();
        let text = text.strip_prefix(['v', 'V', '=']).unwrap_or(text);
        let text = text.split_once('+').map_or(text, |(version, _)| version);
        let (release, pre_release) = match text.split_once('-') {
            Some((release, pre_release)) => (release, Some(pre_release)),
            None => (text, None),
        };
        let mut numbers = release.split('.');
        let mut parsed = ["0"; 3];
        for place in &mut parsed {
            let Some(number) = numbers.next() else { break };
            if number.is_empty() || !number.chars().all(is_digit) {
                return None;
            }
            *place = number;
        }
        numbers.next().is_none().then_some(Version {
            release: parsed,
            pre_release,
        })
    }
}

fn compare_pre_release(left: &str, right: &str) -> Ordering {
    let (mut left, mut right) = (left.split('.'), right.split('.'));
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(left), Some(right)) => compare_identifier(left, right),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// A number comes before a word.
fn compare_identifier(left: &str, right: &str) -> Ordering {
    let is_number = |text: &str| !text.is_empty() && text.chars().all(is_digit);
    match (is_number(left), is_number(right)) {
        (true, true) => compare_digits(left, right),
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => left.cmp(right),
    }
}

#[cfg(test)]
mod tests {
    use super::super::check_ascending;
    use super::*;

    #[test]
    fn semantic_versions_come_in_their_order() {
        check_ascending(
            compare,
            &[
                "0.0.0-20190308221718-c2843e01d9a2",
                "0.0.0-20220314234659-1baeb1ce4c0b",
                "v0.17.0",
                "1.0.0-alpha",
                "1.0.0-alpha.1",
                "1.0.0-alpha.beta",
                "1.0.0-beta.2",
                "1.0.0-beta.11",
                "1.0.0-rc.1",
                "1",
                "1.0.1+incompatible",
                "1.21.3",
                "1.21.10",
                "123456789012345678901234567890.0.0",
            ],
        );
        assert_eq!(compare("1.0", "v1.0.0+build"), Some(Ordering::Equal));
        for no_version in ["", "x", "1.x", "1..2", "1.2.3.4"] {
            assert_eq!(compare(no_version, "1.0.0"), None, "`{no_version}`");
        }
    }
}
