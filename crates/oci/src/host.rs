//! The registry that a host name in ECR's form refers to.

use ecru_model::{Region, RegistryId, Scope};
use http::header;
use http::request::Parts;

/// The registry that the request's host names, if the host has ECR's form.
pub(crate) fn scope(parts: &Parts) -> Option<Scope> {
    let authority = match parts.uri.authority() {
        Some(authority) => authority.as_str(),
        None => parts.headers.get(header::HOST)?.to_str().ok()?,
    };
    scope_of(authority)
}

/// Reads `<account>.dkr.ecr.<region>.<anything>[:port]`.
fn scope_of(authority: &str) -> Option<Scope> {
    let (account, rest) = authority.split_once('.')?;
    let (region, domain) = rest.strip_prefix("dkr.ecr.")?.split_once('.')?;
    if domain.is_empty() || domain.starts_with(':') {
        return None;
    }
    Some(Scope {
        registry_id: RegistryId::parse(account).ok()?,
        region: Region::parse(region).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_of_the_form_of_ecr_names_a_registry() {
        for authority in [
            "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
            "123456789012.dkr.ecr.eu-west-1.localhost:4566",
        ] {
            let scope = scope_of(authority).unwrap();
            assert_eq!(
                (scope.registry_id.as_str(), scope.region.as_str()),
                ("123456789012", "eu-west-1")
            );
        }
    }

    #[test]
    fn other_hosts_name_none() {
        for authority in [
            "localhost:4566",
            "127.0.0.1",
            "[::1]:4566",
            "12345678901.dkr.ecr.eu-west-1.amazonaws.com",
            "123456789012.dkr.ecr.eu-west-1",
            "123456789012.dkr.ecr.eu-west-1.",
            "123456789012.dkr.ecr..amazonaws.com",
            "123456789012.ecr.eu-west-1.amazonaws.com",
        ] {
            assert!(scope_of(authority).is_none(), "{authority}");
        }
    }
}
