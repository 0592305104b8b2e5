//! Images by ID: `BatchGetImage`, and `DescribeImages` of named images.

use ecru_model::ErrorCode;
use serde_json::{Value, json};

use crate::api::{ACCOUNT, Api, pretty};
use crate::content::{ABSENT, Image, MEBIBYTE, OCI_MANIFEST, index, put};
use crate::repositories::absent;

fn ids(ids: &Value) -> Value {
    json!({ "repositoryName": "demo", "imageIds": ids })
}

/// The digests and tags in an answer, in order.
fn answered(body: &Value) -> Vec<Value> {
    let images = body["images"].as_array().unwrap();
    images.iter().map(|image| image["imageId"].clone()).collect()
}

/// `demo` with an image under two tags, an image without a tag, and an image under a third tag.
async fn demo() -> (Api, [String; 3]) {
    let api = Api::new();
    api.create("demo").await;
    let first = api.push("demo", Some("v1"), &Image::new(1)).await;
    api.ok("PutImage", put("demo", &Image::new(1).text(), Some("latest")))
        .await;
    let second = api.push("demo", None, &Image::new(2)).await;
    let third = api.push("demo", Some("v3"), &Image::new(3)).await;
    (api, [first, second, third])
}

#[tokio::test]
async fn an_image_is_got_with_all_its_members() {
    let (api, _) = demo().await;
    let got = api.ok("BatchGetImage", ids(&json!([{ "imageTag": "v3" }]))).await;
    insta::assert_snapshot!(pretty(&got, &[]), @r#"
    {
      "failures": [],
      "images": [
        {
          "imageId": {
            "imageDigest": "sha256:f3cf488d1ed0c76d35784006e828359737558a1518f810e630b4781a4e169bf4",
            "imageTag": "v3"
          },
          "imageManifest": "{\"config\":{\"digest\":\"sha256:c4c8d99e8ce90f3708c2dea9bbfac0bd33e4a5e351ab35f168332c32907750eb\",\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"size\":12},\"layers\":[{\"digest\":\"sha256:59f21585720e632cd2032e121520ec78bae04d54606e2445c12e2519c6a8a6c6\",\"mediaType\":\"application/vnd.oci.image.layer.v1.tar+gzip\",\"size\":24}],\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"schemaVersion\":2}",
          "imageManifestMediaType": "application/vnd.oci.image.manifest.v1+json",
          "registryId": "000000000000",
          "repositoryName": "demo"
        }
      ]
    }
    "#);
    assert_eq!(got["images"][0]["imageManifest"], Image::new(3).text());
}

#[tokio::test]
async fn an_image_is_got_once_for_each_tag_by_digest_and_once_by_tag() {
    let (api, [first, second, third]) = demo().await;
    let asked = json!([
        { "imageDigest": first },
        { "imageDigest": second },
        { "imageTag": "v3" },
        { "imageDigest": first, "imageTag": "v1" },
    ]);
    let got = api.ok("BatchGetImage", ids(&asked)).await;
    let expected = [
        json!({ "imageDigest": first, "imageTag": "latest" }),
        json!({ "imageDigest": first, "imageTag": "v1" }),
        json!({ "imageDigest": second }),
        json!({ "imageDigest": third, "imageTag": "v3" }),
        json!({ "imageDigest": first, "imageTag": "v1" }),
    ];
    assert_eq!(answered(&got), expected);
    assert_eq!(got["failures"], json!([]));
}

#[tokio::test]
async fn an_id_that_is_asked_for_twice_is_answered_once() {
    let (api, [first, ..]) = demo().await;
    let asked = json!([
        { "imageTag": "v1" }, { "imageTag": "gone" }, { "imageTag": "v1" }, { "imageTag": "gone" },
    ]);
    let got = api.ok("BatchGetImage", ids(&asked)).await;
    assert_eq!(
        answered(&got),
        [json!({ "imageDigest": first, "imageTag": "v1" })]
    );
    assert_eq!(got["failures"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn each_id_fails_by_itself() {
    let (api, [first, _, third]) = demo().await;
    let asked = [
        (
            json!({ "imageTag": "gone" }),
            "ImageNotFound",
            "Requested image not found",
        ),
        (
            json!({ "imageDigest": ABSENT }),
            "ImageNotFound",
            "Requested image not found",
        ),
        (
            json!({ "imageDigest": first, "imageTag": "gone" }),
            "ImageNotFound",
            "Requested image not found",
        ),
        (
            json!({ "imageDigest": ABSENT, "imageTag": "gone" }),
            "ImageNotFound",
            "Requested image not found",
        ),
        (
            json!({ "imageDigest": "md5:00" }),
            "ImageNotFound",
            "Requested image not found",
        ),
        (
            json!({ "imageDigest": third, "imageTag": "v1" }),
            "ImageTagDoesNotMatchDigest",
            "Invalid request parameters: given tag does not map to the given digest",
        ),
        (
            json!({ "imageDigest": ABSENT, "imageTag": "v1" }),
            "ImageTagDoesNotMatchDigest",
            "Invalid request parameters: given tag does not map to the given digest",
        ),
        (
            json!({}),
            "MissingDigestAndTag",
            "Invalid request parameters: both tag and digest cannot be null",
        ),
        (
            json!({ "imageDigest": "sha256" }),
            "InvalidImageDigest",
            "Invalid request parameters: image digest should satisfy the regex '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'",
        ),
        (
            json!({ "imageDigest": "", "imageTag": "v1" }),
            "InvalidImageDigest",
            "Invalid request parameters: image digest should satisfy the regex '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'",
        ),
        (
            json!({ "imageTag": "a\u{0}/../b" }),
            "InvalidImageTag",
            "Invalid request parameters: image tag should satisfy the regex '[a-zA-Z0-9-_.]+'",
        ),
    ];
    let failures = asked
        .iter()
        .map(|(id, code, reason)| json!({ "imageId": id, "failureCode": code, "failureReason": reason }))
        .collect::<Vec<_>>();
    let mut all = asked.iter().map(|(id, ..)| id.clone()).collect::<Vec<_>>();
    all.insert(3, json!({ "imageTag": "v3" }));
    for operation in ["BatchGetImage", "BatchDeleteImage"] {
        let answer = api.ok(operation, ids(&json!(all))).await;
        assert_eq!(answer["failures"], json!(failures), "{operation}");
    }
    assert_eq!(api.digests("demo").await.len(), 2);
}

#[tokio::test]
async fn what_a_client_accepts_does_not_change_what_is_stored() {
    let (api, _) = demo().await;
    let mut input = ids(&json!([{ "imageTag": "v3" }]));
    input["acceptedMediaTypes"] = json!(["application/json"]);
    let got = api.ok("BatchGetImage", input).await;
    assert_eq!(got["images"][0]["imageManifestMediaType"], OCI_MANIFEST);
}

#[tokio::test]
async fn images_need_a_repository() {
    let api = Api::new();
    let mut input = ids(&json!([{ "imageTag": "v1" }]));
    input["repositoryName"] = json!("gone");
    for operation in ["BatchGetImage", "BatchDeleteImage", "DescribeImages"] {
        let answer = api.call(operation, input.clone()).await;
        answer.refuses(ErrorCode::RepositoryNotFoundException, &absent("gone"));
    }
}

#[tokio::test]
async fn lists_of_ids_have_their_limits() {
    let (api, _) = demo().await;
    for operation in ["BatchGetImage", "BatchDeleteImage", "DescribeImages"] {
        let none = api.call(operation, ids(&json!([]))).await;
        none.refuses_parameter("imageIds", "Member must have length greater than or equal to 1");
        let many = vec![json!({ "imageTag": "v1" }); 101];
        let many = api.call(operation, ids(&json!(many))).await;
        many.refuses_parameter("imageIds", "Member must have length less than or equal to 100");
        let null = api
            .call(operation, ids(&json!([{ "imageTag": "v1" }, null])))
            .await;
        null.refuses_parameter("imageIds.2.member", "Member must not be null");
        let long = api
            .call(operation, ids(&json!([{ "imageTag": "a".repeat(301) }])))
            .await;
        long.refuses_parameter(
            "imageIds.1.member.imageTag",
            "must have length less than or equal to 300",
        );
    }
    for operation in ["BatchGetImage", "BatchDeleteImage"] {
        let absent = api.call(operation, json!({ "repositoryName": "demo" })).await;
        absent.refuses_parameter("imageIds", "Member must not be null");
    }
    assert_eq!(api.digests("demo").await.len(), 3);
}

#[tokio::test]
async fn an_answer_has_a_largest_size() {
    let api = Api::new();
    api.create("demo").await;
    let padding = "x".repeat(3 * MEBIBYTE);
    let image = Image::new(1).with("annotations", json!({ "a": padding }));
    let pushed = api.push("demo", Some("t0"), &image).await;
    api.execute(
        "INSERT INTO tags (repository_id, tag, image_id)
         SELECT images.repository_id, 't' || value, images.id FROM images, json_each('[1, 2, 3, 4, 5]')",
    )
    .await;
    let five = [0, 1, 2, 3, 4].map(|n| json!({ "imageTag": format!("t{n}") }));
    let got = api.ok("BatchGetImage", ids(&json!(five))).await;
    assert_eq!(answered(&got).len(), 5);
    let all = api
        .call("BatchGetImage", ids(&json!([{ "imageDigest": pushed }])))
        .await;
    all.refuses(
        ErrorCode::LimitExceededException,
        "The manifests of the requested images exceed 16777216 bytes. Request fewer images.",
    );
}

#[tokio::test]
async fn named_images_are_described_once_each() {
    let (api, [first, second, third]) = demo().await;
    let asked = json!([
        { "imageTag": "v3" }, { "imageDigest": first }, { "imageTag": "latest" }, { "imageDigest": second },
        { "imageDigest": first, "imageTag": "v1" },
    ]);
    let described = api.ok("DescribeImages", ids(&asked)).await;
    let details = described["imageDetails"].as_array().unwrap();
    let digests = details
        .iter()
        .map(|detail| &detail["imageDigest"])
        .collect::<Vec<_>>();
    assert_eq!(digests, [&json!(third), &json!(first), &json!(second)]);
    assert_eq!(details[1]["imageTags"], json!(["latest", "v1"]));
    assert_eq!(described["nextToken"], Value::Null);
}

#[tokio::test]
async fn one_unknown_id_fails_a_description_whole() {
    let (api, [first, _, third]) = demo().await;
    let cases = [
        (json!({ "imageTag": "gone" }), "null", "gone"),
        (json!({ "imageDigest": ABSENT }), ABSENT, "null"),
        (
            json!({ "imageDigest": third, "imageTag": "v1" }),
            third.as_str(),
            "v1",
        ),
        (json!({}), "null", "null"),
    ];
    for (id, digest, tag) in cases {
        let answer = api
            .call("DescribeImages", ids(&json!([{ "imageDigest": first }, id])))
            .await;
        answer.refuses(
            ErrorCode::ImageNotFoundException,
            &format!(
                "The image with imageId {{imageDigest:'{digest}', imageTag:'{tag}'}} does not exist within the \
                 repository with name 'demo' in the registry with id '{ACCOUNT}'"
            ),
        );
    }
    let malformed = api
        .call("DescribeImages", ids(&json!([{ "imageDigest": "sha256" }])))
        .await;
    malformed.refuses_parameter(
        "imageDigest",
        "must satisfy regular expression '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'",
    );
    let malformed = api
        .call("DescribeImages", ids(&json!([{ "imageTag": "a/b" }])))
        .await;
    malformed.refuses_parameter("imageTag", "must satisfy regular expression '[a-zA-Z0-9-_.]+'");
}

#[tokio::test]
async fn an_index_is_got_and_described_like_an_image() {
    let (api, _) = demo().await;
    let index = index(&[&Image::new(1), &Image::new(2)]);
    let pushed = api.push_index("demo", Some("all"), &index).await;
    let got = api
        .ok("BatchGetImage", ids(&json!([{ "imageTag": "all" }])))
        .await;
    assert_eq!(got["images"][0]["imageManifest"], index.to_string());
    let described = api
        .ok("DescribeImages", ids(&json!([{ "imageDigest": pushed }])))
        .await;
    insta::assert_snapshot!(pretty(&described, &[]), @r#"
    {
      "imageDetails": [
        {
          "imageDigest": "sha256:164827298b6cef46c00124b2eb4ab96753d2e6ffc0c4113ef2924252df016072",
          "imageManifestMediaType": "application/vnd.oci.image.index.v1+json",
          "imagePushedAt": 1767225600.5,
          "imageSizeInBytes": 36,
          "imageStatus": "ACTIVE",
          "imageTags": [
            "all"
          ],
          "registryId": "000000000000",
          "repositoryName": "demo"
        }
      ]
    }
    "#);
}
