//! The source of the images of a rule, and how a manifest is fetched from it.

use bytes::Bytes;
use ecru_model::identity::is_role_of;
use ecru_model::{Digest, DigestAlgorithm, ErrorCode, ImageStatus, RepositoryName, Scope, Timestamp};
use ecru_policy::Circumstances;
use ecru_store::{Snapshot, stored};

use super::rules::{Rule, private_registry, upstream_name};
use super::{Trouble, Upstream, UpstreamError, UpstreamManifest, credentials, upstreams};

use crate::access::Access;
use crate::manifests::{Manifest, Reference};
use crate::records::repositories::Repository;
use crate::{Caller, Error, OrganizationId, Service, stored_images};

const SERVICE_ROLE: &str =
    "role/aws-service-role/pullthroughcache.ecr.amazonaws.com/AWSServiceRoleForECRPullThroughCache";

/// A registry whose repositories are cached.
#[derive(Debug, Clone)]
pub(crate) enum Origin {
    /// A registry on this server, read as a principal that its policies can name.
    Here {
        scope: Scope,
        caller: Caller,
        organization_id: OrganizationId,
    },
    Elsewhere(Upstream),
}

/// A repository of an upstream registry.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) origin: Origin,
    pub(super) name: String,
}

/// A manifest that matches its digest and can be stored.
#[derive(Clone)]
pub(super) struct Fetched {
    pub(super) digest: Digest,
    pub(super) bytes: Bytes,
    pub(super) manifest: Manifest,
}

/// Private registries are served by this server, unless the operator names an upstream for one.
pub(crate) fn origin_of(
    service: &Service,
    at: &Snapshot<'_>,
    scope: &Scope,
    rule: &Rule,
) -> Result<Origin, Trouble> {
    let host = &rule.upstream_url;
    let upstreams = service.ports.upstreams.as_ref();
    let admitted = upstreams.is_some_and(|upstreams| upstreams.admits(host));
    if let Some(source) = private_registry(host).filter(|_| !admitted) {
        return Ok(Origin::Here {
            scope: source,
            caller: role_of(scope, rule)?,
            organization_id: service.configuration.organization_id.clone(),
        });
    }
    if rule.upstream_registry.is_none() && !admitted {
        return Err(UpstreamError::Forbidden("the operator no longer names it").into());
    }
    let credentials = rule
        .credential_arn
        .as_ref()
        .map(|arn| credentials::load(at, scope, arn));
    Ok(Origin::Elsewhere(Upstream {
        host: host.clone(),
        credentials: credentials.transpose().map_err(Trouble::Secret)?,
    }))
}

/// The role of the rule, else the service-linked role. Earlier versions stored rules with any text as their
/// role; a rule with an invalid role is refused.
fn role_of(scope: &Scope, rule: &Rule) -> Result<Caller, UpstreamError> {
    let arn = match &rule.custom_role_arn {
        None => scope.iam_arn(SERVICE_ROLE),
        Some(custom) if is_role_of(scope, custom.as_str()) => custom.as_str().to_owned(),
        Some(_) => {
            return Err(UpstreamError::Forbidden(
                "the custom role of the rule is not a role of its account",
            ));
        }
    };
    Ok(Caller::identity(scope.registry_id.clone(), arn))
}

impl Source {
    pub(super) fn new(origin: Origin, rule: &Rule, name: &RepositoryName) -> Option<Self> {
        let name = upstream_name(rule.prefix.as_str(), rule.upstream_prefix.as_str(), name.as_str())?;
        Some(Self { origin, name })
    }

    pub(super) async fn fetch(&self, service: &Service, reference: &Reference) -> Result<Fetched, Trouble> {
        let upstream = match &self.origin {
            Origin::Here { .. } => {
                return service
                    .store
                    .read(|at| self.read_here(service.clock.now(), at, reference))
                    .await;
            }
            Origin::Elsewhere(upstream) => upstream,
        };
        let UpstreamManifest { bytes, media_type } = upstreams(service)?
            .manifest(upstream, &self.name, &reference.text())
            .await?;
        let read = Manifest::accept(&bytes, media_type.as_deref());
        let algorithm = match reference {
            Reference::Tag(_) => DigestAlgorithm::Sha256,
            Reference::Digest(digest) => digest.algorithm(),
        };
        let digest = match &read {
            Ok(manifest) => manifest.digest(&bytes, algorithm),
            Err(_) => Digest::computed(algorithm, &bytes),
        };
        if matches!(reference, Reference::Digest(wanted) if *wanted != digest) {
            return Err(UpstreamError::Unusable("a manifest of another digest").into());
        }
        let manifest = read.map_err(|error| {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "an upstream manifest is invalid or unsupported"
            );
            UpstreamError::Unusable("an invalid or unsupported manifest")
        })?;
        Ok(Fetched {
            digest,
            bytes,
            manifest,
        })
    }

    /// The digest of a tag upstream, if it can be read without the manifest.
    pub(super) async fn digest(
        &self,
        service: &Service,
        reference: &Reference,
    ) -> Result<Option<Digest>, Trouble> {
        let Origin::Elsewhere(upstream) = &self.origin else {
            return Ok(None);
        };
        Ok(upstreams(service)?
            .manifest_digest(upstream, &self.name, &reference.text())
            .await?)
    }

    /// Reads what this server has stored, whichever build accepted it.
    fn read_here(
        &self,
        now: Timestamp,
        at: &Snapshot<'_>,
        reference: &Reference,
    ) -> Result<Fetched, Trouble> {
        let repository = self.repository_here(now, at, "BatchGetImage")?;
        let image = match reference {
            Reference::Tag(tag) => stored_images::find_tagged(at, &repository, tag.as_str())?,
            Reference::Digest(digest) => stored_images::find(at, &repository, digest)?,
        };
        let image = image
            .filter(|image| image.status == ImageStatus::Active)
            .ok_or(UpstreamError::NotFound)?;
        let bytes = stored_images::manifest_of(at, &image)?;
        let manifest = stored(Manifest::parse(&bytes, Some(&image.media_type)))?;
        Ok(Fetched {
            digest: image.digest,
            bytes,
            manifest,
        })
    }

    /// The repository of another registry on this server, if that registry's policies allow it.
    pub(super) fn repository_here(
        &self,
        now: Timestamp,
        at: &Snapshot<'_>,
        action: &'static str,
    ) -> Result<Repository, Trouble> {
        let Origin::Here {
            scope,
            caller,
            organization_id,
        } = &self.origin
        else {
            return Err(Error::server("the registry is not on this server").into());
        };
        let circumstances = Circumstances {
            now,
            source: None,
            organization_id: organization_id.clone(),
        };
        let access = Access::new(caller.clone(), scope.clone(), action, circumstances);
        let name = RepositoryName::parse(self.name.as_str()).map_err(|_| UpstreamError::NotFound)?;
        match access.find_repository(at, &name) {
            Ok(Some(repository)) => Ok(repository),
            Ok(None) => Err(UpstreamError::NotFound.into()),
            Err(error) if error.code == ErrorCode::AccessDeniedException => Err(UpstreamError::Denied.into()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Reference {
    fn text(&self) -> String {
        match self {
            Self::Tag(tag) => tag.as_str().to_owned(),
            Self::Digest(digest) => digest.to_string(),
        }
    }
}
