//! The counts of links: images of the repository that need the blob, and how many of these can be pulled.

use ecru_registry::images::verify_images;
use ecru_store::Report;
use serde_json::json;

use crate::api::Api;
use crate::content::Image;

/// For each link: the number of its images, and of its active images.
const COUNTS: &str = "SELECT images || ' ' || active_images FROM links ORDER BY blob_id";

impl Api {
    async fn set_class(&self, image: &Image, class: &str) {
        let input = json!({
            "repositoryName": "demo",
            "imageId": { "imageDigest": image.digest() },
            "targetStorageClass": class,
        });
        self.ok("UpdateImageStorageClass", input).await;
    }

    async fn remove(&self, image: &Image) {
        let input = json!({ "repositoryName": "demo", "imageIds": [{ "imageDigest": image.digest() }] });
        let deleted = self.ok("BatchDeleteImage", input).await;
        assert_eq!(deleted["failures"], json!([]));
    }

    /// The problems that verification reports.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let (report, mut heard) = Report::new();
        let store = self.service().store.clone();
        let verifying = tokio::spawn(async move { verify_images(&store, &report).await });
        let mut complaints = Vec::new();
        while let Some(complaint) = heard.recv().await {
            complaints.push(complaint);
        }
        assert_eq!(verifying.await.unwrap().unwrap().damaged, complaints.len() as u64);
        complaints
    }

    #[track_caller]
    fn check_counts(&self, expected: &str) {
        assert_eq!(self.texts(COUNTS), [expected, expected], "a config and a layer");
    }
}

/// Two images with the same blobs.
async fn pushed() -> (Api, Image, Image) {
    let api = Api::new();
    api.create("demo").await;
    let first = Image::new(1);
    let second = Image::new(1).with("annotations", json!({ "number": "2" }));
    api.push("demo", Some("v1"), &first).await;
    api.push("demo", Some("v2"), &second).await;
    (api, first, second)
}

#[tokio::test]
async fn links_count_images_through_all_that_becomes_of_them() {
    let (api, first, second) = pushed().await;
    api.check_counts("2 2");

    api.set_class(&second, "ARCHIVE").await;
    api.check_counts("2 1");
    api.set_class(&second, "STANDARD").await;
    api.check_counts("2 1");
    api.advance(20 * 60 * 1000);
    api.run_due().await;
    api.check_counts("2 2");

    api.set_class(&second, "ARCHIVE").await;
    api.push("demo", Some("v2"), &second).await;
    api.check_counts("2 2");
    assert_eq!(api.complaints().await, Vec::<String>::new());

    api.set_class(&second, "ARCHIVE").await;
    api.remove(&second).await;
    api.check_counts("1 1");
    api.remove(&first).await;
    api.check_counts("0 0");
    assert_eq!(api.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_link_that_counts_wrongly_is_found_and_keeps_no_image_from_being_deleted() {
    for (harm, lines) in [
        ("UPDATE links SET images = images + 1", 2),
        ("UPDATE links SET images = 0, active_images = 0", 2),
        ("UPDATE links SET active_images = 1", 2),
        ("UPDATE images SET blob_ids = x'' WHERE tagged = 1", 4),
        ("UPDATE images SET blob_ids = x'000000000000004d'", 5),
    ] {
        let (api, first, second) = pushed().await;
        api.execute(harm).await;
        let complaints = api.complaints().await;
        assert_eq!(complaints.len(), lines, "{harm}: {complaints:#?}");

        api.remove(&second).await;
        api.remove(&first).await;
    }
}

#[tokio::test]
async fn a_layer_has_the_media_type_of_the_first_image_that_needs_it() {
    let api = Api::new();
    api.create("demo").await;
    let (oci, docker) = (Image::new(1), Image::docker(1));
    let media_type = async || {
        let input = json!({ "repositoryName": "demo", "layerDigests": [oci.layer_digest()] });
        api.ok("BatchCheckLayerAvailability", input).await["layers"][0]["mediaType"].clone()
    };
    api.push("demo", Some("v1"), &oci).await;
    api.push("demo", Some("v2"), &docker).await;
    assert_eq!(media_type().await, crate::content::OCI_LAYER);

    api.remove(&oci).await;
    api.remove(&docker).await;
    api.push("demo", Some("v2"), &docker).await;
    assert_eq!(media_type().await, crate::content::DOCKER_LAYER);
}
