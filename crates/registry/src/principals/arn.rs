//! ARNs of those who can call.

use ecru_model::RegistryId;

const CHARACTERS_MAX: usize = 2_048;

/// The account of a principal; none for what cannot be one.
pub(super) fn account(arn: &str) -> Option<RegistryId> {
    if arn.len() > CHARACTERS_MAX {
        return None;
    }
    let mut parts = arn.splitn(6, ':');
    let (scheme, partition, service) = (parts.next()?, parts.next()?, parts.next()?);
    let (region, account, resource) = (parts.next()?, parts.next()?, parts.next()?);
    let known = scheme == "arn" && is_partition(partition) && region.is_empty();
    let kind = resource.split_once('/').map_or(resource, |(kind, _)| kind);
    let caller = match (service, kind) {
        ("iam", "root") => resource == "root",
        ("iam", "user" | "role") | ("sts", "federated-user") => is_path(resource, 1),
        ("sts", "assumed-role") => is_path(resource, 2),
        _ => false,
    };
    (known && caller)
        .then(|| RegistryId::parse(account).ok())
        .flatten()
}

fn is_partition(text: &str) -> bool {
    let lower = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    let mut parts = text.split('-');
    parts.next() == Some("aws") && parts.all(lower)
}

/// Names behind the kind, at least as many as `least`.
fn is_path(resource: &str, least: usize) -> bool {
    let names = resource.split('/').skip(1).collect::<Vec<_>>();
    let name = |name: &&str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte))
    };
    names.len() >= least && names.iter().all(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_has_an_account() {
        for arn in [
            "arn:aws:iam::111122223333:root",
            "arn:aws:iam::111122223333:user/alice",
            "arn:aws:iam::111122223333:role/team/ci",
            "arn:aws-us-gov:iam::111122223333:role/ci@x",
            "arn:aws:sts::111122223333:assumed-role/ci/session",
            "arn:aws:sts::111122223333:federated-user/bob",
        ] {
            let found = account(arn).map(|account| account.to_string());
            assert_eq!(found.as_deref(), Some("111122223333"), "{arn}");
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
            "arn:aws:sts::111122223333:assumed-role/ci",
            "arn:awsx:iam::111122223333:root",
            "arn:aws:ecr::111122223333:user/alice",
        ] {
            assert_eq!(account(arn), None, "{arn}");
        }
    }
}
