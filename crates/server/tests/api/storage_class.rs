//! Archived images: not available to pulls, and restored after a wait or by a push.

use crate::api::AtOnce as _;
use ecru_model::{Digest, ErrorCode, RepositoryName};
use ecru_registry::Pace;
use ecru_registry::images::{Reference, load_manifest};
use ecru_registry::layers::open_blob;
use serde_json::{Value, json};

use crate::api::Api;
use crate::content::{Image, OCI_MANIFEST, index, put};

const MINUTE: i64 = 60 * 1000;
const DAY: i64 = 24 * 60 * MINUTE;

fn update(id: &Value, class: &str) -> Value {
    json!({ "repositoryName": "demo", "imageId": id, "targetStorageClass": class })
}

impl Api {
    async fn archive(&self, digest: &str) -> Value {
        let input = update(&json!({ "imageDigest": digest }), "ARCHIVE");
        self.ok("UpdateImageStorageClass", input).await
    }

    async fn restore(&self, digest: &str) -> Value {
        let input = update(&json!({ "imageDigest": digest }), "STANDARD");
        self.ok("UpdateImageStorageClass", input).await
    }

    async fn status(&self, digest: &str) -> Value {
        let input = json!({ "repositoryName": "demo", "imageIds": [{ "imageDigest": digest }] });
        self.ok("DescribeImages", input).await["imageDetails"][0].clone()
    }

    fn can_pull(&self, digest: &str) -> bool {
        let reference = Reference::Digest(Digest::parse(digest).unwrap());
        load_manifest(
            &self.context(),
            &RepositoryName::parse("demo").unwrap(),
            &reference,
        )
        .at_once()
        .is_ok()
    }

    async fn can_fetch(&self, layer: &str) -> bool {
        let (name, digest) = (RepositoryName::parse("demo").unwrap(), layer.parse().unwrap());
        open_blob(&self.context(), &name, &digest).await.is_ok()
    }

    async fn availability(&self, layer: &str) -> Value {
        let input = json!({ "repositoryName": "demo", "layerDigests": [layer] });
        self.ok("BatchCheckLayerAvailability", input).await["layers"][0]["layerAvailability"].clone()
    }
}

/// Waits take as long as in ECR, so that tests can observe them.
async fn pushed() -> (Api, Image) {
    let api = Api::with(|configuration| configuration.pace = Pace::Aws);
    api.create("demo").await;
    let image = Image::new(1);
    api.push("demo", Some("v1"), &image).await;
    (api, image)
}

#[tokio::test]
async fn an_archived_image_cannot_be_pulled_until_it_is_active_again() {
    let (api, image) = pushed().await;
    let digest = image.digest();
    let archived = api
        .ok(
            "UpdateImageStorageClass",
            update(&json!({ "imageTag": "v1" }), "ARCHIVE"),
        )
        .await;
    assert_eq!(
        archived,
        json!({
            "registryId": "000000000000",
            "repositoryName": "demo",
            "imageId": { "imageDigest": digest, "imageTag": "v1" },
            "imageStatus": "ARCHIVED",
        })
    );
    assert!(!api.can_pull(&digest));
    assert!(!api.can_fetch(&image.layer_digest()).await);
    assert_eq!(
        api.status(&digest).await["lastArchivedAt"].as_f64(),
        Some(1_767_225_600.5)
    );
    assert_eq!(api.availability(&image.layer_digest()).await, "ARCHIVED");
    let got = api
        .ok(
            "BatchGetImage",
            json!({ "repositoryName": "demo", "imageIds": [{ "imageTag": "v1" }] }),
        )
        .await;
    assert_eq!(got["failures"][0]["failureCode"], "ImageNotFound");
    api.call(
        "GetDownloadUrlForLayer",
        json!({ "repositoryName": "demo", "layerDigest": image.layer_digest() }),
    )
    .await
    .refuses_code(ErrorCode::LayerInaccessibleException);

    api.advance(DAY);
    assert_eq!(api.restore(&digest).await["imageStatus"], "ACTIVATING");
    api.advance(20 * MINUTE - 1);
    api.run_due().await;
    assert_eq!(api.status(&digest).await["imageStatus"], "ACTIVATING");
    assert!(!api.can_pull(&digest));
    api.advance(1);
    api.run_due().await;
    let active = api.status(&digest).await;
    assert_eq!(active["imageStatus"], "ACTIVE");
    assert_eq!(
        active["lastActivatedAt"].as_f64(),
        Some(1_767_225_600.5 + 86_400.0 + 1_200.0)
    );
    assert!(api.can_pull(&digest) && api.can_fetch(&image.layer_digest()).await);
    assert_eq!(api.availability(&image.layer_digest()).await, "AVAILABLE");
}

#[tokio::test]
async fn a_push_of_an_archived_image_restores_it_at_once_also_under_a_frozen_tag() {
    let (api, image) = pushed().await;
    api.ok(
        "PutImageTagMutability",
        json!({ "repositoryName": "demo", "imageTagMutability": "IMMUTABLE" }),
    )
    .await;
    api.archive(&image.digest()).await;
    api.ok("PutImage", put("demo", &image.text(), Some("v1"))).await;
    assert!(api.can_pull(&image.digest()));
    assert_eq!(api.status(&image.digest()).await["imageStatus"], "ACTIVE");

    api.archive(&image.digest()).await;
    api.restore(&image.digest()).await;
    api.put_manifest("demo", "v1", image.text()).await.unwrap();
    assert!(api.can_pull(&image.digest()), "the wait is over");
    api.advance(DAY);
    api.run_due().await;
    assert_eq!(api.status(&image.digest()).await["imageStatus"], "ACTIVE");
}

