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

fn matches(text: &str) -> bool {
    text.split('/').all(is_segment)
}

/// Words of `[a-z0-9]` with one joint between each two.
fn is_segment(segment: &str) -> bool {
    let mut rest = segment.as_bytes();
    loop {
        let word = rest
            .iter()
            .take_while(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
            .count();
        let (word, after) = rest.split_at(word);
        match (word, after) {
            ([], _) => return false,
            (_, []) => return true,
            _ => rest = after_joint(after),
        }
    }
}

fn after_joint(text: &[u8]) -> &[u8] {
    match text {
        [b'_', b'_', rest @ ..] | [b'.' | b'_', rest @ ..] => rest,
        _ => {
            let hyphens = text.iter().take_while(|byte| **byte == b'-').count();
            text.split_at(hyphens).1
        }
    }
}
