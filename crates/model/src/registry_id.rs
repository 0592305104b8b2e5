//! Registry IDs: the accounts that own registries.

use std::fmt;

use crate::{Violation, rules};

/// An account of twelve digits, stored inline because every request and every row holds some.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegistryId([u8; 12]);

impl RegistryId {
    pub fn parse(text: impl AsRef<str>) -> Result<Self, Violation> {
        let text = text.as_ref();
        rules::REGISTRY_ID.check_with(text, |_| digits(text).is_some())?;
        Ok(Self(digits(text).unwrap_or_default()))
    }

    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }

    pub fn into_string(self) -> String {
        self.as_str().to_owned()
    }
}

impl fmt::Display for RegistryId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Debug for RegistryId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), formatter)
    }
}

impl AsRef<str> for RegistryId {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl std::str::FromStr for RegistryId {
    type Err = Violation;

    fn from_str(text: &str) -> Result<Self, Violation> {
        Self::parse(text)
    }
}

fn digits(text: &str) -> Option<[u8; 12]> {
    let bytes: [u8; 12] = text.as_bytes().try_into().ok()?;
    bytes.iter().all(u8::is_ascii_digit).then_some(bytes)
}
