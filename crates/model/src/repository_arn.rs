//! ARNs of repositories, as resource tags and policies name them.

use std::fmt;

use crate::{Region, RegistryId, RepositoryName, Scope};

/// `arn:<partition>:ecr:<region>:<account>:repository/<name>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepositoryArn {
    pub scope: Scope,
    pub repository_name: RepositoryName,
}

/// The text is no ARN of a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Invalid ARN")]
pub struct InvalidArn;

impl RepositoryArn {
    pub fn parse(text: &str) -> Result<Self, InvalidArn> {
        let mut parts = text.splitn(6, ':');
        let mut next = || parts.next().ok_or(InvalidArn);
        let (prefix, partition, service) = (next()?, next()?, next()?);
        let region = Region::parse(next()?).map_err(|_| InvalidArn)?;
        let registry_id = RegistryId::parse(next()?).map_err(|_| InvalidArn)?;
        let name = next()?.strip_prefix("repository/").ok_or(InvalidArn)?;
        let repository_name = RepositoryName::parse(name).map_err(|_| InvalidArn)?;
        if prefix != "arn" || service != "ecr" || partition != region.partition() {
            return Err(InvalidArn);
        }
        Ok(Self {
            scope: Scope { registry_id, region },
            repository_name,
        })
    }
}

impl fmt::Display for RepositoryArn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Scope { registry_id, region } = &self.scope;
        let partition = region.partition();
        write!(
            formatter,
            "arn:{partition}:ecr:{region}:{registry_id}:repository/{}",
            self.repository_name
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_is_read_as_it_is_printed() {
        for text in [
            "arn:aws:ecr:us-east-1:000000000000:repository/a/b",
            "arn:aws-cn:ecr:cn-north-1:123456789012:repository/demo",
            "arn:aws-us-gov:ecr:us-gov-west-1:123456789012:repository/demo",
        ] {
            assert_eq!(
                RepositoryArn::parse(text).map(|arn| arn.to_string()).as_deref(),
                Ok(text)
            );
        }
    }

    #[test]
    fn other_resources_services_and_partitions_are_refused() {
        for text in [
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
            assert_eq!(RepositoryArn::parse(text), Err(InvalidArn), "{text}");
        }
    }
}
