//! Repository names, such as `team/service`.

use std::fmt;
use std::sync::Arc;

use crate::{Violation, rules};

/// The name of a repository: lower-case words joined by `.`, `_`, `__` or hyphens, in segments joined by `/`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepositoryName(Arc<str>);

impl RepositoryName {
    pub fn parse(text: impl AsRef<str>) -> Result<Self, Violation> {
        let text = text.as_ref();
        rules::REPOSITORY_NAME.check_with(text, |_| matches(text))?;
        Ok(Self(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn into_string(self) -> String {
        self.0.as_ref().to_owned()
    }
}

impl fmt::Display for RepositoryName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl AsRef<str> for RepositoryName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for RepositoryName {
    type Err = Violation;

    fn from_str(text: &str) -> Result<Self, Violation> {
        Self::parse(text)
    }
}

/// The element before a character: the start of a segment, a word of `[a-z0-9]`, or a separator between two
/// words.
enum Before {
    Start,
    Word,
    Joint,
    Underscore,
    Hyphens,
}

fn matches(text: &str) -> bool {
    let mut before = Before::Start;
    for byte in text.bytes() {
        before = match (before, byte) {
            (_, b'a'..=b'z' | b'0'..=b'9') => Before::Word,
            (Before::Word, b'/') => Before::Start,
            (Before::Word, b'.') | (Before::Underscore, b'_') => Before::Joint,
            (Before::Word, b'_') => Before::Underscore,
            (Before::Word | Before::Hyphens, b'-') => Before::Hyphens,
            _ => return false,
        };
    }
    matches!(before, Before::Word)
}
