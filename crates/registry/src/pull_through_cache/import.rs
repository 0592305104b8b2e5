//! The import job of one image: it fetches what the manifest names from upstream, and then stores the image.

use std::collections::HashSet;
use std::sync::Arc;

use ecru_model::{Digest, ErrorCode, ImageTag, RepositoryName, Scope, Timestamp};
use ecru_platform::jobs::{Job, Lease, Outcome, Subject, Work, schedule};
use ecru_store::{StoreError, Tx};
use serde_json::json;

use super::blob::Target;
use super::origin::{Fetched, Source, origin_of};
use super::rules::{self, Rule};
use super::{Trouble, UpstreamError, tags};
use crate::manifests::Reference;
use crate::records::repositories::{self, Repository};
use crate::state::pulls::Arriving;
use crate::stored_images::{self, NewImage, pulls};
use crate::{Error, Service, events, stored_layers};

/// The number of images that one image may name, directly or through indexes.
const IMAGES_MAX: usize = 1_000;
/// The size of the manifests that wait for the images that they name.
const WAITING_BYTES_MAX: usize = 16 * 1024 * 1024;
/// After this number of failed runs the import is given up, until the image is pulled again.
const ATTEMPTS_MAX: i64 = 5;

/// The image that an import fetches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Import {
    pub(super) scope: Scope,
    pub(super) name: RepositoryName,
    /// The tag that the client requested.
    pub(super) tag: Option<ImageTag>,
}

/// An import, and the digest of its root image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ImportSubject(pub(super) Import, pub(super) Digest);

impl Subject for ImportSubject {
    fn parse(scope: &Scope, text: &str) -> Option<Self> {
        let (image, tag) = match text.split_once(' ') {
            Some((image, tag)) => (image, Some(ImageTag::parse(tag).ok()?)),
            None => (text, None),
        };
        let (name, digest) = image.split_once('@')?;
        let import = Import {
            scope: scope.clone(),
            name: RepositoryName::parse(name).ok()?,
            tag,
        };
        Some(Self(import, Digest::parse(digest).ok()?))
    }

    fn text(&self) -> String {
        let Self(import, digest) = self;
        match &import.tag {
            Some(tag) => format!("{}@{digest} {tag}", import.name),
            None => format!("{}@{digest}", import.name),
        }
    }
}

impl Import {
    /// The key under which pulls of an image are recorded before the image is stored.
    pub(super) fn arriving(&self, digest: Digest) -> Arriving {
        Arriving {
            scope: self.scope.clone(),
            name: self.name.clone(),
            digest,
        }
    }

    fn sync<'a>(
        &'a self,
        rule: &'a Rule,
        digest: Option<&'a Digest>,
        time: Timestamp,
    ) -> events::CacheSync<'a> {
        events::CacheSync {
            scope: &self.scope,
            repository: &self.name,
            prefix: rule.prefix.as_str(),
            upstream_registry_url: &rule.upstream_url,
            tag: self.tag.as_ref().map(ImageTag::as_str),
            digest,
            time,
        }
    }

    /// Records an event about a failure. An image that the upstream does not have is no failure.
    pub(super) async fn tell_failure(
        &self,
        service: &Service,
        rule: &Rule,
        digest: Option<Digest>,
        trouble: &Trouble,
    ) -> Result<(), Error> {
        if matches!(trouble, Trouble::Upstream(UpstreamError::NotFound)) {
            return Ok(());
        }
        let (import, rule, now) = (self.clone(), rule.clone(), service.clock.now());
        let (code, reason) = (trouble.code(), trouble.sentence());
        let told = service
            .store
            .write(move |tx| {
                let sync = import.sync(&rule, digest.as_ref(), now);
                events::record(
                    tx,
                    &import.scope,
                    &events::cache_sync_failed(&sync, code, &reason),
                )
            })
            .await;
        Ok(told?)
    }
}

