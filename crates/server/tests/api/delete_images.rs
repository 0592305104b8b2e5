//! `BatchDeleteImage`: by tag, by digest, by both, and the images that an index protects.

use serde_json::{Value, json};

use crate::api::{Api, join_all, pretty};
use crate::content::{Image, index, put};

/// `demo` with an image under the tags `a` and `b`, one under `c`, and one without a tag.
async fn demo() -> (Api, [String; 3]) {
    let api = Api::new();
    api.create("demo").await;
    let first = api.push("demo", Some("a"), &Image::new(1)).await;
    api.ok("PutImage", put("demo", &Image::new(1).text(), Some("b")))
        .await;
    let second = api.push("demo", Some("c"), &Image::new(2)).await;
    let third = api.push("demo", None, &Image::new(3)).await;
    (api, [first, second, third])
}

async fn delete(api: &Api, ids: Value) -> Value {
    api.ok(
        "BatchDeleteImage",
        json!({ "repositoryName": "demo", "imageIds": ids }),
    )
    .await
}

fn deleted(ids: &Value) -> Value {
    json!({ "imageIds": ids, "failures": [] })
}

/// Deletes images, then checks the answer and the remaining tags.
async fn check(asked: impl Fn(&[String; 3]) -> Value, answer: impl Fn(&[String; 3]) -> Value, tags: &str) {
    let (api, digests) = demo().await;
    assert_eq!(delete(&api, asked(&digests)).await, deleted(&answer(&digests)));
    let left = api
        .tags("demo")
        .await
        .into_iter()
        .map(|(tag, _)| tag)
        .collect::<String>();
    assert_eq!(left, tags);
    let images = api.digests("demo").await.len();
    let counted = api.count("SELECT images FROM repository_counters");
    assert_eq!(i64::try_from(images), Ok(counted));
}

#[tokio::test]
async fn a_tag_of_several_goes_alone() {
    let one = |[d, ..]: &[String; 3]| json!([{ "imageDigest": d, "imageTag": "a" }]);
    check(|_| json!([{ "imageTag": "a" }]), one, "bc").await;
    check(one, one, "bc").await;
}

#[tokio::test]
async fn the_last_tag_takes_its_image_with_it() {
    let (api, [_, second, _]) = demo().await;
    let answer = delete(&api, json!([{ "imageTag": "c" }])).await;
    assert_eq!(
        answer,
        deleted(&json!([{ "imageDigest": second, "imageTag": "c" }]))
    );
    assert_eq!(api.digests("demo").await.len(), 2);
    let (api, [_, second, _]) = demo().await;
    delete(&api, json!([{ "imageDigest": second, "imageTag": "c" }])).await;
    assert_eq!(api.digests("demo").await.len(), 2);
}

#[tokio::test]
async fn a_digest_takes_all_its_tags_with_it() {
    let both = |[d, ..]: &[String; 3]| json!([{ "imageDigest": d, "imageTag": "a" }, { "imageDigest": d, "imageTag": "b" }]);
    check(|[d, ..]| json!([{ "imageDigest": d }]), both, "c").await;
    let alone = |[.., d]: &[String; 3]| json!([{ "imageDigest": d }]);
    check(alone, alone, "abc").await;
}

#[tokio::test]
async fn an_image_that_is_named_twice_is_reported_once() {
    let both = |[d, ..]: &[String; 3]| json!([{ "imageDigest": d, "imageTag": "a" }, { "imageDigest": d, "imageTag": "b" }]);
    let asked = |[d, ..]: &[String; 3]| json!([{ "imageDigest": d }, { "imageTag": "b" }, { "imageDigest": d, "imageTag": "a" }, { "imageDigest": d }]);
    check(asked, both, "c").await;
    let one = |[d, ..]: &[String; 3]| json!([{ "imageDigest": d, "imageTag": "a" }]);
    check(|_| json!([{ "imageTag": "a" }, { "imageTag": "a" }]), one, "bc").await;
    check(|_| json!([{ "imageTag": "a" }, { "imageTag": "b" }]), both, "c").await;
}

#[tokio::test]
async fn a_digest_behind_one_of_its_tags_still_takes_the_rest() {
    let both = |[d, ..]: &[String; 3]| json!([{ "imageDigest": d, "imageTag": "a" }, { "imageDigest": d, "imageTag": "b" }]);
    check(
        |[d, ..]| json!([{ "imageTag": "a" }, { "imageDigest": d }]),
        both,
        "c",
    )
    .await;
}