#[tokio::test]
async fn a_class_that_an_image_has_already_is_no_update() {
    let (api, image) = pushed().await;
    let refused = |status: &str, class: &str| {
        format!("The storage class of an image with status '{status}' cannot be updated to '{class}'")
    };
    let id = json!({ "imageDigest": image.digest() });
    let check = async |status: &str, class: &str| {
        api.call("UpdateImageStorageClass", update(&id, class))
            .await
            .refuses(
                ErrorCode::ImageStorageClassUpdateNotSupportedException,
                &refused(status, class),
            );
    };
    check("ACTIVE", "STANDARD").await;
    api.archive(&image.digest()).await;
    check("ARCHIVED", "ARCHIVE").await;
    api.restore(&image.digest()).await;
    check("ACTIVATING", "STANDARD").await;
    check("ACTIVATING", "ARCHIVE").await;
}

#[tokio::test]
async fn images_that_are_not_there_cannot_be_archived() {
    let (api, _) = pushed().await;
    api.call(
        "UpdateImageStorageClass",
        update(&json!({ "imageTag": "absent" }), "ARCHIVE"),
    )
    .await
    .refuses(
        ErrorCode::ImageNotFoundException,
        "The image with imageId {imageDigest:'null', imageTag:'absent'} does not exist within the repository with name \
         'demo' in the registry with id '000000000000'",
    );
    api.call("UpdateImageStorageClass", update(&json!({}), "ARCHIVE"))
        .await
        .refuses_parameter(
            "imageId",
            "Invalid request parameters: both tag and digest cannot be null",
        );
    let mut elsewhere = update(&json!({ "imageTag": "v1" }), "ARCHIVE");
    elsewhere["repositoryName"] = json!("absent");
    api.call("UpdateImageStorageClass", elsewhere)
        .await
        .refuses_code(ErrorCode::RepositoryNotFoundException);
}

#[tokio::test]
async fn an_index_is_archived_before_its_children_and_brings_them_back() {
    let (api, child) = pushed().await;
    let list = index(&[&child]);
    let list_digest = api.push_index("demo", Some("list"), &list).await;
    api.call(
        "UpdateImageStorageClass",
        update(&json!({ "imageTag": "v1" }), "ARCHIVE"),
    )
    .await
    .refuses(
        ErrorCode::ImageStorageClassUpdateNotSupportedException,
        &format!("The image cannot be archived because it is referenced by manifest list: [{list_digest}]"),
    );
    api.archive(&list_digest).await;
    assert!(api.can_pull(&child.digest()));
    api.archive(&child.digest()).await;

    api.restore(&list_digest).await;
    assert_eq!(api.status(&child.digest()).await["imageStatus"], "ACTIVATING");
    api.advance(20 * MINUTE);
    api.run_due().await;
    assert!(api.can_pull(&list_digest) && api.can_pull(&child.digest()));

    api.archive(&list_digest).await;
    api.archive(&child.digest()).await;
    api.push_index("demo", Some("list"), &list).await;
    assert!(api.can_pull(&list_digest) && api.can_pull(&child.digest()));
}

#[tokio::test]
async fn referrers_are_archived_within_a_day_and_come_back_with_their_subject() {
    let (api, image) = pushed().await;
    let subject = json!({ "mediaType": OCI_MANIFEST, "digest": image.digest(), "size": image.text().len() });
    let signature = Image::new(2).with("subject", subject);
    api.push("demo", None, &signature).await;
    api.archive(&image.digest()).await;
    api.run_due().await;
    assert!(api.can_pull(&signature.digest()));
    api.advance(DAY);
    api.run_due().await;
    assert!(!api.can_pull(&signature.digest()));

    api.restore(&image.digest()).await;
    api.advance(20 * MINUTE);
    api.run_due().await;
    assert!(api.can_pull(&signature.digest()));

    let details = api.texts(
        "SELECT detail_type || ' ' || json_extract(detail, '$.target-storage-class') || ' '
             || COALESCE(json_extract(detail, '$.last-activated-at'), '-')
         FROM outbox WHERE json_extract(detail, '$.action-type') = 'UPDATE_STORAGE_CLASS' ORDER BY sequence",
    );
    insta::assert_snapshot!(details.join("\n"), @r"
    ECR Image Action ARCHIVE -
    ECR Referrer Action ARCHIVE -
    ECR Image Action STANDARD 2026-01-02T00:20:00.5Z
    ECR Referrer Action STANDARD 2026-01-02T00:20:00.5Z
    ");
}

#[tokio::test]
async fn a_restore_does_not_wait_by_default_also_while_the_clock_is_frozen() {
    let api = Api::new();
    api.create("demo").await;
    let image = Image::new(1);
    api.push("demo", Some("v1"), &image).await;
    api.archive(&image.digest()).await;
    assert_eq!(api.restore(&image.digest()).await["imageStatus"], "ACTIVATING");
    api.run_due().await;
    assert_eq!(api.status(&image.digest()).await["imageStatus"], "ACTIVE");
    assert!(api.can_pull(&image.digest()));
}
