//! Finds the upstream registry of a URL, by the text alone.

use ecru_model::{Region, RegistryId, Scope, UpstreamRegistry};

/// Every registry with a single address, and that address.
const HOSTS: [(UpstreamRegistry, &str); 7] = [
    (UpstreamRegistry::EcrPublic, "public.ecr.aws"),
    (UpstreamRegistry::Quay, "quay.io"),
    (UpstreamRegistry::K8s, "registry.k8s.io"),
    (UpstreamRegistry::DockerHub, "registry-1.docker.io"),
    (UpstreamRegistry::GithubContainerRegistry, "ghcr.io"),
    (UpstreamRegistry::GitlabContainerRegistry, "registry.gitlab.com"),
    (UpstreamRegistry::Chainguard, "cgr.dev"),
];

/// The registry with this address: a host and nothing else. None for a registry that the service does not support.
pub(crate) fn kind_of(url: &str) -> Option<UpstreamRegistry> {
    if let Some((kind, _)) = HOSTS.iter().find(|(_, host)| *host == url) {
        return Some(*kind);
    }
    if private_registry(url).is_some() {
        return Some(UpstreamRegistry::Ecr);
    }
    let customer = url.strip_suffix(".azurecr.io")?;
    is_label(customer).then_some(UpstreamRegistry::AzureContainerRegistry)
}

/// The registry of `<account>.dkr.ecr.<region>.amazonaws.com`.
pub(crate) fn private_registry(url: &str) -> Option<Scope> {
    let (account, rest) = url.split_once(".dkr.ecr.")?;
    let (region, domain) = rest.split_once('.')?;
    let region = Region::parse(region).ok()?;
    (domain == region.dns_suffix()).then_some(Scope {
        registry_id: RegistryId::parse(account).ok()?,
        region,
    })
}

pub(crate) fn needs_credentials(kind: UpstreamRegistry) -> bool {
    match kind {
        UpstreamRegistry::DockerHub
        | UpstreamRegistry::GithubContainerRegistry
        | UpstreamRegistry::AzureContainerRegistry
        | UpstreamRegistry::GitlabContainerRegistry
        | UpstreamRegistry::Chainguard => true,
        UpstreamRegistry::Ecr
        | UpstreamRegistry::EcrPublic
        | UpstreamRegistry::Quay
        | UpstreamRegistry::K8s => false,
    }
}

fn is_label(text: &str) -> bool {
    let regular = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let whole = !text.starts_with('-') && !text.ends_with('-');
    (1..=63).contains(&text.len()) && whole && text.bytes().all(regular)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, kind: Option<UpstreamRegistry>) {
        assert_eq!(kind_of(url), kind, "{url}");
    }

    #[test]
    fn a_registry_is_known_by_its_host_alone() {
        check("public.ecr.aws", Some(UpstreamRegistry::EcrPublic));
        check("registry-1.docker.io", Some(UpstreamRegistry::DockerHub));
        check("quay.io", Some(UpstreamRegistry::Quay));
        check("cgr.dev", Some(UpstreamRegistry::Chainguard));
        check("myown.azurecr.io", Some(UpstreamRegistry::AzureContainerRegistry));
        check(
            "111122223333.dkr.ecr.eu-west-1.amazonaws.com",
            Some(UpstreamRegistry::Ecr),
        );
        check(
            "111122223333.dkr.ecr.cn-north-1.amazonaws.com.cn",
            Some(UpstreamRegistry::Ecr),
        );
        check(
            "111122223333.dkr.ecr.us-iso-east-1.c2s.ic.gov",
            Some(UpstreamRegistry::Ecr),
        );
        for other in [
            "",
            "docker.io",
            "https://quay.io",
            "quay.io/",
            "quay.io:443",
            "QUAY.io",
            "quay.io.example.com",
            "user@quay.io",
            "evil.example/quay.io",
            ".azurecr.io",
            "a.b.azurecr.io",
            "a/b.azurecr.io",
            "-.azurecr.io",
            "1.dkr.ecr.eu-west-1.amazonaws.com",
            "111122223333.dkr.ecr.eu-west-1.amazonaws.com.evil.example",
            "111122223333.dkr.ecr.cn-north-1.amazonaws.com",
            "111122223333.dkr.ecr.us-iso-east-1.amazonaws.com",
            "169.254.169.254",
            "localhost:5000",
        ] {
            check(other, None);
        }
    }
}
