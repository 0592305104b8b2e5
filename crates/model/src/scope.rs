//! The scope of stored state: an account in a region.

use std::fmt;

use crate::{Arn, Region, RegistryId, RepositoryName};

/// A registry. Every stored object belongs to exactly one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope {
    pub registry_id: RegistryId,
    pub region: Region,
}

impl Scope {
    /// `arn:<partition>:ecr:<region>:<account>:repository/<name>`, as in resource tags and policies.
    pub fn repository_arn(&self, name: &RepositoryName) -> String {
        self.arn("ecr", "repository/", name.as_str())
    }

    /// `arn:<partition>:<service>:<region>:<account>:<kind><name>`. The kind includes the separator.
    pub fn arn(&self, service: &str, kind: &str, name: &str) -> String {
        let Self { registry_id, region } = self;
        [
            "arn:",
            region.partition(),
            ":",
            service,
            ":",
            region.as_str(),
            ":",
            registry_id.as_str(),
            ":",
            kind,
            name,
        ]
        .concat()
    }

    /// `arn:<partition>:iam::<account>:<resource>`: a principal of the account, without a region.
    pub fn iam_arn(&self, resource: &str) -> String {
        let Self { registry_id, region } = self;
        [
            "arn:",
            region.partition(),
            ":iam::",
            registry_id.as_str(),
            ":",
            resource,
        ]
        .concat()
    }

    /// The registry and the name in the ARN of a repository. `None` for any other text.
    pub fn parse_repository_arn(arn: &str) -> Option<(Self, RepositoryName)> {
        let arn = Arn::parse(arn)?;
        let region = Region::parse(arn.region).ok()?;
        let registry_id = RegistryId::parse(arn.account).ok()?;
        let name = RepositoryName::parse(arn.resource.strip_prefix("repository/")?).ok()?;
        let regular = arn.service == "ecr" && arn.partition == region.partition();
        regular.then_some((Self { registry_id, region }, name))
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.registry_id, self.region)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_is_read_as_it_is_printed() {
        for arn in [
            "arn:aws:ecr:us-east-1:000000000000:repository/a/b",
            "arn:aws-cn:ecr:cn-north-1:123456789012:repository/demo",
            "arn:aws-us-gov:ecr:us-gov-west-1:123456789012:repository/demo",
            "arn:aws-iso:ecr:us-iso-east-1:123456789012:repository/demo",
            "arn:aws-iso-b:ecr:us-isob-east-1:123456789012:repository/demo",
            "arn:aws-iso-e:ecr:eu-isoe-west-1:123456789012:repository/demo",
            "arn:aws-iso-f:ecr:us-isof-east-1:123456789012:repository/demo",
            "arn:aws-eusc:ecr:eusc-de-east-1:123456789012:repository/demo",
        ] {
            let (scope, name) = Scope::parse_repository_arn(arn).unwrap();
            assert_eq!(scope.repository_arn(&name), arn);
        }
    }

    #[test]
    fn arns_name_the_partition_of_their_region() {
        let scope = Scope {
            registry_id: RegistryId::parse("123456789012").unwrap(),
            region: Region::parse("us-isob-east-1").unwrap(),
        };
        assert_eq!(
            scope.arn("kms", "key/", "1234"),
            "arn:aws-iso-b:kms:us-isob-east-1:123456789012:key/1234"
        );
        assert_eq!(scope.iam_arn("root"), "arn:aws-iso-b:iam::123456789012:root");
    }

    #[test]
    fn arns_of_other_resources_services_and_partitions_are_none() {
        for arn in [
            "",
            "arn:aws:ecr:us-east-1:000000000000:repository",
            "arn:aws:ecr:us-east-1:000000000000:repository/",
            "arn:aws:ecr:us-east-1:000000000000:repository/UPPER",
            "arn:aws:ecr:us-east-1:12:repository/demo",
            "arn:aws:ecr::000000000000:repository/demo",
            "arn:aws:ecs:us-east-1:000000000000:repository/demo",
            "arn:aws-cn:ecr:us-east-1:000000000000:repository/demo",
            "urn:aws:ecr:us-east-1:000000000000:repository/demo",
        ] {
            assert_eq!(Scope::parse_repository_arn(arn), None, "{arn}");
        }
    }
}