pub(super) fn schedule_import(
    tx: &Tx<'_>,
    import: &Import,
    digest: &Digest,
    now: Timestamp,
) -> Result<(), StoreError> {
    let subject = ImportSubject(import.clone(), *digest);
    schedule::<CacheImport>(tx, &import.scope, &subject, now)
}

/// The job that imports an image from an upstream registry.
pub(crate) struct CacheImport;

impl Work for CacheImport {
    type Service = Service;
    type Error = Error;
    const NAME: &'static str = "cache-import";
    type Subject = ImportSubject;

    async fn run(service: &Arc<Service>, job: Job<ImportSubject>, lease: &Lease) -> Result<Outcome, Error> {
        run(service, job, lease).await
    }
}

async fn run(service: &Arc<Service>, job: Job<ImportSubject>, lease: &Lease) -> Result<Outcome, Error> {
    let nothing = Ok(Outcome::Done(json!({})));
    let ImportSubject(import, digest) = job.subject;
    let covered = service
        .store
        .read(|at| rules::find_covering(at, &import.scope, &import.name))
        .await;
    let Some(rule) = covered.map_err(Error::from)? else {
        return nothing;
    };
    let bringing = Bringing {
        service,
        lease,
        import: &import,
        rule: &rule,
    };
    match bringing.bring(&digest).await {
        Ok(images) => Ok(Outcome::Done(json!({ "images": images }))),
        Err(Trouble::Registry(error)) if error.code == ErrorCode::ServerException => Err(error),
        Err(trouble) if trouble.may_pass() && job.attempts < ATTEMPTS_MAX => Err(Error::new(
            ErrorCode::UnableToGetUpstreamImageException,
            trouble.sentence(),
        )),
        Err(trouble) => {
            service.pulls.take_ahead(&import.arriving(digest));
            import
                .tell_failure(service, &rule, Some(digest), &trouble)
                .await?;
            Ok(Outcome::Done(json!({ "failureCode": trouble.code() })))
        }
    }
}

struct Bringing<'a> {
    service: &'a Arc<Service>,
    lease: &'a Lease,
    import: &'a Import,
    rule: &'a Rule,
}

/// An index is visited twice: its children are fetched in between.
enum Visit {
    Find(Digest),
    Store(Box<Fetched>),
}

