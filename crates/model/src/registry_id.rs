//! Registry ids: the accounts that own registries.

use std::fmt;

use crate::{Violation, rules};

/// The twelve digits of an account.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegistryId(String);

impl RegistryId {
    pub fn parse(text: impl Into<String>) -> Result<Self, Violation> {
        let text = text.into();
        rules::REGISTRY_ID.check_with(&text, |_| matches(&text))?;
        Ok(Self(text))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Display for RegistryId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl AsRef<str> for RegistryId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for RegistryId {
    type Err = Violation;

    fn from_str(text: &str) -> Result<Self, Violation> {
        Self::parse(text)
    }
}

fn matches(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}
