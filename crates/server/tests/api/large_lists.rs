//! Lists of large rows: a page ends at 4 MiB, and requests with named images have a separate limit. Rows of
//! earlier builds can still be listed, named and deleted.

use ecru_model::ErrorCode;
use ecru_platform::paging::Extent;
use ecru_registry::events::EventFilter;
use ecru_registry::introspection;
use serde_json::{Value, json};

use crate::api::Api;
use crate::content::{Image, MEBIBYTE, put};

const PAGE_BYTES_MAX: usize = 4 * MEBIBYTE;
/// A page may exceed the limit by one row and the names of its members.
const GRACE_BYTES: usize = MEBIBYTE;

/// `demo` with images that have no layer in common, oldest first.
async fn demo(images: usize) -> (Api, Vec<String>) {
    let api = Api::new();
    api.create("demo").await;
    let mut digests = Vec::new();
    for seed in 0..images {
        digests.push(api.push("demo", None, &Image::new(seed)).await);
    }
    (api, digests)
}

fn listed(page: &Value, member: &str) -> Vec<Value> {
    page[member].as_array().unwrap().clone()
}

/// Every page of a list. Checks that no page exceeds the limit.
async fn pages(api: &Api, operation: &str, mut input: Value, member: &str) -> Vec<Vec<Value>> {
    let mut pages = Vec::new();
    while pages.len() < 200 {
        let page = api.ok(operation, input.clone()).await;
        let bytes = page.to_string().len();
        assert!(bytes <= PAGE_BYTES_MAX + GRACE_BYTES, "a page of {bytes} bytes");
        pages.push(listed(&page, member));
        if page["nextToken"].is_null() {
            return pages;
        }
        input["nextToken"] = page["nextToken"].clone();
    }
    panic!("{operation} comes to no end");
}

fn ids(digests: &[String]) -> Value {
    digests
        .iter()
        .map(|digest| json!({ "imageDigest": digest }))
        .collect()
}

/// Gives each image a thousand tags of 290 characters.
async fn tag_all(api: &Api) {
    api.execute(
        "INSERT INTO tags (repository_id, tag, image_id)
         WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < 999)
         SELECT i.repository_id, printf('%05d-%04d-%0279d', i.id, n, 0), i.id FROM images i, numbers",
    )
    .await;
    api.execute("UPDATE images SET tagged = 1").await;
}

#[tokio::test]
async fn referrers_come_by_pages_of_bytes_with_the_annotations_they_were_pushed_with() {
    let api = Api::new();
    api.create("demo").await;
    let subject = Image::new(0);
    let text = "x\"\u{e9}\n".repeat(MEBIBYTE / 5);
    let mut digests = Vec::new();
    for seed in 1..6 {
        let annotations = json!({ "n": seed.to_string(), "text": text });
        let referrer = Image::new(seed)
            .with("subject", subject.descriptor())
            .with("annotations", annotations);
        digests.push(api.push("demo", None, &referrer).await);
    }
    let input = json!({ "repositoryName": "demo", "subjectId": { "imageDigest": subject.digest() } });
    let pages = pages(&api, "ListImageReferrers", input, "referrers").await;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 1]);
    for (referrer, digest) in pages.iter().flatten().zip(&digests) {
        assert_eq!(referrer["digest"], *digest.as_str());
        assert_eq!(referrer["annotations"]["text"], text);
    }
}

#[tokio::test]
async fn artifact_types_that_an_earlier_build_took_are_listed_by_pages_and_deleted_with_small_events() {
    let (api, digests) = demo(6).await;
    api.execute(
        "UPDATE images SET artifact_media_type = 'a/' || hex(zeroblob(1500000)), subject = zeroblob(32)",
    )
    .await;
    let all = json!({ "repositoryName": "demo" });
    let described = pages(&api, "DescribeImages", all.clone(), "imageDetails").await;
    assert_eq!(described.iter().map(Vec::len).collect::<Vec<_>>(), [1; 6]);
    assert!(described.iter().flatten().all(|image| {
        let kind = image["artifactMediaType"].as_str();
        kind.is_some_and(|kind| kind.len() == 3_000_002)
    }));
    assert_eq!(pages(&api, "ListImages", all, "imageIds").await.concat().len(), 6);
    let referrers = json!({
        "repositoryName": "demo",
        "subjectId": { "imageDigest": format!("sha256:{}", "0".repeat(64)) },
        "filter": { "artifactTypes": ["text/none"] },
    });
    assert!(
        pages(&api, "ListImageReferrers", referrers, "referrers")
            .await
            .concat()
            .is_empty()
    );

    let named = |count: usize| json!({ "repositoryName": "demo", "imageIds": ids(&digests[..count]) });
    let five = api.ok("DescribeImages", named(5)).await;
    assert_eq!(listed(&five, "imageDetails").len(), 5);
    let refused = api.call("DescribeImages", named(6)).await;
    refused.refuses_code(ErrorCode::InvalidParameterException);

    api.execute("DELETE FROM outbox").await;
    let deleted = api.ok("BatchDeleteImage", named(6)).await;
    assert_eq!(listed(&deleted, "imageIds").len(), 6);
    assert_eq!(api.count("SELECT count(*) FROM outbox"), 6);
    assert!(api.count("SELECT max(octet_length(detail)) FROM outbox") < 1_000);
}

