//! `PutImage`: manifests of every kind, their requirements, and their tags.

use std::io;
use std::sync::{Arc, Mutex};

use ecru_model::ErrorCode;
use serde_json::{Value, json};

use crate::api::{ACCOUNT, Api, pretty};
use crate::content::{ABSENT, Image, OCI_LAYER, OCI_MANIFEST, digest, index, put};
use crate::repositories::absent;

pub(crate) async fn demo() -> Api {
    let api = Api::new();
    api.create("demo").await;
    api
}

pub(crate) async fn details(api: &Api, digest: &str) -> Value {
    let input = json!({ "repositoryName": "demo", "imageIds": [{ "imageDigest": digest }] });
    api.ok("DescribeImages", input).await["imageDetails"][0].clone()
}

fn missing(what: &str, digests: &[&str]) -> String {
    format!(
        "{what} with digests '[{}]' required for pushing image into repository with name 'demo' in the registry with id \
         '{ACCOUNT}' do not exist",
        digests.join(", ")
    )
}

#[tokio::test]
async fn an_image_is_stored_as_it_was_written() {
    let api = demo().await;
    let image = Image::docker(1);
    api.push_layers("demo", &image).await;
    let text = format!("{}\n  ", serde_json::to_string_pretty(&image.manifest).unwrap());
    let input = json!({
        "repositoryName": "demo",
        "registryId": ACCOUNT,
        "imageManifest": text,
        "imageManifestMediaType": image.manifest["mediaType"],
        "imageTag": "v1.0_rc-1",
        "imageDigest": digest(&text),
    });
    let stored = api.ok("PutImage", input).await;
    insta::assert_snapshot!(pretty(&stored, &["imageManifest"]), @r#"
    {
      "image": {
        "imageId": {
          "imageDigest": "sha256:9e5f18ef927420b0925362867125c7db03ac1112886c818ad46a3d18373c65b7",
          "imageTag": "v1.0_rc-1"
        },
        "imageManifest": "<imageManifest>",
        "imageManifestMediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "registryId": "000000000000",
        "repositoryName": "demo"
      }
    }
    "#);
    assert_eq!(stored["image"]["imageManifest"], text);
    assert_eq!(stored["image"]["imageId"]["imageDigest"], digest(&text));
    insta::assert_snapshot!(pretty(&details(&api, &digest(&text)).await, &[]), @r#"
    {
      "artifactMediaType": "application/vnd.docker.container.image.v1+json",
      "imageDigest": "sha256:9e5f18ef927420b0925362867125c7db03ac1112886c818ad46a3d18373c65b7",
      "imageManifestMediaType": "application/vnd.docker.distribution.manifest.v2+json",
      "imagePushedAt": 1767225600.5,
      "imageSizeInBytes": 36,
      "imageStatus": "ACTIVE",
      "imageTags": [
        "v1.0_rc-1"
      ],
      "registryId": "000000000000",
      "repositoryName": "demo"
    }
    "#);
}

#[tokio::test]
async fn an_image_without_a_tag_is_stored_untagged() {
    let api = demo().await;
    let image = Image::new(1);
    api.push_layers("demo", &image).await;
    let stored = api.ok("PutImage", put("demo", &image.text(), None)).await;
    assert_eq!(
        stored["image"]["imageId"],
        json!({ "imageDigest": image.digest() })
    );
    assert_eq!(details(&api, &image.digest()).await["imageTags"], Value::Null);
}

#[tokio::test]
async fn a_manifest_without_a_type_of_its_own_has_the_one_beside_it() {
    let api = demo().await;
    let mut image = Image::new(1);
    image.manifest.as_object_mut().unwrap().remove("mediaType");
    api.push_layers("demo", &image).await;
    let mut input = put("demo", &image.text(), None);
    let refused = api.call("PutImage", input.clone()).await;
    refused.refuses_parameter("ImageManifest", "Invalid JSON syntax");
    input["imageManifestMediaType"] = json!(OCI_MANIFEST);
    let stored = api.ok("PutImage", input).await;
    assert_eq!(stored["image"]["imageManifestMediaType"], OCI_MANIFEST);
}

#[tokio::test]
async fn an_image_needs_a_repository() {
    let api = Api::new();
    for manifest in [&Image::new(1).text(), "not a manifest"] {
        let answer = api.call("PutImage", put("gone", manifest, Some("v1"))).await;
        answer.refuses(ErrorCode::RepositoryNotFoundException, &absent("gone"));
    }
}

#[tokio::test]
async fn layers_that_are_missing_are_all_named() {
    let api = demo().await;
    let image = Image::new(1);
    let (config, layer) = (image.config_digest(), image.layer_digest());
    let answer = api.call("PutImage", put("demo", &image.text(), Some("v1"))).await;
    answer.refuses(
        ErrorCode::LayersNotFoundException,
        &missing("Layers", &[&config, &layer]),
    );
    api.push_layer("demo", &image.blobs[1]).await;
    let answer = api.call("PutImage", put("demo", &image.text(), Some("v1"))).await;
    answer.refuses(ErrorCode::LayersNotFoundException, &missing("Layers", &[&config]));
    api.push_layer("demo", &image.blobs[0]).await;
    api.ok("PutImage", put("demo", &image.text(), Some("v1"))).await;
}

#[tokio::test]
async fn a_layer_that_can_be_fetched_elsewhere_may_be_missing_but_not_a_config() {
    let api = demo().await;
    let elsewhere = json!(["https://example.com/layer"]);
    let foreign = |size: u64, last: char| {
        let digest = format!("{}{last}", &ABSENT[..ABSENT.len() - 1]);
        json!({ "mediaType": OCI_LAYER, "digest": digest, "size": size, "urls": elsewhere })
    };
    let image = Image::new(1).with("layers", json!([foreign(1_000, 'a')]));
    api.push_layer("demo", &image.blobs[0]).await;
    api.ok("PutImage", put("demo", &image.text(), None)).await;
    assert_eq!(details(&api, &image.digest()).await["imageSizeInBytes"], 1_012);

    let huge = i64::MAX.unsigned_abs();
    let image = Image::new(1).with("layers", json!([foreign(huge, 'a'), foreign(huge, 'b')]));
    api.ok("PutImage", put("demo", &image.text(), None)).await;
    assert_eq!(details(&api, &image.digest()).await["imageSizeInBytes"], i64::MAX);

    let mut image = Image::new(2).with("layers", json!([]));
    image.manifest["config"]["urls"] = elsewhere.clone();
    let answer = api.call("PutImage", put("demo", &image.text(), None)).await;
    let config = image.config_digest();
    answer.refuses(ErrorCode::LayersNotFoundException, &missing("Layers", &[&config]));
}

#[tokio::test]
async fn children_that_are_missing_are_all_named() {
    let api = demo().await;
    let (first, second) = (Image::new(1), Image::new(2));
    let of_both = index(&[&first, &second]).to_string();
    let answer = api.call("PutImage", put("demo", &of_both, Some("v1"))).await;
    answer.refuses(
        ErrorCode::ReferencedImagesNotFoundException,
        &missing("Images", &[&first.digest(), &second.digest()]),
    );
    api.push("demo", None, &first).await;
    // A child in another repository does not count for this one.
    api.create("other").await;
    api.push("other", None, &second).await;
    let answer = api.call("PutImage", put("demo", &of_both, Some("v1"))).await;
    answer.refuses(
        ErrorCode::ReferencedImagesNotFoundException,
        &missing("Images", &[&second.digest()]),
    );
    assert_eq!(api.tags("demo").await, []);
}

#[tokio::test]
async fn a_digest_that_is_not_the_manifests_is_refused() {
    let api = demo().await;
    let image = Image::new(1);
    api.push_layers("demo", &image).await;
    let mut input = put("demo", &image.text(), Some("v1"));
    input["imageDigest"] = json!(ABSENT);
    let answer = api.call("PutImage", input).await;
    let computed = image.digest();
    answer.refuses(
        ErrorCode::ImageDigestDoesNotMatchException,
        &format!("The specified image digest '{ABSENT}' does not match the digest of the image manifest '{computed}'"),
    );
    assert_eq!(api.digests("demo").await, [""; 0]);
}

#[tokio::test]
async fn the_same_image_again_exists_already() {
    let api = demo().await;
    let image = Image::new(1);
    let pushed = api.push("demo", Some("v1"), &image).await;
    for (tag, shown) in [(Some("v1"), "v1"), (None, "null")] {
        let again = api.call("PutImage", put("demo", &image.text(), tag)).await;
        again.refuses(
            ErrorCode::ImageAlreadyExistsException,
            &format!(
                "Image with digest '{pushed}' and tag '{shown}' already exists in the repository with name 'demo' in \
                 registry with id '{ACCOUNT}'"
            ),
        );
    }
    assert_eq!(api.tags("demo").await, [("v1".to_owned(), pushed)]);
}

#[tokio::test]
async fn the_same_image_under_another_tag_has_both() {
    let api = demo().await;
    let image = Image::new(1);
    let pushed = api.push("demo", Some("v1"), &image).await;
    api.service().clock.advance(60_000);
    api.ok("PutImage", put("demo", &image.text(), Some("v2"))).await;
    let detail = details(&api, &pushed).await;
    assert_eq!(detail["imageTags"], json!(["v1", "v2"]));
    // A further tag is not a push of the image.
    assert_eq!(detail["imagePushedAt"], 1_767_225_600.5);
}

#[tokio::test]
async fn a_tag_that_moves_leaves_its_image_untagged() {
    let api = demo().await;
    let old = api.push("demo", Some("latest"), &Image::new(1)).await;
    let new = api.push("demo", Some("latest"), &Image::new(2)).await;
    assert_eq!(api.tags("demo").await, [("latest".to_owned(), new.clone())]);
    assert_eq!(api.digests("demo").await, [old.clone(), new]);
    assert_eq!(details(&api, &old).await["imageTags"], Value::Null);
    let untagged = json!({ "repositoryName": "demo", "filter": { "tagStatus": "UNTAGGED" } });
    assert_eq!(
        api.ok("ListImages", untagged).await["imageIds"],
        json!([{ "imageDigest": old }])
    );
}

#[tokio::test]
async fn a_repository_holds_so_many_images_and_no_more() {
    let api = demo().await;
    let first = Image::new(1);
    api.push("demo", None, &first).await;
    api.execute("UPDATE repository_counters SET images = 100000")
        .await;
    let second = Image::new(2);
    api.push_layers("demo", &second).await;
    let over = api.call("PutImage", put("demo", &second.text(), None)).await;
    over.refuses(
        ErrorCode::LimitExceededException,
        "The repository with name 'demo' in registry with id '000000000000' already has the maximum allowed number of \
         images which is '100000'",
    );
    // A tag for an existing image does not count towards the quota.
    api.ok("PutImage", put("demo", &first.text(), Some("v1"))).await;
}

#[tokio::test]
async fn an_image_has_so_many_tags_and_no_more() {
    let api = demo().await;
    let image = Image::new(1);
    api.push("demo", Some("first"), &image).await;
    api.execute(
        "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 998)
         INSERT INTO tags (repository_id, tag, image_id)
         SELECT images.repository_id, 't' || n, images.id FROM images, numbers",
    )
    .await;
    api.ok("PutImage", put("demo", &image.text(), Some("last"))).await;
    let over = api
        .call("PutImage", put("demo", &image.text(), Some("over")))
        .await;
    over.refuses(
        ErrorCode::LimitExceededException,
        "Adding tag 'over' to an image in the repository with name 'demo' in registry with id '000000000000' exceeds \
         the maximum allowed number of tags per image which is '1000'",
    );
    assert_eq!(api.count("SELECT count(*) FROM tags"), 1000);
}

#[tokio::test]
async fn tags_and_digests_that_are_none_are_refused() {
    let api = demo().await;
    let image = Image::new(1);
    api.push_layers("demo", &image).await;
    let long = "a".repeat(301);
    let cases = [
        ("", "must have length greater than or equal to 1"),
        (long.as_str(), "must have length less than or equal to 300"),
        ("a b", "must satisfy regular expression '[a-zA-Z0-9-_.]+'"),
        ("a/b", "must satisfy regular expression '[a-zA-Z0-9-_.]+'"),
        ("a\u{0}", "must satisfy regular expression '[a-zA-Z0-9-_.]+'"),
        ("a\r\n", "must satisfy regular expression '[a-zA-Z0-9-_.]+'"),
    ];
    for (tag, reason) in cases {
        let answer = api.call("PutImage", put("demo", &image.text(), Some(tag))).await;
        answer.refuses_parameter("imageTag", reason);
    }
    let mut input = put("demo", &image.text(), None);
    input["imageDigest"] = json!("sha256");
    let answer = api.call("PutImage", input).await;
    answer.refuses_parameter(
        "imageDigest",
        "must satisfy regular expression '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'",
    );
    assert_eq!(api.digests("demo").await, [""; 0]);
}

#[tokio::test]
async fn of_many_pushes_of_one_image_one_stores_it() {
    let api = demo().await;
    let image = Image::new(1);
    api.push_layers("demo", &image).await;
    let all = (0..12).map(|_| api.call("PutImage", put("demo", &image.text(), Some("v1"))));
    let answers = crate::api::join_all(all).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    let again = answers
        .iter()
        .filter(|answer| answer.error() == Some("ImageAlreadyExistsException"));
    assert_eq!(again.count(), 11);
    assert_eq!(api.count("SELECT images FROM repository_counters"), 1);
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn the_log_says_why_a_manifest_is_refused() {
    let api = demo().await;
    let written = Written::default();
    let writer = written.clone();
    let lines = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let text = Image::new(1).with("Layers", json!([])).text();
    {
        let _lines = tracing::subscriber::set_default(lines);
        let refused = api.call("PutImage", put("demo", &text, None)).await;
        refused.refuses_parameter("ImageManifest", "Invalid JSON syntax");
    }
    let log = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    let line = log.lines().find(|line| line.contains("a manifest is refused"));
    let line = line.unwrap_or_else(|| panic!("{log}"));
    assert!(
        line.contains("DEBUG") && line.contains("`layers` is written in another case"),
        "{line}"
    );
}