impl Bringing<'_> {
    /// Returns the number of stored images.
    async fn bring(&self, root: &Digest) -> Result<usize, Trouble> {
        let Some((repository, source)) = self.place().await? else {
            return Ok(0);
        };
        let (mut seen, mut stored, mut waiting_bytes) = (HashSet::new(), 0, 0);
        let mut visits = vec![Visit::Find(*root)];
        while let Some(visit) = visits.pop() {
            let fetched = match visit {
                Visit::Find(digest) => {
                    if !seen.insert(digest) || (digest != *root && self.is_here(&repository, &digest).await?)
                    {
                        continue;
                    }
                    let fetched = source.fetch(self.service, &Reference::Digest(digest)).await?;
                    waiting_bytes += fetched.bytes.len();
                    if seen.len() > IMAGES_MAX || waiting_bytes > WAITING_BYTES_MAX {
                        return Err(UpstreamError::Unusable(
                            "an index that names too many or too large manifests",
                        )
                        .into());
                    }
                    let children = fetched.manifest.children.clone();
                    if !children.is_empty() {
                        visits.push(Visit::Store(Box::new(fetched)));
                        visits.extend(children.into_iter().rev().map(Visit::Find));
                        continue;
                    }
                    fetched
                }
                Visit::Store(fetched) => *fetched,
            };
            waiting_bytes -= fetched.bytes.len();
            self.bring_blobs(&repository, &source, &fetched).await?;
            let is_root = fetched.digest == *root;
            self.store(&repository, fetched, is_root).await?;
            stored += 1;
        }
        Ok(stored)
    }

    /// None if the repository is gone.
    async fn place(&self) -> Result<Option<(Repository, Source)>, Trouble> {
        self.service
            .store
            .read(|at| {
                let Some(repository) = repositories::find(at, &self.import.scope, &self.import.name)? else {
                    return Ok(None);
                };
                let origin = origin_of(self.service, at, &self.import.scope, self.rule)?;
                Ok(Source::new(origin, self.rule, &self.import.name).map(|source| (repository, source)))
            })
            .await
    }

    async fn is_here(&self, repository: &Repository, digest: &Digest) -> Result<bool, Trouble> {
        self.service
            .store
            .read(|at| Ok(stored_images::find(at, repository, digest)?.is_some()))
            .await
    }

    async fn bring_blobs(
        &self,
        repository: &Repository,
        source: &Source,
        fetched: &Fetched,
    ) -> Result<(), Trouble> {
        let sizes = &self.service.caching.sizes;
        sizes.note(&repository.scope, &repository.name, &fetched.manifest);
        for blob in fetched.manifest.blobs.iter().filter(|blob| !blob.foreign) {
            let target = Target {
                service: Arc::clone(self.service),
                repository: repository.clone(),
                digest: blob.digest,
                size_max: sizes.find(&repository.scope, &repository.name, blob.digest),
            };
            // If a client is fetching the blob at the same time, this waits for the end of that flight.
            if !self.has(&target).await? {
                target.bring(source).await?;
            }
        }
        Ok(())
    }

    async fn has(&self, target: &Target) -> Result<bool, Trouble> {
        let store = &self.service.store;
        store
            .read(|at| {
                let found = stored_layers::find_linked(store, at, &target.repository, &target.digest)?;
                Ok(found.is_some_and(|blob| blob.is_intact()))
            })
            .await
    }

    /// Only the image that was requested gets an event, not the images that it names.
    async fn store(&self, repository: &Repository, fetched: Fetched, is_root: bool) -> Result<(), Trouble> {
        let (lease, store_rules) = (self.lease.clone(), self.service.store_rules());
        let (import, rule, wanted_id) = (self.import.clone(), self.rule.clone(), repository.id);
        let now = store_rules.at.now;
        let pulled_at = self.service.pulls.take_ahead(&import.arriving(fetched.digest));
        let image = NewImage {
            digest: fetched.digest,
            manifest: fetched.manifest,
            bytes: fetched.bytes,
            tags: import.tag.iter().filter(|_| is_root).cloned().collect(),
            pushed_at: now,
            origin: stored_images::Origin::Cache,
        };
        self.service
            .store
            .write(move |tx| {
                lease.check(tx)?;
                let found = repositories::find(tx, &import.scope, &import.name)?;
                let Some(repository) = found.filter(|repository| repository.id == wanted_id) else {
                    return Ok(());
                };
                stored_images::store_image(&store_rules, tx, &repository, &image)?;
                if let Some(pulled_at) = pulled_at {
                    pulls::save_arrived(tx, &repository, image.digest, pulled_at)?;
                }
                if !is_root {
                    return Ok(());
                }
                if let Some(tag) = &import.tag {
                    tags::note(tx, repository.id, tag.as_str(), now)?;
                }
                let sync = import.sync(&rule, Some(&image.digest), now);
                events::record(tx, &import.scope, &events::cache_synced(&sync)).map_err(Error::from)
            })
            .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ecru_model::{Region, RegistryId};

    use super::*;

    #[test]
    fn an_import_is_read_as_it_is_written() {
        let scope = Scope {
            registry_id: RegistryId::parse("000000000000").unwrap(),
            region: Region::parse("us-east-1").unwrap(),
        };
        let digest = Digest::of(b"manifest");
        for tag in [None, Some(ImageTag::parse("1.0").unwrap())] {
            let import = Import {
                scope: scope.clone(),
                name: RepositoryName::parse("hub/library/alpine").unwrap(),
                tag,
            };
            let subject = ImportSubject(import, digest);
            let read = ImportSubject::parse(&scope, &subject.text());
            assert_eq!(read, Some(subject));
        }
        for other in ["", "hub", "hub@sha256:00", "@ a"] {
            assert_eq!(ImportSubject::parse(&scope, other), None, "{other}");
        }
    }
}
