//! `1!2.3rc1.post4.dev5+local`, in the order that PEP 440 defines for Python packages.

use std::cmp::Ordering;

use super::{compare_digits, is_digit, take_while};

pub(super) fn compare(left: &str, right: &str) -> Option<Ordering> {
    let (left, right) = (
        left.trim().to_ascii_lowercase(),
        right.trim().to_ascii_lowercase(),
    );
    Some(Version::parse(&left)?.compare(&Version::parse(&right)?))
}

struct Version<'a> {
    epoch: &'a str,
    /// Without trailing zeros.
    release: Vec<&'a str>,
    pre: Pre<'a>,
    post: Option<&'a str>,
    dev: Option<&'a str>,
    local: Option<&'a str>,
}

/// In the order of the variants.
#[derive(Clone, Copy)]
enum Pre<'a> {
    /// A development release that is not of a pre-release comes before all pre-releases.
    DevelopmentOnly,
    Alpha(&'a str),
    Beta(&'a str),
    Candidate(&'a str),
    Final,
}

impl<'a> Pre<'a> {
    fn place(self) -> (u8, &'a str) {
        match self {
            Self::DevelopmentOnly => (0, ""),
            Self::Alpha(number) => (1, number),
            Self::Beta(number) => (2, number),
            Self::Candidate(number) => (3, number),
            Self::Final => (4, ""),
        }
    }
}

impl<'a> Version<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let (public, local) = match text.split_once('+') {
            Some((public, local)) => (public, Some(local)),
            None => (text, None),
        };
        let (epoch, rest) = match public.split_once('!') {
            Some((epoch, rest)) if !epoch.is_empty() && epoch.chars().all(is_digit) => (epoch, rest),
            Some(_) => return None,
            None => ("", public),
        };
        let (release, mut rest) = parse_release(rest)?;
        let pre = parse_pre(&mut rest);
        let post = parse_post(&mut rest);
        let dev = parse_labelled(&mut rest, &["dev"]);
        if !rest.is_empty() {
            return None;
        }
        let pre = match pre {
            None if dev.is_some() && post.is_none() => Pre::DevelopmentOnly,
            None => Pre::Final,
            Some(pre) => pre,
        };
        Some(Self {
            epoch,
            release,
            pre,
            post,
            dev,
            local,
        })
    }

    fn compare(&self, other: &Self) -> Ordering {
        let (pre, other_pre) = (self.pre.place(), other.pre.place());
        compare_digits(self.epoch, other.epoch)
            .then_with(|| compare_release(&self.release, &other.release))
            .then_with(|| pre.0.cmp(&other_pre.0))
            .then_with(|| compare_digits(pre.1, other_pre.1))
            .then_with(|| compare_optional(self.post, other.post, Ordering::Less))
            .then_with(|| compare_optional(self.dev, other.dev, Ordering::Greater))
            .then_with(|| compare_local(self.local, other.local))
    }
}

fn parse_release(text: &str) -> Option<(Vec<&str>, &str)> {
    let mut numbers = Vec::new();
    let mut rest = text;
    loop {
        let (number, after) = take_while(rest, is_digit);
        if number.is_empty() {
            return None;
        }
        numbers.push(number);
        rest = after;
        match rest.strip_prefix('.') {
            Some(next) if next.starts_with(is_digit) => rest = next,
            _ => break,
        }
    }
    while numbers
        .last()
        .is_some_and(|number| number.chars().all(|digit| digit == '0'))
    {
        numbers.pop();
    }
    Some((numbers, rest))
}

fn parse_pre<'a>(rest: &mut &'a str) -> Option<Pre<'a>> {
    let alpha = parse_labelled(rest, &["alpha", "a"]).map(Pre::Alpha);
    let beta = || parse_labelled(rest, &["beta", "b"]).map(Pre::Beta);
    alpha
        .or_else(beta)
        .or_else(|| parse_labelled(rest, &["candidate", "preview", "pre", "rc", "c"]).map(Pre::Candidate))
}

/// `.post1`, or `-1` for short.
fn parse_post<'a>(rest: &mut &'a str) -> Option<&'a str> {
    if let Some(short) = rest.strip_prefix('-')
        && short.starts_with(is_digit)
    {
        let (number, after) = take_while(short, is_digit);
        *rest = after;
        return Some(number);
    }
    parse_labelled(rest, &["post", "rev", "r"])
}

/// A label with optional separators around it and an optional number after it.
fn parse_labelled<'a>(rest: &mut &'a str, labels: &[&str]) -> Option<&'a str> {
    const SEPARATORS: [char; 3] = ['.', '-', '_'];
    let text = rest.strip_prefix(SEPARATORS).unwrap_or(rest);
    let after = labels.iter().find_map(|label| text.strip_prefix(label))?;
    let numbered = after
        .strip_prefix(SEPARATORS)
        .filter(|number| number.starts_with(is_digit))
        .unwrap_or(after);
    let (number, after) = take_while(numbered, is_digit);
    *rest = after;
    Some(number)
}

fn compare_release(left: &[&str], right: &[&str]) -> Ordering {
    for (left, right) in left.iter().zip(right) {
        let order = compare_digits(left, right);
        if order != Ordering::Equal {
            return order;
        }
    }
    left.len().cmp(&right.len())
}

/// `absent` is the order of a version without the part relative to one with it.
fn compare_optional(left: Option<&str>, right: Option<&str>, absent: Ordering) -> Ordering {
    match (left, right) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => absent,
        (Some(_), None) => absent.reverse(),
        (Some(left), Some(right)) => compare_digits(left, right),
    }
}

fn compare_local(left: Option<&str>, right: Option<&str>) -> Ordering {
    let (Some(left), Some(right)) = (left, right) else {
        return left.is_some().cmp(&right.is_some());
    };
    let (mut left, mut right) = (left.split(['.', '-', '_']), right.split(['.', '-', '_']));
    loop {
        let (left, right) = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(left), Some(right)) => (left, right),
        };
        let is_number = |text: &str| text.chars().all(is_digit);
        let order = match (is_number(left), is_number(right)) {
            (true, true) => compare_digits(left, right),
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => left.cmp(right),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::check_ascending;
    use super::*;

    #[test]
    fn versions_of_python_come_in_their_order() {
        check_ascending(
            compare,
            &[
                "1.dev0",
                "1.0.dev456",
                "1.0a1",
                "1.0a2.dev456",
                "1.0a12.dev456",
                "1.0a12",
                "1.0b1.dev456",
                "1.0b2",
                "1.0b2.post345.dev456",
                "1.0b2.post345",
                "1.0rc1.dev456",
                "1.0rc1",
                "1.0",
                "1.0+abc.5",
                "1.0+abc.7",
                "1.0+5",
                "1.0.post456.dev34",
                "1.0.post456",
                "1.0.15",
                "1.1.dev1",
                "2024.1",
                "1!0.1",
            ],
        );
        for (left, right) in [
            ("1.0", "v1"),
            ("1.0-1", "1.0.post1"),
            ("1.0.ALPHA-1", "1a1"),
            ("1.0.0", "1"),
        ] {
            assert_eq!(compare(left, right), Some(Ordering::Equal), "{left} and {right}");
        }
        for no_version in ["", "x", "1.0.x", "!1", "1.0 2"] {
            assert_eq!(compare(no_version, "1"), None, "`{no_version}`");
        }
    }
}
