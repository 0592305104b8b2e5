//! Replication: pushes and deletions in one registry, and their effect on other registries.

use ecru_model::ErrorCode;
use serde_json::{Value, json};

use crate::api::{ACCOUNT, Api, OTHER_ACCOUNT};
use crate::content::{ABSENT, Image, OCI_INDEX, OCI_LAYER, descriptor, index, put};

pub(crate) const EAST: &str = "us-east-1";
pub(crate) const WEST: &str = "eu-west-1";
const MINUTE_MILLISECONDS: i64 = 60_000;

pub(crate) fn destination(account: &str, region: &str) -> Value {
    json!({ "region": region, "registryId": account })
}

pub(crate) fn rule(destinations: &[(&str, &str)], prefixes: &[&str], deletions: bool) -> Value {
    let destinations = destinations
        .iter()
        .map(|(account, region)| destination(account, region));
    let mut rule = json!({ "destinations": destinations.collect::<Vec<_>>() });
    if !prefixes.is_empty() {
        let filter = |prefix: &&str| json!({ "filter": prefix, "filterType": "PREFIX_MATCH" });
        rule["repositoryFilters"] = prefixes.iter().map(filter).collect();
    }
    if deletions {
        rule["deleteReplication"] = json!({ "enabled": true });
    }
    rule
}

impl Api {
    pub(crate) async fn replicate(&self, rules: &[Value]) -> Value {
        let configuration = json!({ "replicationConfiguration": { "rules": rules } });
        self.ok("PutReplicationConfiguration", configuration).await
    }

    /// Runs all due jobs and returns their kinds, without the jobs that run at any time.
    pub(crate) async fn run_replication(&self) -> Vec<String> {
        let ran = self.run_due().await;
        let kinds = ran.into_iter().map(|ran| ran.kind);
        kinds.filter(|kind| kind.starts_with("replication")).collect()
    }

    /// The region, account and status of each replication of an image, with the code of a failure.
    async fn replications(&self, repository: &str, image: Value) -> Vec<String> {
        let input = json!({ "repositoryName": repository, "imageId": image });
        let told = self.ok("DescribeImageReplicationStatus", input).await;
        let text = |status: &Value, member: &str| status[member].as_str().unwrap_or("-").to_owned();
        let statuses = told["replicationStatuses"].as_array().unwrap().iter();
        statuses
            .map(|status| {
                ["registryId", "region", "status", "failureCode"]
                    .map(|member| text(status, member))
                    .join(" ")
            })
            .collect()
    }

    /// Whether clients can pull the image from this registry: its manifest and each layer.
    async fn holds(&self, repository: &str, image: &Image) -> bool {
        let ids = json!({ "repositoryName": repository, "imageIds": [{ "imageDigest": image.digest() }] });
        let got = self.call("BatchGetImage", ids).await;
        if got.status != 200 || got.body["images"][0]["imageManifest"] != image.text() {
            return false;
        }
        let digests = [image.config_digest(), image.layer_digest()];
        let layers = json!({ "repositoryName": repository, "layerDigests": digests });
        let checked = self.ok("BatchCheckLayerAvailability", layers).await;
        let layers = checked["layers"].as_array().unwrap();
        layers
            .iter()
            .filter(|layer| layer["layerAvailability"] == "AVAILABLE")
            .count()
            == 2
    }

    async fn delete(&self, repository: &str, ids: Value) {
        let input = json!({ "repositoryName": repository, "imageIds": ids });
        let deleted = self.ok("BatchDeleteImage", input).await;
        assert_eq!(deleted["failures"], json!([]));
    }

    /// Allows the tests' account to perform these actions in every repository of this registry.
    pub(crate) async fn allow_replication(&self, actions: &[&str]) {
        let policy = json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Sid": "replication",
                "Effect": "Allow",
                "Principal": { "AWS": format!("arn:aws:iam::{ACCOUNT}:root") },
                "Action": actions,
                "Resource": "*",
            }],
        });
        self.put_registry_policy(policy.to_string()).await;
    }

    async fn put_registry_policy(&self, policy: String) {
        let scope = self.context().scope;
        let put = self.service().store.write(move |tx| {
            tx.execute(
                "INSERT INTO registry_settings (account, region, name, value) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (account, region, name) DO UPDATE SET value = excluded.value",
                &[
                    scope.registry_id.as_str(),
                    scope.region.as_str(),
                    "REGISTRY_POLICY",
                    &policy,
                ]
                .map(ecru_store::Value::Text),
            )
        });
        let _: u64 = put
            .await
            .unwrap_or_else(|error: ecru_store::StoreError| panic!("{error}"));
    }
}

