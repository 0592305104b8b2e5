//! The referrers that a cached image has upstream.

use ecru_model::{ArtifactStatus, Digest, ErrorCode, ImageReferrer, RegistryId, RepositoryName};
use serde::Deserialize;

use super::import::{Import, schedule_import};
use super::manifest::{claim, open};
use super::origin::Origin;
use super::{Trouble, UpstreamError, upstreams};
use crate::annotations::Annotations;
use crate::{Context, Error};

/// The maximum that the service lists.
const REFERRERS_MAX: usize = 50;

#[derive(Deserialize)]
struct Index {
    manifests: Vec<Descriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: String,
    size: i64,
    artifact_type: Option<String>,
    annotations: Option<Annotations>,
}

/// The upstream's referrers of an image; each of them is imported later. Empty if no rule covers the
/// repository. If the subject `is_here`, failures of the upstream are tolerated.
pub(crate) async fn list_upstream_referrers(
    ctx: &Context,
    registry_id: Option<&RegistryId>,
    name: &RepositoryName,
    (subject, is_here): (&Digest, bool),
) -> Result<Vec<ImageReferrer>, Error> {
    match ask(ctx, registry_id, name, subject).await {
        Ok(found) => Ok(found),
        Err(Trouble::Registry(error)) => Err(error),
        Err(Trouble::Upstream(UpstreamError::NotFound)) => Ok(Vec::new()),
        Err(trouble) if is_here => {
            tracing::info!(reason = trouble.sentence(), "referrers were not listed upstream");
            Ok(Vec::new())
        }
        Err(trouble) => Err(Error::new(
            ErrorCode::UnableToListUpstreamImageReferrersException,
            format!(
                "The referrer or referrers were unable to be listed from the upstream registry: {}",
                trouble.sentence()
            ),
        )),
    }
}

async fn ask(
    ctx: &Context,
    registry_id: Option<&RegistryId>,
    name: &RepositoryName,
    subject: &Digest,
) -> Result<Vec<ImageReferrer>, Trouble> {
    let Some(claim) = claim(ctx, ctx.access("BatchGetImage", registry_id), name).await? else {
        return Ok(Vec::new());
    };
    let source = claim.source?;
    let Origin::Elsewhere(upstream) = &source.origin else {
        return Ok(Vec::new());
    };
    let index = upstreams(ctx)?.referrers(upstream, &source.name, subject).await?;
    let index = serde_json::from_slice::<Index>(&index)
        .map_err(|_| UpstreamError::Unusable("an invalid list of referrers"))?;
    let regular = index.manifests.into_iter().filter_map(|referrer| {
        let digest = Digest::parse(&referrer.digest).ok()?;
        (referrer.size >= 0).then_some((digest, referrer))
    });
    let found = regular.take(REFERRERS_MAX).collect::<Vec<_>>();

    let digests = found.iter().map(|(digest, _)| *digest).collect::<Vec<_>>();
    let (access, now, quotas) = (claim.access, ctx.clock.now(), ctx.configuration.quotas);
    let import = Import {
        scope: access.scope.clone(),
        name: name.clone(),
        tag: None,
    };
    if !digests.is_empty() {
        ctx.store
            .write(move |tx| {
                open(tx, &access, &import.name, &quotas)?;
                for digest in &digests {
                    schedule_import(tx, &import, digest, now)?;
                }
                Ok::<_, Error>(())
            })
            .await?;
    }
    Ok(found
        .into_iter()
        .map(|(digest, referrer)| referrer.into_answer(&digest))
        .collect())
}

impl Descriptor {
    fn into_answer(self, digest: &Digest) -> ImageReferrer {
        ImageReferrer {
            digest: digest.to_string(),
            media_type: self.media_type,
            artifact_type: self.artifact_type,
            size: self.size,
            annotations: self.annotations.as_ref().and_then(as_text),
            artifact_status: Some(ArtifactStatus::Active),
        }
    }
}

fn as_text(annotations: &Annotations) -> Option<ecru_model::Annotations> {
    serde_json::to_string(annotations)
        .ok()
        .map(ecru_model::Annotations::from_json)
}
