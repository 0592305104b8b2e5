//! Regions, such as `us-east-1`.

use std::fmt;
use std::sync::Arc;

use crate::{Violation, rules};

/// The prefix of a partition's regions, its name, and its domain. All other regions are in `aws`.
const PARTITIONS: [(&str, &str, &str); 7] = [
    ("cn-", "aws-cn", "amazonaws.com.cn"),
    ("us-gov-", "aws-us-gov", "amazonaws.com"),
    ("us-iso-", "aws-iso", "c2s.ic.gov"),
    ("us-isob-", "aws-iso-b", "sc2s.sgov.gov"),
    ("eu-isoe-", "aws-iso-e", "cloud.adc-e.uk"),
    ("us-isof-", "aws-iso-f", "csp.hci.ic.gov"),
    ("eusc-", "aws-eusc", "amazonaws.eu"),
];

/// The partition of all other regions, and its domain.
const COMMERCIAL: (&str, &str) = ("aws", "amazonaws.com");

pub(crate) fn is_partition(text: &str) -> bool {
    text == COMMERCIAL.0 || PARTITIONS.iter().any(|(_, partition, _)| text == *partition)
}

/// The name of a region.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Region(Arc<str>);

/// The region of requests that name none, as AWS has it for services with one endpoint.
impl Default for Region {
    fn default() -> Self {
        Self("us-east-1".into())
    }
}

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

    /// The AWS partition of the region, as in ARNs.
    pub fn partition(&self) -> &'static str {
        self.home().0
    }

    /// The domain of the hosts of the region's services.
    pub fn dns_suffix(&self) -> &'static str {
        self.home().1
    }

    fn home(&self) -> (&'static str, &'static str) {
        let found = PARTITIONS.iter().find(|(prefix, ..)| self.0.starts_with(prefix));
        found.map_or(COMMERCIAL, |(_, partition, suffix)| (*partition, *suffix))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_region_is_in_its_partition() {
        for (region, partition, suffix) in [
            ("us-east-1", "aws", "amazonaws.com"),
            ("eu-west-1", "aws", "amazonaws.com"),
            ("mx-central-1", "aws", "amazonaws.com"),
            ("nowhere", "aws", "amazonaws.com"),
            ("cn-north-1", "aws-cn", "amazonaws.com.cn"),
            ("us-gov-west-1", "aws-us-gov", "amazonaws.com"),
            ("us-iso-east-1", "aws-iso", "c2s.ic.gov"),
            ("us-isob-east-1", "aws-iso-b", "sc2s.sgov.gov"),
            ("eu-isoe-west-1", "aws-iso-e", "cloud.adc-e.uk"),
            ("us-isof-south-1", "aws-iso-f", "csp.hci.ic.gov"),
            ("eusc-de-east-1", "aws-eusc", "amazonaws.eu"),
        ] {
            let parsed = Region::parse(region).unwrap();
            assert_eq!(
                (parsed.partition(), parsed.dns_suffix()),
                (partition, suffix),
                "{region}"
            );
        }
    }
}