/// The caller in `us-east-1`, and the same caller in `eu-west-1`, the destination of all rules.
async fn two_regions(rules: &[Value]) -> (Api, Api) {
    let east = Api::new();
    let west = east.in_region(WEST);
    east.replicate(rules).await;
    east.create("demo").await;
    (east, west)
}

fn everything_west(deletions: bool) -> Value {
    rule(&[(ACCOUNT, WEST)], &[], deletions)
}

#[tokio::test]
async fn a_configuration_is_described_as_it_was_put_and_replaced_as_a_whole() {
    let api = Api::new();
    let rules = [
        rule(
            &[(ACCOUNT, WEST), (OTHER_ACCOUNT, EAST)],
            &["prod", "team/"],
            true,
        ),
        json!({ "destinations": [], "deleteReplication": { "enabled": false } }),
        rule(&[(ACCOUNT, "eu-west-2")], &[], false),
    ];
    for rules in [&rules[..], &rules[..1], &[]] {
        let put = api.replicate(rules).await;
        assert_eq!(put["replicationConfiguration"]["rules"], json!(rules));
        let described = api.ok("DescribeRegistry", json!({})).await;
        assert_eq!(
            described["replicationConfiguration"],
            put["replicationConfiguration"]
        );
        for elsewhere in [api.in_region(WEST), api.by_account(OTHER_ACCOUNT)] {
            let described = elsewhere.ok("DescribeRegistry", json!({})).await;
            assert_eq!(described["replicationConfiguration"]["rules"], json!([]));
        }
    }
}

#[tokio::test]
async fn a_destination_is_another_registry_and_there_are_not_too_many() {
    let api = Api::new();
    let many = (0..26).map(|n| format!("xx-region-{n}")).collect::<Vec<_>>();
    let many = many
        .iter()
        .map(|region| (ACCOUNT, region.as_str()))
        .collect::<Vec<_>>();
    let cases = [
        (
            rule(&[(ACCOUNT, EAST)], &[], false),
            "Replication destination cannot be the same as the source registry",
        ),
        (
            rule(&[(ACCOUNT, "cn-north-1")], &[], false),
            "Replication destination must be in the same partition as the source registry",
        ),
        (
            rule(&many, &[], false),
            "Replication configuration must have at most 25 unique destinations",
        ),
    ];
    for (rule, reason) in cases {
        let input = json!({ "replicationConfiguration": { "rules": [rule] } });
        let answer = api.call("PutReplicationConfiguration", input).await;
        answer.refuses_parameter("replicationConfiguration", reason);
    }
    let described = api.ok("DescribeRegistry", json!({})).await;
    assert_eq!(described["replicationConfiguration"]["rules"], json!([]));

    // Destinations that several rules repeat count once.
    let rules = vec![rule(&many[..25], &[], false); 25];
    api.replicate(&rules).await;
}

#[tokio::test]
async fn a_push_appears_in_another_region_with_its_layers() {
    let (east, west) = two_regions(&[everything_west(false)]).await;
    let image = Image::new(1);
    let pushed = east.push("demo", Some("v1"), &image).await;
    let id = json!({ "imageTag": "v1" });
    assert_eq!(
        east.replications("demo", id.clone()).await,
        [format!("{ACCOUNT} {WEST} IN_PROGRESS -")]
    );
    assert!(!west.holds("demo", &image).await);

    assert_eq!(east.run_replication().await, ["replication"]);
    assert_eq!(
        east.replications("demo", id).await,
        [format!("{ACCOUNT} {WEST} COMPLETE -")]
    );
    assert!(west.holds("demo", &image).await);
    assert_eq!(west.tags("demo").await, [("v1".to_owned(), pushed.clone())]);
    assert_eq!(
        west.replications("demo", json!({ "imageDigest": pushed })).await,
        [""; 0]
    );
    assert_eq!(east.count("SELECT count(*) FROM blobs"), 2);
    let told =
        "SELECT count(*) FROM outbox WHERE region = 'eu-west-1' AND detail_type = 'ECR Replication Action'
                AND detail LIKE '%\"result\":\"SUCCESS\"%' AND detail LIKE '%\"image-tag\":\"v1\"%'
                AND detail LIKE '%\"source-region\":\"us-east-1\"%'";
    assert_eq!(east.count(told), 1);
    assert_eq!(
        east.count("SELECT count(*) FROM outbox WHERE region = 'eu-west-1'"),
        1
    );
    assert_eq!(east.run_replication().await, [""; 0]);
}

