//! The order of versions for each kind of package.

mod apk;
mod dpkg;
mod pep440;
mod rpm;
mod semver;

use std::cmp::Ordering;

/// The scheme by which versions are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionOrder {
    Dpkg,
    Apk,
    Rpm,
    Pep440,
    Semver,
}

impl VersionOrder {
    pub const ALL: [Self; 5] = [Self::Dpkg, Self::Apk, Self::Rpm, Self::Pep440, Self::Semver];

    /// Returns `None` if one of them is not a version of this kind.
    pub fn compare(self, left: &str, right: &str) -> Option<Ordering> {
        match self {
            Self::Dpkg => Some(dpkg::compare(left, right)),
            Self::Apk => apk::compare(left, right),
            Self::Rpm => Some(rpm::compare(left, right)),
            Self::Pep440 => pep440::compare(left, right),
            Self::Semver => semver::compare(left, right),
        }
    }
}

/// Compares digits as numbers of any length: without leading zeros the longer one is greater.
fn compare_digits(left: &str, right: &str) -> Ordering {
    let (left, right) = (left.trim_start_matches('0'), right.trim_start_matches('0'));
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

/// Splits off the characters before the first one that is not of this kind.
fn take_while(text: &str, kind: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|character| !kind(character)).unwrap_or(text.len());
    text.split_at(end)
}

fn is_digit(character: char) -> bool {
    character.is_ascii_digit()
}

#[cfg(test)]
#[track_caller]
fn check_ascending(compare: impl Fn(&str, &str) -> Option<Ordering>, versions: &[&str]) {
    for (place, left) in versions.iter().enumerate() {
        for (other, right) in versions.iter().enumerate() {
            assert_eq!(
                compare(left, right),
                Some(place.cmp(&other)),
                "`{left}` against `{right}`"
            );
        }
    }
}
