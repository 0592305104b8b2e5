//! Lists of images: their order, their filters, and their pages.

use serde_json::{Value, json};

use crate::api::{Api, pretty};
use crate::content::{Image, put};

/// `demo` with one image for each list, under the tags of that list.
async fn demo(tags: &[&[&str]]) -> (Api, Vec<String>) {
    let api = Api::new();
    api.create("demo").await;
    let mut digests = Vec::new();
    for (seed, tags) in tags.iter().enumerate() {
        digests.push(api.push("demo", tags.first().copied(), &Image::new(seed)).await);
        for tag in tags.iter().skip(1) {
            api.ok("PutImage", put("demo", &Image::new(seed).text(), Some(tag)))
                .await;
        }
    }
    (api, digests)
}

fn filtered(filter: &Value) -> Value {
    json!({ "repositoryName": "demo", "filter": filter })
}

/// Every page of a list.
async fn pages(api: &Api, operation: &str, mut input: Value, member: &str) -> Vec<Vec<Value>> {
    let mut pages = Vec::new();
    while pages.len() < 100 {
        let page = api.ok(operation, input.clone()).await;
        pages.push(page[member].as_array().unwrap().clone());
        if page["nextToken"].is_null() {
            return pages;
        }
        input["nextToken"] = page["nextToken"].clone();
    }
    panic!("{operation} comes to no end");
}

