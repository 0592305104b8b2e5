//! `PUT /v2/<name>/manifests/<reference>`: a push by tag or digest, through the same code as `PutImage`.

use bytes::Bytes;
use ecru_model::{Digest, DigestAlgorithm, ErrorCode, ImageTag, RepositoryName};

use super::put_image::digest_does_not_match;
use crate::access::Access;
use crate::creation_templates::{refuse_push, repository_to_push};
use crate::manifests::Reference;
use crate::stored_images::{NewImage, Origin, read_manifest, store_image};
use crate::{Context, Error, pull_through_cache};

pub struct PutManifest {
    pub repository: RepositoryName,
    pub reference: Reference,
    /// The media type that was sent with the bytes.
    pub content_type: Option<String>,
    /// Tags to set beside the reference.
    pub tags: Vec<ImageTag>,
    pub bytes: Bytes,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestStored {
    pub digest: Digest,
    pub subject: Option<Digest>,
}

pub async fn put_manifest(ctx: &Context, put: PutManifest) -> Result<ManifestStored, Error> {
    let access = ctx.access("PutImage", None);
    let name = put.repository.clone();
    let new = match accept(ctx, put) {
        Ok(new) => new,
        Err(error) => return Err(refuse_push(ctx, &access, &name, error).await),
    };

    match store(ctx, &access, &name, new.clone()).await {
        // A layer that the cache reported as existing is fetched before it is reported missing.
        Err(missing)
            if missing.code == ErrorCode::LayersNotFoundException
                && ctx.caching.is_on()
                && pull_through_cache::bring_layers(ctx, &name, &new.layers()).await? =>
        {
            store(ctx, &access, &name, new).await
        }
        stored => stored,
    }
}

async fn store(
    ctx: &Context,
    access: &Access,
    name: &RepositoryName,
    new: NewImage,
) -> Result<ManifestStored, Error> {
    let (access, name, store_rules) = (access.clone(), name.clone(), ctx.store_rules());
    ctx.store
        .write(move |tx| {
            let repository = repository_to_push(tx, &access, &name, &store_rules.quotas)?;
            store_image(&store_rules, tx, &repository, &new)?;
            Ok(ManifestStored {
                digest: new.digest,
                subject: new.manifest.subject,
            })
        })
        .await
}

impl NewImage {
    fn layers(&self) -> Vec<Digest> {
        let needed = self.manifest.blobs.iter().filter(|blob| !blob.foreign);
        needed.map(|blob| blob.digest).collect()
    }
}

fn accept(ctx: &Context, put: PutManifest) -> Result<NewImage, Error> {
    if put.bytes.len() > super::MANIFEST_BYTES_MAX {
        return Err(Error::new(
            ErrorCode::InvalidParameterException,
            "The manifest is longer than 4194304 bytes",
        ));
    }
    let read = read_manifest(&put.bytes, put.content_type.as_deref());
    let digest = |algorithm| match &read {
        Ok(manifest) => manifest.digest(&put.bytes, algorithm),
        Err(_) => Digest::computed(algorithm, &put.bytes),
    };
    let mut tags = put.tags;
    let digest = match put.reference {
        Reference::Tag(tag) => {
            tags.insert(0, tag);
            digest(DigestAlgorithm::Sha256)
        }
        Reference::Digest(claimed) => {
            let digest = digest(claimed.algorithm());
            if claimed != digest {
                return Err(digest_does_not_match(&claimed.to_string(), &digest));
            }
            digest
        }
    };
    Ok(NewImage {
        digest,
        manifest: read?,
        bytes: put.bytes,
        tags,
        pushed_at: ctx.clock.now(),
        origin: Origin::Push,
    })
}