#[tokio::test]
async fn an_index_brings_the_children_that_were_there_before_the_configuration() {
    let api = Api::new();
    let west = api.in_region(WEST);
    api.create("demo").await;
    let children = [Image::new(1), Image::new(2)];
    for child in &children {
        api.push("demo", None, child).await;
    }
    let inner = index(&[&children[0]]);
    let inner_digest = api.push_index("demo", None, &inner).await;
    let outer = json!({
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [
            { "mediaType": inner["mediaType"], "digest": inner_digest, "size": inner.to_string().len() },
            children[1].descriptor(),
        ],
    });
    api.replicate(&[everything_west(false)]).await;
    let outer_digest = api.push_index("demo", Some("multi"), &outer).await;

    assert_eq!(api.run_replication().await, ["replication"]);
    for child in &children {
        assert!(west.holds("demo", child).await);
    }
    assert_eq!(west.tags("demo").await, [("multi".to_owned(), outer_digest)]);
    let here = west.digests("demo").await;
    assert_eq!(here.len(), 4);
    assert!(here.contains(&inner_digest));
    // The children were not pushed again.
    let child = json!({ "imageDigest": children[0].digest() });
    assert_eq!(api.replications("demo", child).await, [""; 0]);
}

#[tokio::test]
async fn an_image_of_many_layers_comes_with_all_of_them() {
    let (east, west) = two_regions(&[everything_west(false)]).await;
    let blobs = (0..450).map(|n| format!("layer number {n}").into_bytes());
    let mut image = Image::new(1);
    image.blobs.extend(blobs);
    let layers = image.blobs[1..].iter();
    let layers = layers.map(|blob| descriptor(OCI_LAYER, blob));
    let image = Image {
        manifest: image.manifest.clone(),
        blobs: image.blobs.clone(),
    }
    .with("layers", layers.collect());
    east.push("demo", Some("big"), &image).await;

    east.run_replication().await;
    assert!(west.holds("demo", &image).await);
    let linked = "SELECT count(*) FROM links l JOIN repositories r ON r.id = l.repository_id
                  WHERE r.region = 'eu-west-1'";
    assert_eq!(east.count(linked), 452);
}

#[tokio::test]
async fn a_tag_moves_at_the_destination_as_it_moved_at_the_source() {
    let (east, west) = two_regions(&[everything_west(false)]).await;
    let first = east.push("demo", Some("latest"), &Image::new(1)).await;
    east.run_replication().await;
    assert_eq!(west.tags("demo").await, [("latest".to_owned(), first.clone())]);

    let second = east.push("demo", Some("latest"), &Image::new(2)).await;
    // Before a job runs, the tag moves to another image and back.
    east.push("demo", Some("latest"), &Image::new(3)).await;
    let again = put("demo", &Image::new(2).text(), Some("latest"));
    east.ok("PutImage", again).await;
    assert_eq!(east.run_replication().await, ["replication", "replication"]);
    assert_eq!(west.tags("demo").await, [("latest".to_owned(), second)]);
    assert_eq!(west.digests("demo").await.len(), 3);
}

