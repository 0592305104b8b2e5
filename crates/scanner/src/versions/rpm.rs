//! `[epoch:]version[-release]`, in rpm's order.

use std::cmp::Ordering;

use super::{compare_digits, is_digit, take_while};

pub(super) fn compare(left: &str, right: &str) -> Ordering {
    let (left, right) = (Parts::of(left), Parts::of(right));
    let release = match (left.release, right.release) {
        (Some(left), Some(right)) => compare_part(left, right),
        // A version without a release applies to all releases.
        _ => Ordering::Equal,
    };
    compare_digits(left.epoch, right.epoch)
        .then_with(|| compare_part(left.version, right.version))
        .then(release)
}

struct Parts<'a> {
    epoch: &'a str,
    version: &'a str,
    release: Option<&'a str>,
}

impl Parts<'_> {
    fn of(text: &str) -> Parts<'_> {
        let (epoch, rest) = match text.split_once(':') {
            Some((epoch, rest)) if epoch.chars().all(is_digit) => (epoch, rest),
            _ => ("", text),
        };
        let (version, release) = match rest.rsplit_once('-') {
            Some((version, release)) => (version, Some(release)),
            None => (rest, None),
        };
        Parts {
            epoch,
            version,
            release,
        }
    }
}

/// Compares runs of digits and runs of letters. Other characters only separate them, except `~` and `^`.
fn compare_part(mut left: &str, mut right: &str) -> Ordering {
    loop {
        left = skip_separators(left);
        right = skip_separators(right);
        // A tilde comes before everything, including the end.
        match (left.strip_prefix('~'), right.strip_prefix('~')) {
            (Some(left_rest), Some(right_rest)) => {
                (left, right) = (left_rest, right_rest);
                continue;
            }
            (Some(_), None) => return Ordering::Less,
            (None, Some(_)) => return Ordering::Greater,
            (None, None) => {}
        }
        // A caret comes after the end, and before everything else.
        match (left.strip_prefix('^'), right.strip_prefix('^')) {
            (Some(left_rest), Some(right_rest)) => {
                (left, right) = (left_rest, right_rest);
                continue;
            }
            (Some(_), None) if right.is_empty() => return Ordering::Greater,
            (Some(_), None) => return Ordering::Less,
            (None, Some(_)) if left.is_empty() => return Ordering::Less,
            (None, Some(_)) => return Ordering::Greater,
            (None, None) => {}
        }
        if left.is_empty() || right.is_empty() {
            return left.len().cmp(&right.len());
        }
        let order;
        (order, left, right) = compare_run(left, right);
        if order != Ordering::Equal {
            return order;
        }
    }
}

fn skip_separators(text: &str) -> &str {
    text.trim_start_matches(|character: char| {
        !character.is_ascii_alphanumeric() && character != '~' && character != '^'
    })
}

/// Compares the first runs, and returns the rests. A number is newer than a word.
fn compare_run<'l, 'r>(left: &'l str, right: &'r str) -> (Ordering, &'l str, &'r str) {
    let numeric = left.starts_with(is_digit);
    let kind = |character: char| {
        if numeric {
            is_digit(character)
        } else {
            character.is_ascii_alphabetic()
        }
    };
    let (left_run, left_rest) = take_while(left, kind);
    let (right_run, right_rest) = take_while(right, kind);
    let order = match (right_run.is_empty(), numeric) {
        (true, true) => Ordering::Greater,
        (true, false) => Ordering::Less,
        (false, true) => compare_digits(left_run, right_run),
        (false, false) => left_run.cmp(right_run),
    };
    (order, left_rest, right_rest)
}

#[cfg(test)]
mod tests {
    use super::super::check_ascending;
    use super::*;

    #[test]
    fn versions_of_rpm_come_in_its_order() {
        check_ascending(
            |left, right| Some(compare(left, right)),
            &[
                "1.0~rc1-1",
                "1.0~rc2-1",
                "1.0-1",
                "1.0-2.el9",
                "1.0-2.el9_2",
                "1.0-2.el9_10",
                "1.0^20230101-1",
                "1.0a-1",
                "1.0.1-1",
                "1.5-1",
                "1.010-1",
                "1:0.1-1",
            ],
        );
        assert_eq!(compare("1.05-1", "1.5-1"), Ordering::Equal);
        assert_eq!(compare("1_0-1", "1.0-1"), Ordering::Equal);
        assert_eq!(compare("1.0", "1.0-7"), Ordering::Equal);
        assert_eq!(compare("1.0", "0:1.0-7"), Ordering::Equal);
        assert_eq!(compare("1.0.1-1", "1.0.a-1"), Ordering::Greater);
    }
}
