//! ARNs of principals.

use crate::{Arn, RegistryId, Scope};

const CHARACTERS_MAX: usize = 2_048;

/// A principal of an account: a root, a user, a role or a session.
#[derive(Clone, Copy)]
pub struct Identity<'a> {
    arn: Arn<'a>,
    pub kind: &'a str,
    name: &'a str,
}

impl<'a> Identity<'a> {
    pub fn parse(text: &'a str) -> Option<Self> {
        let arn = Arn::parse(text)?;
        let somebody =
            matches!(arn.service, "iam" | "sts") && arn.region.is_empty() && !arn.account.is_empty();
        let (kind, name) = arn.kind_and_name();
        somebody.then_some(Self { arn, kind, name })
    }

    pub fn account(&self) -> &'a str {
        self.arn.account
    }

    pub fn is_root(&self) -> bool {
        (self.arn.service, self.arn.resource) == ("iam", "root")
    }

    pub fn is_role(&self) -> bool {
        (self.arn.service, self.kind) == ("iam", "role")
    }

    /// The name without its path.
    pub fn name(&self) -> &'a str {
        self.name.rsplit_once('/').map_or(self.name, |(_, name)| name)
    }

    /// The ARN of a role, or of a session's role. It has no path, because the ARN of a session lacks it.
    pub fn role(&self) -> Option<String> {
        let name = match self.kind {
            "role" => self.name(),
            "assumed-role" => self.name.split_once('/')?.0,
            _ => return None,
        };
        Some(format!(
            "arn:{}:iam::{}:role/{name}",
            self.arn.partition, self.arn.account
        ))
    }
}

/// Whether the ARN is that of a role of the account, in the partition of the scope's region.
pub fn is_role_of(scope: &Scope, arn: &str) -> bool {
    Identity::parse(arn).is_some_and(|identity| identity.is_role())
        && is_in_partition(arn, scope.region.partition())
        && account(arn).as_ref() == Some(&scope.registry_id)
}

/// Whether the ARN is that of a principal in this partition.
pub fn is_principal_of(partition: &str, arn: &str) -> bool {
    is_in_partition(arn, partition) && account(arn).is_some()
}

fn is_in_partition(arn: &str, partition: &str) -> bool {
    Arn::parse(arn).is_some_and(|arn| arn.partition == partition)
}

/// The account of a principal. `None` for anything else, such as a group or a name with a wildcard.
pub fn account(arn: &str) -> Option<RegistryId> {
    let identity = Identity::parse(arn).filter(|_| arn.len() <= CHARACTERS_MAX)?;
    let resource = identity.arn.resource;
    let can_call = match (identity.arn.service, identity.kind) {
        ("iam", "root") => identity.is_root(),
        ("iam", "user" | "role") | ("sts", "federated-user") => is_path(resource, 1),
        ("sts", "assumed-role") => is_path(resource, 2),
        _ => false,
    };
    can_call
        .then(|| RegistryId::parse(identity.account()).ok())
        .flatten()
}

/// Whether at least `least` names follow the kind. Those before the last form a path.
fn is_path(resource: &str, least: usize) -> bool {
    let mut path = resource.split('/').skip(1).collect::<Vec<_>>();
    let enough = path.len() >= least;
    let Some(name) = path.pop() else { return false };
    let in_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte);
    let in_path = |byte: u8| byte.is_ascii_graphic() && !b"*?".contains(&byte);
    let is_part = |part: &&str| !part.is_empty() && part.bytes().all(in_path);
    enough && !name.is_empty() && name.bytes().all(in_name) && path.iter().all(is_part)
}

#[cfg(test)]
mod tests {
    use crate::Region;

    use super::*;

    #[test]
    fn a_principal_has_an_account() {
        for arn in [
            "arn:aws:iam::111122223333:root",
            "arn:aws:iam::111122223333:user/alice",
            "arn:aws:iam::111122223333:role/team/ci",
            "arn:aws:iam::111122223333:role/a!b:c/ci",
            "arn:aws-us-gov:iam::111122223333:role/ci@x",
            "arn:aws:sts::111122223333:assumed-role/ci/session",
            "arn:aws:sts::111122223333:federated-user/bob",
        ] {
            let found = account(arn).map(|account| account.to_string());
            assert_eq!(found.as_deref(), Some("111122223333"), "{arn}");
        }
    }

    #[test]
    fn a_role_belongs_to_an_account_of_a_partition() {
        let scope = Scope {
            registry_id: RegistryId::parse("111122223333").unwrap(),
            region: Region::parse("us-gov-west-1").unwrap(),
        };
        for (arn, own) in [
            ("arn:aws-us-gov:iam::111122223333:role/cache", true),
            ("arn:aws-us-gov:iam::111122223333:role/team/cache", true),
            ("arn:aws-us-gov:iam::444455556666:role/cache", false),
            ("arn:aws:iam::111122223333:role/cache", false),
            ("arn:aws-us-gov:iam::111122223333:role/*", false),
            ("arn:aws-us-gov:iam::111122223333:user/cache", false),
            ("arn:aws-us-gov:iam::111122223333:root", false),
            ("arn:aws-us-gov:sts::111122223333:assumed-role/cache/x", false),
            ("lambda.amazonaws.com", false),
            ("", false),
        ] {
            assert_eq!(is_role_of(&scope, arn), own, "{arn}");
        }
    }

    #[test]
    fn what_cannot_call_is_no_principal() {
        for arn in [
            "",
            "111122223333",
            "arn:aws:iam::111122223333:root/x",
            "arn:aws:iam::1:root",
            "arn:aws:iam:us-east-1:111122223333:root",
            "arn:aws:iam::111122223333:user/",
            "arn:aws:iam::111122223333:user",
            "arn:aws:iam::111122223333:group/a",
            "arn:aws:iam::111122223333:user/a\nb",
            "arn:aws:iam::111122223333:user/a*",
            "arn:aws:iam::111122223333:role/*",
            "arn:aws:iam::111122223333:role/te?m/ci",
            "arn:aws:iam::111122223333:role//ci",
            "arn:aws:sts::111122223333:assumed-role/ci",
            "arn:awsx:iam::111122223333:root",
            "arn:aws:ecr::111122223333:user/alice",
        ] {
            assert_eq!(account(arn), None, "{arn}");
        }
    }
}