#[tokio::test]
async fn a_frozen_tag_of_the_destination_stays_and_the_image_arrives_without_it() {
    let (east, west) = two_regions(&[everything_west(false)]).await;
    west.ok(
        "CreateRepository",
        json!({ "repositoryName": "demo", "imageTagMutability": "IMMUTABLE" }),
    )
    .await;
    let theirs = west.push("demo", Some("v1"), &Image::new(9)).await;
    let ours = east.push("demo", Some("v1"), &Image::new(1)).await;
    let free = put("demo", &Image::new(1).text(), Some("v2"));
    east.ok("PutImage", free).await;

    east.run_replication().await;
    assert_eq!(
        west.tags("demo").await,
        [("v1".to_owned(), theirs), ("v2".to_owned(), ours)]
    );
    assert_eq!(
        east.replications("demo", json!({ "imageTag": "v1" })).await,
        [format!("{ACCOUNT} {WEST} COMPLETE -")]
    );
}

#[tokio::test]
async fn prefixes_choose_the_repositories_and_nothing_is_passed_on() {
    let east = Api::new();
    let (west, far) = (east.in_region(WEST), east.in_region("ap-south-1"));
    east.replicate(&[rule(&[(ACCOUNT, WEST)], &["prod", "team/"], true)])
        .await;
    west.replicate(&[rule(&[(ACCOUNT, "ap-south-1"), (ACCOUNT, EAST)], &[], true)])
        .await;
    let image = Image::new(1);
    for name in ["prod", "production", "team/app", "team", "my/prod"] {
        east.create(name).await;
        east.push(name, Some("v1"), &image).await;
    }
    assert_eq!(east.run_replication().await.len(), 3);

    let named = |repositories: Value| {
        let repositories = repositories["repositories"].as_array().unwrap().clone();
        let names = repositories
            .iter()
            .map(|repository| repository["repositoryName"].clone());
        names.collect::<Vec<_>>()
    };
    let there = west.ok("DescribeRepositories", json!({})).await;
    assert_eq!(named(there), ["prod", "production", "team/app"]);
    let further = far.ok("DescribeRepositories", json!({})).await;
    assert_eq!(named(further), [""; 0]);
    // A deletion that came from another registry is not replicated either.
    east.delete("prod", json!([{ "imageTag": "v1" }])).await;
    assert_eq!(east.run_replication().await, ["replication"]);
    assert!(!west.holds("prod", &image).await);
    assert_eq!(east.run_replication().await, [""; 0]);
}

#[tokio::test]
async fn what_was_there_before_is_not_replicated_and_nothing_is_once_it_is_turned_off() {
    let east = Api::new();
    let west = east.in_region(WEST);
    east.create("demo").await;
    let (before, after) = (Image::new(1), Image::new(2));
    east.push("demo", Some("before"), &before).await;
    east.replicate(&[everything_west(false)]).await;
    east.push("demo", Some("after"), &after).await;
    east.replicate(&[]).await;

    east.run_replication().await;
    let id = json!({ "imageTag": "after" });
    assert_eq!(east.replications("demo", id).await, [""; 0]);
    assert!(!west.holds("demo", &after).await);
    east.push("demo", Some("later"), &Image::new(3)).await;
    assert_eq!(east.run_replication().await, [""; 0]);
}

#[tokio::test]
async fn what_comes_back_from_the_archive_is_replicated_with_its_tags() {
    for restore_by_push in [false, true] {
        let east = Api::new();
        let west = east.in_region(WEST);
        east.create("demo").await;
        let image = Image::new(1);
        let digest = east.push("demo", Some("v1"), &image).await;
        let class = |class: &str| {
            let id = json!({ "imageTag": "v1" });
            json!({ "repositoryName": "demo", "imageId": id, "targetStorageClass": class })
        };
        east.ok("UpdateImageStorageClass", class("ARCHIVE")).await;
        east.replicate(&[everything_west(false)]).await;
        if restore_by_push {
            east.ok("PutImage", put("demo", &image.text(), Some("v1"))).await;
        } else {
            east.ok("UpdateImageStorageClass", class("STANDARD")).await;
            east.advance(24 * 60 * MINUTE_MILLISECONDS);
        }
        assert_eq!(east.run_replication().await, ["replication"]);
        assert!(west.holds("demo", &image).await);
        assert_eq!(west.tags("demo").await, [("v1".to_owned(), digest)]);
    }
}

