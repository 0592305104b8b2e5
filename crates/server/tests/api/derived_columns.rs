//! Derived columns: verification detects each one that disagrees with its source.

use serde_json::json;

use crate::api::Api;
use crate::content::{Image, index, part};

/// A registry with rows in every table that has derived columns.
async fn populated() -> Api {
    let api = Api::new();
    api.create("demo").await;
    let (first, second) = (Image::new(1), Image::new(2));
    api.push("demo", Some("v1"), &first).await;
    api.push("demo", None, &second).await;
    let referrer = Image::new(3)
        .with("subject", first.descriptor())
        .with("artifactType", json!("text/sbom"))
        .with("annotations", json!({ "by": "nobody" }));
    api.push("demo", None, &referrer).await;
    let children = Image {
        manifest: index(&[&second]),
        blobs: Vec::new(),
    };
    api.push("demo", Some("multi"), &children).await;
    let upload = api.begin_upload("demo").await;
    api.ok("UploadLayerPart", part("demo", &upload, 0, b"1234")).await;

    let template = json!({ "prefix": "team/", "appliedFor": ["CREATE_ON_PUSH"] });
    api.ok("CreateRepositoryCreationTemplate", template).await;
    let rule = json!({ "ecrRepositoryPrefix": "hub", "upstreamRegistryUrl": "public.ecr.aws" });
    api.ok("CreatePullThroughCacheRule", rule).await;
    let exclusion = json!({ "principalArn": "arn:aws:iam::000000000000:role/ci" });
    api.ok("RegisterPullTimeUpdateExclusion", exclusion).await;
    for sql in [
        "INSERT INTO image_scans (id, repository_id, image_id, scan_type, status, requested_at, severity_counts, generation)
         SELECT 1, repository_id, min(id), 'BASIC', 'COMPLETE', 0, '{}', 1 FROM images",
        "INSERT INTO lifecycle_previews VALUES (1, '{}', 'COMPLETE', 0, 1, 1)",
        "INSERT INTO lifecycle_preview_results VALUES
             (1, 1, x'00', '', 0, 1, 'EXPIRE', 'STANDARD'), (1, 2, x'01', '', 0, 1, 'TRANSITION', 'STANDARD')",
        "INSERT INTO replication_backfills (id, backfill_id, account, region, destination_account, destination_region,
             status, started_at, total, completed, failed)
         VALUES (1, 'b', '000000000000', 'us-east-1', '000000000000', 'eu-west-1', 'IN_PROGRESS', 0, 3, 1, 1)",
        "INSERT INTO replication_backfill_results (backfill_id, position, repository, digest, status, failure_code)
         VALUES (1, 1, 'demo', x'00', 'COMPLETE', NULL), (1, 2, 'demo', x'00', 'FAILED', 'X'),
             (1, 3, 'demo', x'00', 'PENDING', NULL)",
        "INSERT INTO secrets (arn, account, region, value)
         VALUES ('arn:aws:secretsmanager:us-east-1:000000000000:secret:s', '000000000000', 'us-east-1', '')",
        "INSERT INTO principals VALUES ('key', '111122223333', 'arn:aws:iam::111122223333:user/ci')",
        "INSERT INTO verification_keys (repository_id, kms_key_arn) VALUES (1, 'arn')",
    ] {
        api.execute(sql).await;
    }
    api
}

#[tokio::test]
async fn a_registry_that_is_whole_gives_no_complaint() {
    assert_eq!(populated().await.complaints().await, Vec::<String>::new());
}

