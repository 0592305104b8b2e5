//! `1.2.3a_rc1-r4`, in apk's order.

use std::cmp::Ordering;

use super::{compare_digits, is_digit, take_while};

/// Returns `None` if one of them is not a version: only the understood part could be compared.
pub(super) fn compare(left: &str, right: &str) -> Option<Ordering> {
    let (left, right) = (parse(left)?, parse(right)?);
    let mut parts = left.iter().zip(&right).map(|(left, right)| left.compare(right));
    // Both end with a part that equals no other part.
    Some(
        parts
            .find(|order| *order != Ordering::Equal)
            .unwrap_or(Ordering::Equal),
    )
}

/// In the order in which the parts may follow one another. Of two that differ, the later kind is the older
/// version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    First,
    Number,
    Letter,
    Suffix,
    SuffixNumber,
    Revision,
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part<'a> {
    kind: Kind,
    text: &'a str,
    /// For a suffix: below zero if it marks a version before the release.
    rank: i8,
}

impl<'a> Part<'a> {
    fn new(kind: Kind, text: &'a str) -> Self {
        Self { kind, text, rank: 0 }
    }

    fn compare(&self, other: &Self) -> Ordering {
        if self.kind != other.kind {
            // A pre-release is older, whatever the other version has at that position.
            return match (self.rank < 0, other.rank < 0) {
                (true, _) => Ordering::Less,
                (_, true) => Ordering::Greater,
                _ => other.kind.cmp(&self.kind),
            };
        }
        let fraction = |part: &Self| part.kind == Kind::Number && part.text.starts_with('0');
        match self.kind {
            Kind::Letter | Kind::End => self.text.cmp(other.text),
            Kind::Suffix => self.rank.cmp(&other.rank),
            _ if fraction(self) || fraction(other) => self.text.cmp(other.text),
            _ => compare_digits(self.text, other.text),
        }
    }
}

const SUFFIXES: [(&str, i8); 9] = [
    ("alpha", -4),
    ("beta", -3),
    ("pre", -2),
    ("rc", -1),
    ("cvs", 1),
    ("svn", 2),
    ("git", 3),
    ("hg", 4),
    ("p", 5),
];

fn parse(version: &str) -> Option<Vec<Part<'_>>> {
    let mut rest = version.trim();
    let mut parts = vec![number(Kind::First, &mut rest)?];
    while let Some(after) = rest.strip_prefix('.') {
        rest = after;
        parts.push(number(Kind::Number, &mut rest)?);
    }
    if rest.starts_with(|character: char| character.is_ascii_lowercase()) {
        let (letter, after) = rest.split_at(1);
        rest = after;
        parts.push(Part::new(Kind::Letter, letter));
    }
    while let Some(after) = rest.strip_prefix('_') {
        let (word, after) = take_while(after, |character| character.is_ascii_lowercase());
        let (_, rank) = *SUFFIXES.iter().find(|(known, _)| *known == word)?;
        rest = after;
        parts.push(Part {
            kind: Kind::Suffix,
            text: word,
            rank,
        });
        if rest.starts_with(is_digit) {
            parts.push(number(Kind::SuffixNumber, &mut rest)?);
        }
    }
    // The commit of a snapshot is a name and has no order.
    if let Some(commit) = rest.strip_prefix('~') {
        rest = commit.trim_start_matches(|character: char| character.is_ascii_hexdigit());
    }
    if let Some(after) = rest.strip_prefix("-r") {
        rest = after;
        parts.push(number(Kind::Revision, &mut rest)?);
    }
    parts.push(Part::new(Kind::End, ""));
    rest.is_empty().then_some(parts)
}

fn number<'a>(kind: Kind, rest: &mut &'a str) -> Option<Part<'a>> {
    let (digits, after) = take_while(rest, is_digit);
    *rest = after;
    (!digits.is_empty()).then(|| Part::new(kind, digits))
}

#[cfg(test)]
mod tests {
    use super::super::check_ascending;
    use super::*;

    #[test]
    fn versions_of_alpine_come_in_its_order() {
        check_ascending(
            compare,
            &[
                "0.9",
                "1.0_alpha",
                "1.0_alpha1",
                "1.0_beta",
                "1.0_rc1",
                "1.0_rc2-r3",
                "1.0",
                "1.0-r1",
                "1.0-r10",
                "1.0_git20230101",
                "1.0_p1",
                "1.0a",
                "1.0b-r1",
                "1.0.1",
                "1.005",
                "1.05",
                "1.5",
                "1.10",
                "3.1.4-r0",
                "3.1.4-r5",
                "20230506-r0",
            ],
        );
        for no_version in ["", "a", "1.", "1_x", "1-r", "1 2", "1.0-x"] {
            assert_eq!(compare(no_version, "1"), None, "`{no_version}`");
        }
    }
}