#[tokio::test]
async fn images_with_many_tags_are_described_and_listed_by_pages_of_bytes() {
    let (api, digests) = demo(20).await;
    tag_all(&api).await;
    let all = json!({ "repositoryName": "demo", "maxResults": 1000 });
    let described = pages(&api, "DescribeImages", all.clone(), "imageDetails").await;
    assert!(described.len() > 1);
    let described = described.concat();
    assert_eq!(described.len(), 20);
    assert!(
        described
            .iter()
            .all(|image| listed(image, "imageTags").len() == 1_000)
    );

    let entries = pages(&api, "ListImages", all, "imageIds").await;
    assert!(entries.iter().all(|page| page.len() == 1_000));
    let mut entries = entries.concat();
    assert_eq!(entries.len(), 20_000);
    entries.dedup();
    assert_eq!(entries.len(), 20_000);

    // The images that the filter excludes lie between the others and have tags too.
    api.execute("UPDATE images SET status = 'ARCHIVED' WHERE id % 2 = 0")
        .await;
    let active = pages(
        &api,
        "DescribeImages",
        json!({ "repositoryName": "demo" }),
        "imageDetails",
    )
    .await;
    let active = active.concat();
    assert_eq!(active.len(), 10);
    assert!(
        active
            .iter()
            .all(|image| listed(image, "imageTags").len() == 1_000)
    );

    // A request with named images has no second page.
    api.execute("UPDATE images SET status = 'ACTIVE'").await;
    let named = json!({ "repositoryName": "demo", "imageIds": ids(&digests) });
    assert_eq!(
        listed(&api.ok("DescribeImages", named).await, "imageDetails").len(),
        20
    );
}

#[tokio::test]
async fn what_is_named_is_refused_as_a_whole_beyond_sixteen_mebibytes() {
    let (api, digests) = demo(60).await;
    tag_all(&api).await;
    let named = json!({ "repositoryName": "demo", "imageIds": ids(&digests) });
    for operation in ["DescribeImages", "BatchDeleteImage"] {
        let refused = api.call(operation, named.clone()).await;
        refused.refuses_code(ErrorCode::InvalidParameterException);
    }
    assert_eq!(api.count("SELECT count(*) FROM images"), 60);

    api.execute(
        "INSERT INTO lifecycle_previews (repository_id, policy, status, started_at, expiring, archiving)
         VALUES (1, printf('%0200d', 0), 'COMPLETE', 1767225600000, 60, 0)",
    )
    .await;
    api.execute(
        "INSERT INTO lifecycle_preview_results (repository_id, position, digest, tags, pushed_at, rule, action,
             storage_class)
         SELECT 1, i.id, i.digest, (SELECT group_concat(t.tag, ' ') FROM tags t WHERE t.image_id = i.id), 0, 1,
             'EXPIRE', 'STANDARD' FROM images i",
    )
    .await;
    let refused = api.call("GetLifecyclePolicyPreview", named).await;
    refused.refuses_code(ErrorCode::InvalidParameterException);
    let all = json!({ "repositoryName": "demo" });
    let found = pages(&api, "GetLifecyclePolicyPreview", all, "previewResults").await;
    assert!(found.len() > 3);
    assert_eq!(found.concat().len(), 60);
}

#[tokio::test]
async fn findings_that_each_name_all_tags_come_by_pages_of_bytes_and_their_events_are_small() {
    let (api, digests) = demo(1).await;
    tag_all(&api).await;
    let configuration = json!({
        "scanType": "ENHANCED",
        "rules": [{ "scanFrequency": "SCAN_ON_PUSH", "repositoryFilters": [{ "filter": "*", "filterType": "WILDCARD" }] }],
    });
    api.ok("PutRegistryScanningConfiguration", configuration).await;
    api.run_due().await;
    let findings = (0..60)
        .map(|number| {
            serde_json::from_value(json!({ "name": format!("CVE-{number}"), "severity": "LOW" })).unwrap()
        })
        .collect();
    let digest = ecru_model::Digest::parse(&digests[0]).unwrap();
    ecru_registry::scanning::preset_findings(api.service(), digest, findings)
        .await
        .unwrap();

    let mut input = json!({ "repositoryName": "demo", "imageId": { "imageDigest": digests[0] } });
    let mut names = Vec::new();
    for _ in 0..60 {
        let page = api.ok("DescribeImageScanFindings", input.clone()).await;
        assert!(page.to_string().len() <= PAGE_BYTES_MAX + GRACE_BYTES);
        let found = listed(&page["imageScanFindings"], "enhancedFindings");
        names.extend(found.iter().map(|finding| finding["title"].clone()));
        input["nextToken"] = page["nextToken"].clone();
        if page["nextToken"].is_null() {
            break;
        }
    }
    names.dedup();
    assert_eq!(names.len(), 60);
    assert!(api.count("SELECT count(*) FROM outbox WHERE detail_type = 'Inspector2 Finding'") >= 60);
    assert!(api.count("SELECT max(octet_length(detail)) FROM outbox") < 10_000);
}

