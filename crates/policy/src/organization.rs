//! The organization of every account here, which conditions of policies can test.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The form of AWS Organizations: `o-` and 10 to 32 lower-case letters or digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrganizationId(Arc<str>);

/// The text is not an organization id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an organization id is `o-` and 10 to 32 lower-case letters or digits")]
pub struct InvalidOrganizationId;

impl OrganizationId {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path of every account, below the root of the organization.
    pub(crate) fn path(&self) -> String {
        format!("{}/r-ecru/", self.0)
    }
}

impl Default for OrganizationId {
    fn default() -> Self {
        Self("o-ecru000000".into())
    }
}

impl FromStr for OrganizationId {
    type Err = InvalidOrganizationId;

    fn from_str(text: &str) -> Result<Self, InvalidOrganizationId> {
        let unique = text.strip_prefix("o-").ok_or(InvalidOrganizationId)?;
        let regular = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        if !(10..=32).contains(&unique.len()) || !unique.bytes().all(regular) {
            return Err(InvalidOrganizationId);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for OrganizationId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_organization_id_has_the_form_that_aws_gives() {
        let long = format!("o-{}", "a1".repeat(16));
        for text in ["o-ecru000000", "o-0123456789", &long] {
            assert_eq!(OrganizationId::from_str(text).unwrap().as_str(), text);
        }
        assert_eq!(
            OrganizationId::from_str(OrganizationId::default().as_str()),
            Ok(OrganizationId::default())
        );
        let longer = format!("{long}x");
        for text in [
            "",
            "o-",
            "o-short",
            "ecru000000",
            "o-ECRU000000",
            "o-ecru_00000",
            &longer,
        ] {
            assert_eq!(
                OrganizationId::from_str(text),
                Err(InvalidOrganizationId),
                "{text}"
            );
        }
    }
}