#[tokio::test]
async fn deletions_stay_where_they_are_unless_the_rule_replicates_them() {
    for deletions in [false, true] {
        let (east, west) = two_regions(&[everything_west(deletions)]).await;
        let (kept, gone) = (Image::new(1), Image::new(2));
        let digest = east.push("demo", Some("a"), &kept).await;
        let second = put("demo", &kept.text(), Some("b"));
        east.ok("PutImage", second).await;
        east.push("demo", Some("gone"), &gone).await;
        east.run_replication().await;
        assert_eq!(west.tags("demo").await.len(), 3);

        east.delete("demo", json!([{ "imageTag": "b" }])).await;
        east.delete("demo", json!([{ "imageDigest": gone.digest() }]))
            .await;
        east.run_replication().await;
        let left = west.tags("demo").await;
        if deletions {
            assert_eq!(left, [("a".to_owned(), digest)]);
        } else {
            assert_eq!(left.len(), 3);
        }
        assert_eq!(west.holds("demo", &gone).await, !deletions);
        assert!(west.holds("demo", &kept).await);
        assert_eq!(east.count("SELECT count(*) FROM replication_tasks"), 0);
        assert_eq!(east.count("SELECT count(*) FROM replications"), 1);
    }
}

#[tokio::test]
async fn what_comes_back_before_its_deletion_is_replicated_stays() {
    let (east, west) = two_regions(&[everything_west(true)]).await;
    let image = Image::new(1);
    east.push("demo", Some("v1"), &image).await;
    east.run_replication().await;
    east.delete("demo", json!([{ "imageTag": "v1" }])).await;
    east.push("demo", Some("v1"), &image).await;
    east.run_replication().await;
    assert!(west.holds("demo", &image).await);
    assert_eq!(west.tags("demo").await.len(), 1);

    // Replication does not move a tag that another client set at the destination.
    let other = west.push("demo", Some("v2"), &Image::new(2)).await;
    let ours = put("demo", &image.text(), Some("v2"));
    east.replicate(&[]).await;
    east.ok("PutImage", ours).await;
    east.replicate(&[everything_west(true)]).await;
    east.delete("demo", json!([{ "imageTag": "v2" }])).await;
    east.run_replication().await;
    assert!(west.tags("demo").await.contains(&("v2".to_owned(), other)));
}

#[tokio::test]
async fn an_index_and_its_children_go_together() {
    let (east, west) = two_regions(&[everything_west(true)]).await;
    let children = [Image::new(1), Image::new(2)];
    for child in &children {
        east.push("demo", None, child).await;
    }
    let list = index(&[&children[0], &children[1]]);
    east.push_index("demo", Some("multi"), &list).await;
    east.run_replication().await;
    assert_eq!(west.digests("demo").await.len(), 3);

    east.delete("demo", json!([{ "imageTag": "multi" }])).await;
    for child in &children {
        east.delete("demo", json!([{ "imageDigest": child.digest() }]))
            .await;
    }
    // The deletion of a child that runs before that of its index is retried.
    for _ in 0..2 {
        east.run_replication().await;
        east.advance(MINUTE_MILLISECONDS);
    }
    east.run_replication().await;
    assert_eq!(west.digests("demo").await, [""; 0]);
    assert_eq!(east.count("SELECT count(*) FROM replications"), 0);
}