#[tokio::test]
async fn templates_with_long_policies_come_by_pages_of_bytes() {
    let api = Api::new();
    api.execute(
        "INSERT INTO creation_templates (account, region, prefix, given_prefix, created_at, updated_at, applied_for,
             encryption_type, tag_mutability, resource_tags, lifecycle_policy)
         WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < 299)
         SELECT '000000000000', 'us-east-1', printf('p%03d', n), printf('p%03d', n), 0, 0, 'PULL_THROUGH_CACHE',
             'AES256', 'MUTABLE', '[]', printf('%030000d', 0) FROM numbers",
    )
    .await;
    let all = json!({ "maxResults": 1000 });
    let found = pages(
        &api,
        "DescribeRepositoryCreationTemplates",
        all,
        "repositoryCreationTemplates",
    )
    .await;
    assert!(found.len() > 2);
    let prefixes = found
        .concat()
        .into_iter()
        .map(|template| template["prefix"].clone());
    assert_eq!(
        prefixes.collect::<Vec<_>>(),
        (0..300).map(|n| json!(format!("p{n:03}"))).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn layers_whose_types_an_earlier_build_took_are_found_within_a_bound() {
    let (api, _) = demo(6).await;
    api.execute("UPDATE links SET media_type = 'a/' || hex(zeroblob(1500000))")
        .await;
    let layers = (0..6)
        .map(|seed| Image::new(seed).layer_digest())
        .collect::<Vec<_>>();
    let ask = |layers: &[String]| json!({ "repositoryName": "demo", "layerDigests": layers });
    let found = api.ok("BatchCheckLayerAvailability", ask(&layers[..5])).await;
    assert_eq!(listed(&found, "layers").len(), 5);
    let refused = api.call("BatchCheckLayerAvailability", ask(&layers)).await;
    refused.refuses_code(ErrorCode::InvalidParameterException);
}

#[tokio::test]
async fn types_that_are_long_or_outside_the_grammar_are_refused_in_what_comes_in() {
    let (api, _) = demo(1).await;
    let long = format!("application/{}", "x".repeat(244));
    for kind in [&long, "plain", "text/a b"] {
        let image = Image::new(0).with("artifactType", json!(kind));
        let refused = api.call("PutImage", put("demo", &image.text(), Some("v1"))).await;
        refused.refuses_code(ErrorCode::InvalidParameterException);
    }
    let longest = format!("{}/{}", "x".repeat(127), "y".repeat(127));
    let image = Image::new(0).with("artifactType", json!(longest));
    api.ok("PutImage", put("demo", &image.text(), Some("v1"))).await;
}

#[tokio::test]
async fn events_that_an_earlier_build_recorded_are_read_by_pages_of_bytes() {
    let (api, _) = demo(6).await;
    api.execute(
        "UPDATE outbox SET detail = '{\"artifact-media-type\":\"' || hex(zeroblob(1500000)) || '\"}'",
    )
    .await;
    let mut after = 0;
    let mut pages = Vec::new();
    loop {
        let extent = Extent { after, limit: 1_000 };
        let page = api.list_events(EventFilter::default(), extent);
        pages.push(page.items.len());
        let Some(next) = page.next else { break };
        after = next;
    }
    assert_eq!(pages, [1; 6]);
}

#[tokio::test]
async fn the_lists_of_introspection_come_by_pages_of_bytes() {
    let (api, _) = demo(20).await;
    tag_all(&api).await;
    let extent = Extent {
        after: 0,
        limit: 10_000,
    };
    let images = introspection::list_images(api.service(), None, extent)
        .await
        .unwrap();
    let bytes = |tags: &[String]| tags.iter().map(String::len).sum::<usize>();
    let listed = images.items.iter().map(|image| bytes(&image.tags)).sum::<usize>();
    assert!(
        listed <= PAGE_BYTES_MAX && images.items.len() < 20,
        "{listed} bytes"
    );
    assert_eq!(images.next, images.items.last().map(|image| image.id));

    // Every repository gets a link to every blob, as after mounts.
    api.execute(
        "INSERT INTO repositories (account, region, name, created_at, tag_mutability, scan_on_push, encryption_type)
         WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < 1999)
         SELECT '000000000000', 'us-east-1', printf('r%04d%0200d', n, 0), 0, 'MUTABLE', 0, 'AES256' FROM numbers",
    )
    .await;
    api.execute(
        "INSERT INTO links (repository_id, blob_id, used_at)
         SELECT r.id, b.id, 0 FROM repositories r, blobs b WHERE r.id > 1",
    )
    .await;
    let blobs = introspection::list_blobs(api.service(), extent).await.unwrap();
    assert!(!blobs.items.is_empty() && blobs.next.is_some());
    for blob in &blobs.items {
        assert_eq!((blob.repositories.len(), blob.more_repositories), (1_000, true));
    }
    let places = blobs.items.len() * 1_000 * 200;
    assert!(places <= PAGE_BYTES_MAX, "{places} bytes");
}
