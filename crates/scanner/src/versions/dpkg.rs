//! `[epoch:]upstream[-revision]`, in dpkg's order.

use std::cmp::Ordering;

use super::{compare_digits, is_digit, take_while};

pub(super) fn compare(left: &str, right: &str) -> Ordering {
    let (left, right) = (Parts::of(left), Parts::of(right));
    compare_digits(left.epoch, right.epoch)
        .then_with(|| compare_part(left.upstream, right.upstream))
        .then_with(|| compare_part(left.revision, right.revision))
}

struct Parts<'a> {
    epoch: &'a str,
    upstream: &'a str,
    /// No revision is the same as a revision of zero.
    revision: &'a str,
}

impl Parts<'_> {
    fn of(version: &str) -> Parts<'_> {
        let version = version.trim();
        let (epoch, rest) = match version.split_once(':') {
            Some((epoch, rest)) if epoch.chars().all(is_digit) => (epoch, rest),
            _ => ("", version),
        };
        let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
        Parts {
            epoch,
            upstream,
            revision,
        }
    }
}

/// Compares runs of other characters and runs of digits in turn.
fn compare_part(mut left: &str, mut right: &str) -> Ordering {
    while !left.is_empty() || !right.is_empty() {
        let (left_text, left_rest) = take_while(left, |character| !is_digit(character));
        let (right_text, right_rest) = take_while(right, |character| !is_digit(character));
        let (left_digits, left_rest) = take_while(left_rest, is_digit);
        let (right_digits, right_rest) = take_while(right_rest, is_digit);
        let order =
            compare_text(left_text, right_text).then_with(|| compare_digits(left_digits, right_digits));
        if order != Ordering::Equal {
            return order;
        }
        (left, right) = (left_rest, right_rest);
    }
    Ordering::Equal
}

fn compare_text(left: &str, right: &str) -> Ordering {
    let weights = |text: &str| text.chars().map(weight).chain([END]).collect::<Vec<_>>();
    weights(left).cmp(&weights(right))
}

/// The end of a run, which may be a digit.
const END: i64 = 0;

/// A tilde comes before the end, and letters come before everything else.
fn weight(character: char) -> i64 {
    match character {
        '~' => -1,
        _ if character.is_ascii_alphabetic() => i64::from(u32::from(character)),
        _ => i64::from(u32::from(character)) + 256,
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::super::check_ascending;
    use super::*;

    #[test]
    fn versions_of_debian_come_in_its_order() {
        check_ascending(
            |left, right| Some(compare(left, right)),
            &[
                "1.0~beta1~svn1245",
                "1.0~beta1",
                "1.0",
                "1.0-1",
                "1.0-1+b1",
                "1.0-1+deb12u1",
                "1.0-1+deb12u10",
                "1.0a",
                "1.0+dfsg-1",
                "1.0.1",
                "1.00010",
                "2.36-9+deb12u3",
                "2.36-9+deb12u4",
                "1:0.1",
                "10:0",
            ],
        );
        assert_eq!(compare("1.0", "0:1.0-0"), Ordering::Equal);
    }

    /// The result of dpkg itself.
    fn real(left: &str, right: &str) -> Ordering {
        let holds = |relation: &str| {
            let status = Command::new("dpkg")
                .args(["--compare-versions", left, relation, right])
                .status();
            status.expect("dpkg is at hand").success()
        };
        if holds("lt") {
            Ordering::Less
        } else if holds("gt") {
            Ordering::Greater
        } else {
            Ordering::Equal
        }
    }

    fn version() -> impl Strategy<Value = String> {
        let epoch = prop::option::of(0_u32..3);
        (
            epoch,
            "[0-9][0-9a-bA.+~-]{0,6}",
            prop::option::of("[0-9a-b+.~]{1,4}"),
        )
            .prop_map(|(epoch, upstream, revision)| {
                let upstream = upstream.trim_end_matches('-');
                let epoch = epoch.map(|epoch| format!("{epoch}:")).unwrap_or_default();
                let revision = revision
                    .map(|revision| format!("-{revision}"))
                    .unwrap_or_default();
                format!("{epoch}{upstream}{revision}")
            })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn the_order_is_that_of_dpkg_itself(left in version(), right in version()) {
            prop_assert_eq!(compare(&left, &right), real(&left, &right), "{} against {}", left, right);
        }
    }
}