#[tokio::test]
async fn what_is_gone_fails_the_next_time() {
    let (api, [first, ..]) = demo().await;
    let ids = json!([{ "imageDigest": first }]);
    delete(&api, ids.clone()).await;
    let again = delete(&api, ids).await;
    insta::assert_snapshot!(pretty(&again, &["imageDigest"]), @r#"
    {
      "failures": [
        {
          "failureCode": "ImageNotFound",
          "failureReason": "Requested image not found",
          "imageId": {
            "imageDigest": "<imageDigest>"
          }
        }
      ],
      "imageIds": []
    }
    "#);
}

#[tokio::test]
async fn a_child_stays_while_an_index_names_it() {
    let api = Api::new();
    api.create("demo").await;
    let (tagged, untagged) = (Image::new(1), Image::new(2));
    api.push("demo", Some("child"), &tagged).await;
    api.push("demo", None, &untagged).await;
    let first = api
        .push_index("demo", Some("x"), &index(&[&tagged, &untagged]))
        .await;
    let second = api.push_index("demo", None, &index(&[&untagged])).await;

    let failure = |id: Value, indexes: &[&String]| {
        let indexes = indexes
            .iter()
            .map(|digest| digest.as_str())
            .collect::<Vec<_>>()
            .join(", ");
        json!({
            "imageId": id,
            "failureCode": "ImageReferencedByManifestList",
            "failureReason": format!("Requested image referenced by manifest list: [{indexes}]"),
        })
    };
    let asked = [
        json!({ "imageDigest": tagged.digest() }),
        json!({ "imageTag": "child" }),
        json!({ "imageDigest": tagged.digest(), "imageTag": "child" }),
        json!({ "imageDigest": untagged.digest() }),
    ];
    let answer = delete(&api, json!(asked)).await;
    let [by_digest, by_tag, by_both, other] = asked;
    let failures = [
        failure(by_digest, &[&first]),
        failure(by_tag, &[&first]),
        failure(by_both, &[&first]),
        failure(other, &[&first, &second]),
    ];
    assert_eq!(answer, json!({ "imageIds": [], "failures": failures }));

    // Deleting one of several tags keeps the image, so an index that needs the image does not prevent it.
    api.ok("PutImage", put("demo", &tagged.text(), Some("more")))
        .await;
    let answer = delete(&api, json!([{ "imageTag": "more" }])).await;
    assert_eq!(answer["failures"], json!([]));
    assert_eq!(api.digests("demo").await.len(), 4);

    // The index precedes its child in one call.
    let answer = delete(
        &api,
        json!([{ "imageTag": "x" }, { "imageDigest": tagged.digest() }, { "imageDigest": untagged.digest() }]),
    )
    .await;
    assert_eq!(answer["failures"].as_array().unwrap().len(), 1);
    assert_eq!(answer["failures"][0]["imageId"]["imageDigest"], untagged.digest());
    assert_eq!(api.digests("demo").await, [untagged.digest(), second.clone()]);
    delete(
        &api,
        json!([{ "imageDigest": second }, { "imageDigest": untagged.digest() }]),
    )
    .await;
    assert_eq!(api.digests("demo").await, [""; 0]);
}

#[tokio::test]
async fn a_subject_goes_and_its_referrers_stay() {
    let api = Api::new();
    api.create("demo").await;
    let subject = Image::new(1);
    api.push("demo", Some("v1"), &subject).await;
    let referrer = Image::new(2).with("subject", subject.descriptor());
    let referrer = api.push("demo", None, &referrer).await;
    delete(&api, json!([{ "imageTag": "v1" }])).await;
    assert_eq!(api.digests("demo").await, [referrer]);
}

#[tokio::test]
async fn layers_stay_for_a_push_that_was_told_of_them() {
    let (api, _) = demo().await;
    let image = Image::new(2);
    delete(&api, json!([{ "imageTag": "c" }])).await;
    let now = api.service().clock.machine_milliseconds();
    let store = &api.service().store;
    store.collect(now).await.unwrap();
    api.ok("PutImage", put("demo", &image.text(), Some("again")))
        .await;

    delete(&api, json!([{ "imageTag": "again" }])).await;
    store.collect(now + 25 * 60 * 60 * 1000).await.unwrap();
    let refused = api
        .call("PutImage", put("demo", &image.text(), Some("again")))
        .await;
    assert_eq!(refused.error(), Some("LayersNotFoundException"));
    // Layers of an image remain, however old they are.
    let first = Image::new(1);
    let layers =
        json!({ "repositoryName": "demo", "layerDigests": [first.layer_digest(), first.config_digest()] });
    let checked = api.ok("BatchCheckLayerAvailability", layers).await;
    for layer in checked["layers"].as_array().unwrap() {
        assert_eq!(layer["layerAvailability"], "AVAILABLE");
    }
}

#[tokio::test]
async fn pushes_and_deletions_at_once_leave_each_tag_on_an_image() {
    let api = Api::new();
    api.create("demo").await;
    let images = (0..6).map(Image::new).collect::<Vec<_>>();
    for image in &images {
        api.push_layers("demo", image).await;
    }
    let work = (0..60).map(|n| {
        let (api, image) = (&api, &images[n % 6]);
        async move {
            let answer = if n % 3 == 0 {
                let ids = json!({ "repositoryName": "demo", "imageIds": [{ "imageTag": "latest" }] });
                api.call("BatchDeleteImage", ids).await
            } else {
                api.call("PutImage", put("demo", &image.text(), Some("latest")))
                    .await
            };
            assert!(answer.status == 200 || answer.error() == Some("ImageAlreadyExistsException"));
        }
    });
    join_all(work).await;
    let dangling = "SELECT count(*) FROM tags WHERE image_id NOT IN (SELECT id FROM images)";
    assert_eq!(api.count(dangling), 0);
    let wrong = "SELECT count(*) FROM images WHERE tagged <> (id IN (SELECT image_id FROM tags))";
    assert_eq!(api.count(wrong), 0);
    let images = api.count("SELECT count(*) FROM images");
    assert_eq!(api.count("SELECT images FROM repository_counters"), images);
}
