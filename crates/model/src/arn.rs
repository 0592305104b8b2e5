//! Amazon resource names (ARNs) in their parts.

use crate::{RegistryId, region};

/// `arn:<partition>:<service>:<region>:<account>:<resource>`. Region and account are empty for services
/// without them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arn<'a> {
    pub partition: &'a str,
    pub service: &'a str,
    pub region: &'a str,
    pub account: &'a str,
    pub resource: &'a str,
}

impl<'a> Arn<'a> {
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.strip_prefix("arn:")?.splitn(5, ':');
        let [partition, service, region, account, resource] = [(); 5].map(|()| parts.next());
        let arn = Self {
            partition: partition.filter(|partition| is_partition(partition))?,
            service: service?,
            region: region?,
            account: account?,
            resource: resource.filter(|resource| !resource.is_empty())?,
        };
        (arn.account.is_empty() || RegistryId::parse(arn.account).is_ok()).then_some(arn)
    }

    /// Whether the partition exists. ARNs that earlier builds stored may name any text of that form.
    pub fn has_known_partition(&self) -> bool {
        region::is_partition(self.partition)
    }

    /// The parts of the resource before and after the first slash.
    pub fn kind_and_name(&self) -> (&'a str, &'a str) {
        self.resource.split_once('/').unwrap_or((self.resource, ""))
    }
}

/// Whether the text has the form of a partition, such as `aws`, `aws-cn` or `aws-us-gov`.
fn is_partition(text: &str) -> bool {
    let lower = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    let mut parts = text.split('-');
    parts.next() == Some("aws") && parts.all(lower)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_has_five_parts() {
        let arn = Arn::parse("arn:aws-cn:iam::123456789012:role/team/ci:x").unwrap();
        assert_eq!((arn.partition, arn.service, arn.region), ("aws-cn", "iam", ""));
        assert_eq!(arn.account, "123456789012");
        assert_eq!(arn.kind_and_name(), ("role", "team/ci:x"));
        assert!(arn.has_known_partition());
        assert_eq!(
            Arn::parse("arn:aws:s3:::bucket").unwrap().kind_and_name(),
            ("bucket", "")
        );
    }

    #[test]
    fn a_partition_is_known_or_only_looks_like_one() {
        for (partition, known) in [
            ("aws", true),
            ("aws-cn", true),
            ("aws-us-gov", true),
            ("aws-iso", true),
            ("aws-iso-b", true),
            ("aws-iso-e", true),
            ("aws-iso-f", true),
            ("aws-eusc", true),
            ("aws-xxx", false),
            ("aws-us", false),
        ] {
            let text = format!("arn:{partition}:iam::123456789012:root");
            assert_eq!(Arn::parse(&text).unwrap().has_known_partition(), known, "{text}");
        }
    }

    #[test]
    fn other_texts_are_none() {
        for text in [
            "",
            "arn:aws:iam::123456789012",
            "arn:aws:iam::123456789012:",
            "arn:awsx:iam::123456789012:root",
            "arn:aws-:iam::123456789012:root",
            "arn:aws:iam::1234:root",
            "ARN:aws:iam::123456789012:root",
        ] {
            assert_eq!(Arn::parse(text), None, "{text}");
        }
    }
}
