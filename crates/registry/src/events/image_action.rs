//! `ECR Image Action` and `ECR Referrer Action`: an image was pushed, deleted, archived or restored.

use ecru_model::{Digest, ImageTag, RepositoryName, Scope, Timestamp};
use serde_json::{Map, Value, json};

use super::{ECR, Event};
use crate::manifests::MEDIA_TYPE_BYTES_MAX;

/// The image that an event reports.
#[derive(Clone, Copy)]
pub struct About<'a> {
    pub scope: &'a Scope,
    pub repository: &'a RepositoryName,
    pub digest: &'a Digest,
    pub media_type: &'a str,
    pub artifact_media_type: Option<&'a str>,
    pub time: Timestamp,
}

/// [unknown] whether the push of a referrer has another detail type; here a referrer is an image like any other.
pub fn image_pushed(about: &About<'_>, tag: Option<&ImageTag>) -> Event {
    tagged(about, "PUSH", tag)
}

pub fn image_deleted(about: &About<'_>, tag: Option<&ImageTag>) -> Event {
    tagged(about, "DELETE", tag)
}

/// An image with a subject is a referrer, and is reported as one.
pub fn archived(about: &About<'_>, is_referrer: bool) -> Event {
    storage_class(about, is_referrer, "ARCHIVE", None)
}

pub fn restored(about: &About<'_>, is_referrer: bool, last_activated_at: Timestamp) -> Event {
    storage_class(about, is_referrer, "STANDARD", Some(last_activated_at))
}

fn tagged(about: &About<'_>, action: &str, tag: Option<&ImageTag>) -> Event {
    let mut detail = detail(about, action);
    if let Some(tag) = tag {
        detail.insert("image-tag".to_owned(), json!(tag.as_str()));
    }
    event(about, false, detail)
}

fn storage_class(
    about: &About<'_>,
    is_referrer: bool,
    target: &str,
    last_activated_at: Option<Timestamp>,
) -> Event {
    let mut detail = detail(about, "UPDATE_STORAGE_CLASS");
    detail.insert("target-storage-class".to_owned(), json!(target));
    if let Some(at) = last_activated_at {
        detail.insert("last-activated-at".to_owned(), json!(at.to_string()));
    }
    event(about, is_referrer, detail)
}

fn detail(about: &About<'_>, action: &str) -> Map<String, Value> {
    let mut detail = Map::new();
    let mut put = |name: &str, value: &str| detail.insert(name.to_owned(), json!(value));
    put("result", "SUCCESS");
    put("repository-name", about.repository.as_str());
    put("image-digest", &about.digest.to_string());
    put("action-type", action);
    put("manifest-media-type", about.media_type);
    // An earlier build stored it at any length, and each tag would repeat it.
    let artifact_media_type = about
        .artifact_media_type
        .filter(|kind| kind.len() <= MEDIA_TYPE_BYTES_MAX);
    if let Some(media_type) = artifact_media_type {
        put("artifact-media-type", media_type);
    }
    detail
}

fn event(about: &About<'_>, is_referrer: bool, detail: Map<String, Value>) -> Event {
    Event {
        source: ECR,
        detail_type: if is_referrer {
            "ECR Referrer Action"
        } else {
            "ECR Image Action"
        },
        resources: Vec::new(),
        repository: about.repository.as_str().to_owned(),
        time: about.time,
        detail: Value::Object(detail),
    }
}