#[tokio::test]
async fn another_account_has_to_let_the_images_in() {
    let (east, _) = two_regions(&[rule(&[(OTHER_ACCOUNT, WEST)], &[], false)]).await;
    let there = east.by_account(OTHER_ACCOUNT).in_region(WEST);
    let image = Image::new(1);
    east.push("demo", Some("v1"), &image).await;
    let id = json!({ "imageTag": "v1" });
    let failed = [format!("{OTHER_ACCOUNT} {WEST} FAILED AccessDeniedException")];
    let told = "SELECT count(*) FROM outbox WHERE account = '111122223333' AND region = 'eu-west-1'
                AND detail LIKE '%\"result\":\"FAILED\"%'";

    east.run_replication().await;
    assert_eq!(east.replications("demo", id.clone()).await, failed);
    assert_eq!(east.count(told), 1);

    // The replication is retried, but the failure is reported only once.
    east.advance(MINUTE_MILLISECONDS);
    assert_eq!(east.run_replication().await, ["replication"]);
    assert_eq!(east.replications("demo", id.clone()).await, failed);
    assert_eq!(east.count(told), 1);

    // Writing to a repository and creating it are separate permissions.
    there.allow_replication(&["ecr:ReplicateImage"]).await;
    east.advance(2 * MINUTE_MILLISECONDS);
    east.run_replication().await;
    assert_eq!(east.replications("demo", id.clone()).await, failed);

    there
        .allow_replication(&["ecr:ReplicateImage", "ecr:CreateRepository"])
        .await;
    east.advance(4 * MINUTE_MILLISECONDS);
    east.run_replication().await;
    assert_eq!(
        east.replications("demo", id).await,
        [format!("{OTHER_ACCOUNT} {WEST} COMPLETE -")]
    );
    assert!(there.holds("demo", &image).await);
}

#[tokio::test]
async fn a_refusal_is_given_up_after_a_day_and_forgotten_at_the_next_push() {
    let (east, _) = two_regions(&[rule(&[(OTHER_ACCOUNT, EAST)], &[], false)]).await;
    let there = east.by_account(OTHER_ACCOUNT);
    east.push("demo", Some("v1"), &Image::new(1)).await;
    for _ in 0..30 {
        assert_eq!(east.run_replication().await, ["replication"]);
        east.advance(60 * MINUTE_MILLISECONDS);
    }
    there.allow_replication(&["ecr:*"]).await;
    assert_eq!(east.run_replication().await, [""; 0]);
    let failed = east.replications("demo", json!({ "imageTag": "v1" })).await;
    assert_eq!(
        failed,
        [format!("{OTHER_ACCOUNT} {EAST} FAILED AccessDeniedException")]
    );

    let again = put("demo", &Image::new(1).text(), Some("v2"));
    east.ok("PutImage", again).await;
    east.run_replication().await;
    assert_eq!(
        there.tags("demo").await,
        [("v2".to_owned(), Image::new(1).digest())]
    );
}

#[tokio::test]
async fn the_status_of_an_image_needs_the_image() {
    let api = Api::new();
    let ask = |image: Value| {
        let input = json!({ "repositoryName": "demo", "imageId": image });
        api.call("DescribeImageReplicationStatus", input)
    };
    let missing = "The repository with name 'demo' does not exist in the registry with id '000000000000'";
    ask(json!({ "imageTag": "v1" }))
        .await
        .refuses(ErrorCode::RepositoryNotFoundException, missing);
    api.create("demo").await;
    api.push("demo", Some("v1"), &Image::new(1)).await;
    for image in [
        json!({ "imageTag": "v2" }),
        json!({ "imageDigest": ABSENT }),
        json!({}),
    ] {
        let answer = ask(image).await;
        assert_eq!(answer.error(), Some("ImageNotFoundException"));
    }
    ask(json!({ "imageDigest": "x" })).await.refuses_parameter(
        "imageDigest",
        "must satisfy regular expression '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'",
    );
    let told = ask(json!({ "imageTag": "v1" })).await;
    let id = json!({ "imageDigest": Image::new(1).digest(), "imageTag": "v1" });
    let expected = json!({ "repositoryName": "demo", "imageId": id, "replicationStatuses": [] });
    assert_eq!(told.body, expected);
}

#[tokio::test]
async fn a_deleted_repository_takes_its_replications_with_it() {
    let (east, west) = two_regions(&[everything_west(true)]).await;
    for seed in 0..5 {
        east.push("demo", Some(&format!("v{seed}")), &Image::new(seed))
            .await;
    }
    let whole = json!({ "repositoryName": "demo", "force": true });
    east.ok("DeleteRepository", whole).await;
    east.run_replication().await;
    assert_eq!(east.count("SELECT count(*) FROM replications"), 0);
    assert_eq!(east.count("SELECT count(*) FROM replication_tasks"), 0);
    assert_eq!(east.count("SELECT count(*) FROM repositories"), 0);
    assert_eq!(
        west.call("ListImages", json!({ "repositoryName": "demo" }))
            .await
            .status,
        400
    );
}
