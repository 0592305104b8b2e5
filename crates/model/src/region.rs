//! Regions, such as `us-east-1`.

use std::fmt;
use std::sync::Arc;

use crate::{Violation, rules};

/// The name of a region.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Region(Arc<str>);

impl Region {
    pub fn parse(text: impl AsRef<str>) -> Result<Self, Violation> {
        let text = text.as_ref();
        rules::REGION.check_with(text, |_| matches(text))?;
        Ok(Self(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn into_string(self) -> String {
        self.0.as_ref().to_owned()
    }

    /// The partition of AWS that the region lies in, as ARNs name it.
    pub fn partition(&self) -> &'static str {
        match self.0.split_once('-') {
            Some(("cn", _)) => "aws-cn",
            Some(("us", rest)) if rest.starts_with("gov-") => "aws-us-gov",
            _ => "aws",
        }
    }
}

impl fmt::Display for Region {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl AsRef<str> for Region {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for Region {
    type Err = Violation;

    fn from_str(text: &str) -> Result<Self, Violation> {
        Self::parse(text)
    }
}

fn matches(text: &str) -> bool {
    text.bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'-'))
}