#[tokio::test]
async fn images_are_listed_in_the_order_of_their_pushes_and_their_tags_by_name() {
    let (api, digests) = demo(&[&["b", "a"], &[], &["0"]]).await;
    let listed = api.ok("ListImages", json!({ "repositoryName": "demo" })).await;
    let expected = json!([
        { "imageDigest": digests[0], "imageTag": "a" },
        { "imageDigest": digests[0], "imageTag": "b" },
        { "imageDigest": digests[1] },
        { "imageDigest": digests[2], "imageTag": "0" },
    ]);
    assert_eq!(listed, json!({ "imageIds": expected }));
    let described = api
        .ok("DescribeImages", json!({ "repositoryName": "demo" }))
        .await;
    insta::assert_snapshot!(pretty(&described, &[]), @r#"
    {
      "imageDetails": [
        {
          "artifactMediaType": "application/vnd.oci.image.config.v1+json",
          "imageDigest": "sha256:fb695e3dc5e1a0c697218200131d0a7dc7fda1164ce2d2ecc77985e889f8c60a",
          "imageManifestMediaType": "application/vnd.oci.image.manifest.v1+json",
          "imagePushedAt": 1767225600.5,
          "imageSizeInBytes": 36,
          "imageStatus": "ACTIVE",
          "imageTags": [
            "a",
            "b"
          ],
          "registryId": "000000000000",
          "repositoryName": "demo"
        },
        {
          "artifactMediaType": "application/vnd.oci.image.config.v1+json",
          "imageDigest": "sha256:c34192e73511c3c1a3247cb541db854b07636e02cf65b7d410f5eee4e7648658",
          "imageManifestMediaType": "application/vnd.oci.image.manifest.v1+json",
          "imagePushedAt": 1767225600.5,
          "imageSizeInBytes": 36,
          "imageStatus": "ACTIVE",
          "registryId": "000000000000",
          "repositoryName": "demo"
        },
        {
          "artifactMediaType": "application/vnd.oci.image.config.v1+json",
          "imageDigest": "sha256:dd8ae69b0237ddd4080191e32222b1a777ee040399abc51d62f90972c2359308",
          "imageManifestMediaType": "application/vnd.oci.image.manifest.v1+json",
          "imagePushedAt": 1767225600.5,
          "imageSizeInBytes": 36,
          "imageStatus": "ACTIVE",
          "imageTags": [
            "0"
          ],
          "registryId": "000000000000",
          "repositoryName": "demo"
        }
      ]
    }
    "#);
}

#[tokio::test]
async fn an_empty_repository_has_empty_lists() {
    let (api, _) = demo(&[]).await;
    let named = json!({ "repositoryName": "demo" });
    assert_eq!(
        api.ok("ListImages", named.clone()).await,
        json!({ "imageIds": [] })
    );
    assert_eq!(
        api.ok("DescribeImages", named).await,
        json!({ "imageDetails": [] })
    );
}

#[tokio::test]
async fn a_filter_shows_what_it_names() {
    let (api, digests) = demo(&[&["a", "b"], &[], &["c"]]).await;
    let cases = [
        (json!({}), &[0, 0, 1, 2][..]),
        (json!({ "tagStatus": "ANY" }), &[0, 0, 1, 2]),
        (json!({ "tagStatus": "TAGGED" }), &[0, 0, 2]),
        (json!({ "tagStatus": "UNTAGGED" }), &[1]),
        (
            json!({ "tagStatus": "TAGGED", "imageStatus": "ACTIVE" }),
            &[0, 0, 2],
        ),
        (json!({ "imageStatus": "ANY" }), &[0, 0, 1, 2]),
        (json!({ "imageStatus": "ARCHIVED" }), &[]),
        (json!({ "imageStatus": "ACTIVATING" }), &[]),
    ];
    for (filter, expected) in cases {
        let listed = api.ok("ListImages", filtered(&filter)).await;
        let shown = listed["imageIds"]
            .as_array()
            .unwrap()
            .iter()
            .map(|id| &id["imageDigest"]);
        let expected = expected.iter().map(|at| json!(digests[*at])).collect::<Vec<_>>();
        assert!(shown.eq(expected.iter()), "{filter}: {listed}");

        let described = api.ok("DescribeImages", filtered(&filter)).await;
        let shown = described["imageDetails"]
            .as_array()
            .unwrap()
            .iter()
            .map(|image| &image["imageDigest"]);
        let mut expected = expected;
        expected.dedup();
        assert!(shown.eq(expected.iter()), "{filter}: {described}");
    }
    for operation in ["ListImages", "DescribeImages"] {
        let unknown = api
            .call(operation, filtered(&json!({ "tagStatus": "tagged" })))
            .await;
        unknown.refuses_parameter(
            "filter.tagStatus",
            "Member must satisfy enum value set: [TAGGED, UNTAGGED, ANY]",
        );
    }
}

#[tokio::test]
async fn pages_of_any_size_give_the_whole_list_once() {
    let (api, _) = demo(&[&["a", "b", "c"], &[], &["d"], &["e", "f"], &[], &[]]).await;
    for (operation, member) in [("ListImages", "imageIds"), ("DescribeImages", "imageDetails")] {
        for filter in [
            json!({}),
            json!({ "tagStatus": "TAGGED" }),
            json!({ "tagStatus": "UNTAGGED" }),
        ] {
            let whole = api.ok(operation, filtered(&filter)).await[member].clone();
            for size in 1..11 {
                let mut input = filtered(&filter);
                input["maxResults"] = json!(size);
                let pages = pages(&api, operation, input, member).await;
                assert!(pages.iter().all(|page| page.len() <= size));
                assert_eq!(json!(pages.concat()), whole, "{operation} {filter} by {size}");
            }
        }
    }
}

#[tokio::test]
async fn a_page_looks_at_ten_times_its_size_and_may_be_short() {
    let (api, digests) = demo(&[&[][..]; 25]).await;
    api.ok("PutImage", put("demo", &Image::new(24).text(), Some("last")))
        .await;
    let mut input = filtered(&json!({ "tagStatus": "TAGGED" }));
    input["maxResults"] = json!(1);
    let listed = pages(&api, "ListImages", input, "imageIds").await;
    let expected = [
        vec![],
        vec![],
        vec![json!({ "imageDigest": digests[24], "imageTag": "last" })],
    ];
    assert_eq!(listed, expected);
}

#[tokio::test]
async fn a_page_has_a_hundred_unless_another_number_is_named() {
    let api = Api::new();
    api.create("demo").await;
    api.push("demo", Some("t0"), &Image::new(1)).await;
    api.execute(
        "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 150)
         INSERT INTO images (repository_id, digest, push_sequence, tagged, status, pushed_at, size, manifest_size,
                             media_type, blob_ids, manifest)
         SELECT repository_id, randomblob(32), n, 0, status, pushed_at, size, manifest_size, media_type, x'', manifest
         FROM images, numbers",
    )
    .await;
    api.execute(
        "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 150)
         INSERT INTO repositories (account, region, name, created_at, tag_mutability, scan_on_push, encryption_type)
         SELECT account, region, 'r' || n, 0, tag_mutability, 0, encryption_type FROM repositories, numbers",
    )
    .await;
    for (operation, member) in [
        ("ListImages", "imageIds"),
        ("DescribeImages", "imageDetails"),
        ("DescribeRepositories", "repositories"),
    ] {
        let mut input = json!({ "repositoryName": "demo" });
        let sizes = pages(&api, operation, input.clone(), member).await;
        assert_eq!(sizes.iter().map(Vec::len).collect::<Vec<_>>(), [100, 51]);
        input["maxResults"] = json!(1000);
        assert_eq!(
            pages(&api, operation, input.clone(), member).await.concat().len(),
            151
        );
        for (number, bound) in [
            (0, "greater than or equal to 1"),
            (1001, "less than or equal to 1000"),
        ] {
            input["maxResults"] = json!(number);
            let answer = api.call(operation, input.clone()).await;
            answer.refuses_parameter("maxResults", &format!("Member must have value {bound}"));
        }
    }
}

#[tokio::test]
async fn what_comes_and_goes_between_pages_does_not_disturb_the_rest() {
    let (api, digests) = demo(&[&["a", "b"], &["c"], &["d"], &["e"]]).await;
    let mut input = json!({ "repositoryName": "demo", "maxResults": 1 });
    let first = api.ok("ListImages", input.clone()).await;
    assert_eq!(first["imageIds"][0]["imageTag"], "a");
    input["nextToken"] = first["nextToken"].clone();

    // The first page ended within the first image. That image and the next one are deleted, and a new one is
    // pushed.
    let gone = json!({ "repositoryName": "demo", "imageIds": [
        { "imageDigest": digests[0] }, { "imageDigest": digests[1] },
    ] });
    api.ok("BatchDeleteImage", gone).await;
    api.push("demo", Some("0"), &Image::new(9)).await;
    let rest = pages(&api, "ListImages", input, "imageIds").await.concat();
    let tags = rest
        .iter()
        .map(|id| id["imageTag"].as_str().unwrap())
        .collect::<Vec<_>>();
    assert_eq!(tags, ["d", "e", "0"]);
}

#[tokio::test]
async fn an_image_that_loses_its_tags_between_pages_is_not_listed_again() {
    let (api, digests) = demo(&[&["a", "b"], &["c"]]).await;
    let mut input = json!({ "repositoryName": "demo", "maxResults": 1 });
    let first = api.ok("ListImages", input.clone()).await;
    input["nextToken"] = first["nextToken"].clone();
    for tag in ["a", "b"] {
        api.ok("PutImage", put("demo", &Image::new(1).text(), Some(tag)))
            .await;
    }
    let rest = pages(&api, "ListImages", input, "imageIds").await.concat();
    assert!(rest.iter().all(|id| id["imageDigest"] == digests[1]), "{rest:?}");
}

#[tokio::test]
async fn repositories_that_come_and_go_do_not_disturb_the_rest() {
    let api = Api::new();
    for name in ["r1", "r2", "r3", "r5"] {
        api.create(name).await;
    }
    let mut input = json!({ "maxResults": 2 });
    let first = api.ok("DescribeRepositories", input.clone()).await;
    input["nextToken"] = first["nextToken"].clone();
    api.ok("DeleteRepository", json!({ "repositoryName": "r2" }))
        .await;
    api.ok("DeleteRepository", json!({ "repositoryName": "r3" }))
        .await;
    for name in ["r0", "r4"] {
        api.create(name).await;
    }
    let rest = pages(&api, "DescribeRepositories", input, "repositories")
        .await
        .concat();
    let names = rest
        .iter()
        .map(|found| found["repositoryName"].as_str().unwrap())
        .collect::<Vec<_>>();
    assert_eq!(names, ["r4", "r5"]);
}