const OF_IMAGES: [(&str, &str); 14] = [
    (
        "UPDATE images SET manifest_size = manifest_size + 1",
        "another size",
    ),
    ("UPDATE images SET size = size + 1", "a size that does not match"),
    (
        "UPDATE images SET size = 0 WHERE media_type LIKE '%index%'",
        "a size that does not match",
    ),
    (
        "UPDATE images SET media_type = 'application/vnd.oci.image.index.v1+json'",
        "cannot be read",
    ),
    (
        "UPDATE images SET artifact_media_type = 'x/y' WHERE subject IS NOT NULL",
        "another artifact type",
    ),
    (
        "UPDATE images SET artifact_media_type = NULL",
        "another artifact type",
    ),
    ("UPDATE images SET subject = NULL", "another subject"),
    ("UPDATE images SET subject = digest", "another subject"),
    (
        "UPDATE images SET annotations = '{}' WHERE subject IS NOT NULL",
        "other annotations",
    ),
    ("UPDATE images SET annotations = NULL", "other annotations"),
    ("UPDATE images SET tagged = 1 - tagged", "tagged or untagged"),
    ("DELETE FROM tags", "tagged or untagged"),
    (
        "UPDATE images SET push_sequence = 1",
        "place in the order of pushes",
    ),
    (
        "UPDATE images SET blob_ids = (SELECT blob_ids FROM images WHERE id = 1) WHERE media_type LIKE '%index%'",
        "blobs that its manifest does not name",
    ),
];

const OF_OTHERS: [(&str, &str); 26] = [
    ("DELETE FROM image_children", "no row links it"),
    ("UPDATE image_children SET child_id = 1", "does not name it"),
    ("UPDATE image_children SET index_id = 77", "index that does not exist"),
    ("DELETE FROM repository_counters", "no counters"),
    ("UPDATE repository_counters SET images = 9", "wrong count of images"),
    ("UPDATE repository_counters SET uploads = 0", "wrong count of uploads"),
    ("UPDATE repository_counters SET push_sequence = 1", "fewer pushes"),
    ("UPDATE registry_counters SET held = 9 WHERE thing = 'repositories'", "us-east-1 repositories"),
    ("UPDATE registry_counters SET held = 0 WHERE thing = 'creation-templates'", "creation-templates"),
    ("DELETE FROM registry_counters WHERE thing = 'pull-through-cache-rules'", "pull-through-cache-rules"),
    ("DELETE FROM registry_counters WHERE thing = 'pull-time-exclusions'", "pull-time-exclusions"),
    ("UPDATE links SET images = images + 1", "wrong count of the images"),
    ("UPDATE links SET active_images = 0", "wrong count of the images"),
    ("UPDATE links SET media_type = NULL", "no media type"),
    (
        "INSERT INTO repositories (id, account, region, name, created_at, tag_mutability, scan_on_push, encryption_type)
         VALUES (2, '000000000000', 'us-east-1', 'other', 0, 'MUTABLE', 0, 'AES256');
         UPDATE image_scans SET repository_id = 2",
        "another repository than its image",
    ),
    ("UPDATE image_scans SET severity_counts = '{\"HIGH\":1}'", "wrong count of findings"),
    ("UPDATE image_scans SET severity_counts = 'x'", "wrong count of findings"),
    (
        "INSERT INTO image_scan_findings VALUES (1, 1, 50, '{\"version\":1,\"findings\":[]}')",
        "wrong count of findings",
    ),
    ("UPDATE lifecycle_previews SET expiring = 2", "preview has a wrong count"),
    ("UPDATE lifecycle_previews SET archiving = 0", "preview has a wrong count"),
    ("UPDATE replication_backfills SET total = 4", "backfill has a wrong count"),
    ("UPDATE replication_backfills SET completed = 2", "backfill has a wrong count"),
    ("UPDATE replication_backfills SET failed = 0", "backfill has a wrong count"),
    ("UPDATE creation_templates SET prefix = 'other'", "template is stored"),
    ("UPDATE pull_through_cache_rules SET prefix = 'other'", "rule is stored"),
    ("UPDATE secrets SET account = '999999999999'", "secret is stored"),
];

const OF_KEYS: [(&str, &str); 3] = [
    (
        "UPDATE principals SET account = '999999999999'",
        "principal is stored",
    ),
    ("UPDATE verification_keys SET kms_key_arn = NULL", "has no key"),
    ("UPDATE verification_keys SET public_key = x'00'", "or two keys"),
];

#[tokio::test]
async fn each_column_that_was_changed_is_found() {
    for (harm, words) in OF_IMAGES.into_iter().chain(OF_OTHERS).chain(OF_KEYS) {
        let api = populated().await;
        for statement in harm.split(";\n") {
            api.execute(statement.trim_start()).await;
        }
        let complaints = api.complaints().await;
        assert!(
            complaints.iter().any(|complaint| complaint.contains(words)),
            "{harm}: {complaints:#?}"
        );
    }
}
