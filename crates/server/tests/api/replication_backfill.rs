//! Backfills: copy existing images to a new destination, with a result for each image and tag.

use ecru_model::ErrorCode;
use serde_json::{Value, json};

use crate::api::{ACCOUNT, Api, OTHER_ACCOUNT};
use crate::content::{Image, OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, descriptor, index, put};
use crate::inputs::ZERO_ID;
use crate::replication::{EAST, WEST, destination, rule};

const DAY_MILLISECONDS: i64 = 24 * 60 * 60 * 1_000;

impl Api {
    async fn start_backfill(&self, account: &str, region: &str) -> String {
        let input = json!({ "destination": destination(account, region) });
        let started = self.ok("StartReplicationBackfill", input).await;
        assert_eq!(started["status"], "PREPARING");
        started["replicationBackfillId"].as_str().unwrap().to_owned()
    }

    async fn backfill(&self, id: &str) -> Value {
        let input = json!({ "replicationBackfillId": id, "maxResults": 1000 });
        self.ok("DescribeReplicationBackfillResults", input).await
    }

    async fn stop_backfill(&self, id: &str) -> Value {
        let stopped = self
            .ok("StopReplicationBackfill", json!({ "replicationBackfillId": id }))
            .await;
        stopped["status"].clone()
    }

    /// Pushes many images that share layer and config, each under one tag.
    async fn push_many(&self, repository: &str, count: usize) {
        let shared = Image::new(1);
        self.push_layers(repository, &shared).await;
        for n in 0..count {
            let manifest = json!({
                "schemaVersion": 2,
                "mediaType": OCI_MANIFEST,
                "config": descriptor(OCI_CONFIG, &shared.blobs[0]),
                "layers": [descriptor(OCI_LAYER, &shared.blobs[1])],
                "annotations": { "n": n.to_string() },
            });
            let tag = format!("v{n:04}");
            self.ok("PutImage", put(repository, &manifest.to_string(), Some(&tag)))
                .await;
        }
    }
}

/// A registry whose replication was configured after the images were pushed.
async fn filled(count: usize) -> Api {
    let api = Api::new();
    api.create("demo").await;
    api.push_many("demo", count).await;
    api.replicate(&[rule(&[(ACCOUNT, WEST)], &[], false)]).await;
    api
}

fn progress(total: i32, completed: i32, failed: i32, codes: &[&str]) -> Value {
    json!({
        "totalReplicationCount": total,
        "completedReplicationCount": completed,
        "failedReplicationCount": failed,
        "failureCodes": codes,
    })
}

#[tokio::test]
async fn three_hundred_images_are_brought_and_told_page_by_page() {
    let api = filled(300).await;
    let west = api.in_region(WEST);
    let id = api.start_backfill(ACCOUNT, WEST).await;
    let before = api.backfill(&id).await;
    assert_eq!(before["progress"], Value::Null);
    assert_eq!(before["results"], json!([]));
    assert_eq!(before["endedAt"], Value::Null);

    assert!(
        api.run_replication()
            .await
            .iter()
            .all(|kind| *kind == "replication-backfill")
    );
    assert_eq!(west.tags("demo").await, api.tags("demo").await);
    assert_eq!(west.tags("demo").await.len(), 300);
    let after = api.backfill(&id).await;
    assert_eq!(after["status"], "COMPLETE");
    assert_eq!(after["progress"], progress(300, 300, 0, &[]));
    assert_eq!(after["destination"], destination(ACCOUNT, WEST));
    assert_eq!(after["startedAt"], after["endedAt"]);

    let mut tags = Vec::new();
    let mut input = json!({ "replicationBackfillId": id.to_uppercase(), "maxResults": 70 });
    let mut pages = 0;
    loop {
        let page = api.ok("DescribeReplicationBackfillResults", input.clone()).await;
        for result in page["results"].as_array().unwrap() {
            assert_eq!(result["repositoryName"], "demo");
            assert_eq!(result["status"], "COMPLETE");
            tags.push(result["imageId"]["imageTag"].as_str().unwrap().to_owned());
        }
        pages += 1;
        let Some(token) = page.get("nextToken") else { break };
        input["nextToken"] = token.clone();
    }
    assert_eq!(pages, 5);
    assert_eq!(tags, (0..300).map(|n| format!("v{n:04}")).collect::<Vec<_>>());

    // A token is valid only for its own filter.
    let first = json!({ "replicationBackfillId": id, "maxResults": 1, "resultStatusFilter": "COMPLETE" });
    let page = api.ok("DescribeReplicationBackfillResults", first).await;
    let other = json!({
        "replicationBackfillId": id, "resultStatusFilter": "FAILED", "nextToken": page["nextToken"],
    });
    let answer = api.call("DescribeReplicationBackfillResults", other).await;
    assert_eq!(answer.error(), Some("InvalidContinuationTokenException"));
    let failed = json!({ "replicationBackfillId": id, "resultStatusFilter": "FAILED" });
    let none = api.ok("DescribeReplicationBackfillResults", failed).await;
    assert_eq!(none["results"], json!([]));
}

#[tokio::test]
async fn each_image_and_tag_of_the_chosen_repositories_is_one_replication() {
    let api = Api::new();
    let west = api.in_region(WEST);
    for name in ["prod/a", "dev", "prod/b"] {
        api.create(name).await;
        api.push(name, Some("v1"), &Image::new(1)).await;
    }
    let second = put("prod/a", &Image::new(1).text(), Some("v2"));
    api.ok("PutImage", second).await;
    let child = Image::new(2);
    api.push("prod/b", None, &child).await;
    api.push_index("prod/b", Some("multi"), &index(&[&child])).await;
    api.replicate(&[rule(&[(ACCOUNT, WEST)], &["prod"], false)]).await;

    let id = api.start_backfill(ACCOUNT, WEST).await;
    api.run_replication().await;
    let told = api.backfill(&id).await;
    assert_eq!(told["progress"], progress(5, 5, 0, &[]));
    let results = told["results"].as_array().unwrap();
    let results = results.iter().map(|result| {
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let parts = result["subImageFailureCodes"].is_array();
        (
            text(&result["repositoryName"]),
            text(&result["imageId"]["imageTag"]),
            parts,
        )
    });
    let expected = [
        ("prod/a", "v1", false),
        ("prod/a", "v2", false),
        ("prod/b", "v1", false),
        ("prod/b", "-", false),
        ("prod/b", "multi", true),
    ];
    let expected = expected.map(|(name, tag, parts)| (name.to_owned(), tag.to_owned(), parts));
    assert_eq!(results.collect::<Vec<_>>(), expected);
    assert_eq!(west.tags("prod/a").await.len(), 2);
    assert_eq!(west.digests("prod/b").await.len(), 3);
    let status = json!({ "repositoryName": "prod/a", "imageId": { "imageTag": "v1" } });
    let status = api.ok("DescribeImageReplicationStatus", status).await;
    assert_eq!(status["replicationStatuses"][0]["status"], "COMPLETE");
}

#[tokio::test]
async fn what_fails_is_told_by_code_and_the_rest_goes_on() {
    let api = Api::new();
    let child = Image::new(1);
    api.create("demo").await;
    api.push("demo", None, &child).await;
    api.push_index("demo", Some("multi"), &index(&[&child])).await;
    api.replicate(&[rule(&[(OTHER_ACCOUNT, EAST)], &[], false)]).await;
    let id = api.start_backfill(OTHER_ACCOUNT, EAST).await;
    api.run_replication().await;

    let told = api.backfill(&id).await;
    assert_eq!(told["status"], "COMPLETE");
    assert_eq!(told["progress"], progress(2, 0, 2, &["AccessDeniedException"]));
    let filter = json!({ "replicationBackfillId": id, "resultStatusFilter": "FAILED", "maxResults": 1 });
    let page = api.ok("DescribeReplicationBackfillResults", filter.clone()).await;
    assert_eq!(page["results"][0]["failureCode"], "AccessDeniedException");
    let mut next = filter;
    next["nextToken"] = page["nextToken"].clone();
    let page = api.ok("DescribeReplicationBackfillResults", next).await;
    assert_eq!(
        page["results"][0]["subImageFailureCodes"],
        json!(["AccessDeniedException"])
    );
    assert_eq!(page.get("nextToken"), None);

    // After the other account allows it, another backfill copies them.
    api.by_account(OTHER_ACCOUNT).allow_replication(&["ecr:*"]).await;
    let id = api.start_backfill(OTHER_ACCOUNT, EAST).await;
    api.run_replication().await;
    assert_eq!(api.backfill(&id).await["progress"], progress(2, 2, 0, &[]));
}

#[tokio::test]
async fn a_backfill_whose_destination_is_taken_away_fails_as_a_whole() {
    let api = filled(3).await;
    let id = api.start_backfill(ACCOUNT, WEST).await;
    api.replicate(&[]).await;
    api.run_replication().await;
    let told = api.backfill(&id).await;
    assert_eq!(told["status"], "FAILED");
    assert_eq!(told["failureCode"], "DestinationNotConfigured");
}

#[tokio::test]
async fn a_stopped_backfill_leaves_what_it_has_brought() {
    let api = filled(300).await;
    let early = api.start_backfill(ACCOUNT, WEST).await;
    assert_eq!(api.stop_backfill(&early).await, "STOPPED");
    api.run_replication().await;
    let told = api.backfill(&early).await;
    assert_eq!(told["status"], "STOPPED");
    assert_eq!(told["progress"], Value::Null);

    let id = api.start_backfill(ACCOUNT, WEST).await;
    let stop = async {
        loop {
            let told = api.backfill(&id).await;
            if told["progress"]["completedReplicationCount"].as_i64() > Some(5) {
                assert_eq!(api.stop_backfill(&id).await, "STOPPING");
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    let (_, ()) = tokio::join!(api.run_due(), stop);
    let told = api.backfill(&id).await;
    assert_eq!(told["status"], "STOPPED");
    let brought = api.in_region(WEST).tags("demo").await.len();
    assert!((6..300).contains(&brought));
    assert_eq!(told["progress"]["completedReplicationCount"], brought);
    assert_eq!(told["results"].as_array().unwrap().len(), brought);
    assert_eq!(told["progress"]["totalReplicationCount"], 300);
}

#[tokio::test]
async fn a_restart_in_the_middle_carries_on() {
    let api = filled(300).await;
    let id = api.start_backfill(ACCOUNT, WEST).await;
    let late = Image::new(77);
    api.push("demo", Some("late"), &late).await;
    let end = async {
        loop {
            let told = api.backfill(&id).await;
            if told["progress"]["completedReplicationCount"].as_i64() > Some(20) {
                return api.restarted().await;
            }
            tokio::task::yield_now().await;
        }
    };
    let (_, api) = tokio::join!(api.try_run_due(), end);
    let left = api.count("SELECT total - completed FROM replication_backfills");
    assert!(left > 0, "it had come to its end already");
    // The job loop does the same at its start.
    api.execute("UPDATE jobs SET lease_owner = NULL, lease_until = NULL")
        .await;
    api.run_replication().await;

    let told = api.backfill(&id).await;
    assert_eq!(told["status"], "COMPLETE");
    assert_eq!(told["progress"], progress(301, 301, 0, &[]));
    assert_eq!(api.in_region(WEST).tags("demo").await, api.tags("demo").await);
}

#[tokio::test]
async fn a_destination_has_to_be_configured() {
    let api = filled(1).await;
    for (account, region) in [(ACCOUNT, "eu-west-2"), (OTHER_ACCOUNT, WEST), (ACCOUNT, EAST)] {
        let input = json!({ "destination": destination(account, region) });
        api.call("StartReplicationBackfill", input)
            .await
            .refuses_parameter(
                "destination",
                "Replication destination must be configured in the replication configuration of the registry",
            );
    }
    let elsewhere = json!({ "destination": destination(ACCOUNT, WEST) });
    let answer = api
        .in_region(WEST)
        .call("StartReplicationBackfill", elsewhere)
        .await;
    assert_eq!(answer.error(), Some("InvalidParameterException"));
    for (operation, input) in [
        ("ListReplicationBackfills", json!({ "maxResults": 51 })),
        ("ListReplicationBackfills", json!({ "nextToken": "x" })),
        (
            "DescribeReplicationBackfillResults",
            json!({ "replicationBackfillId": ZERO_ID, "maxResults": 1001 }),
        ),
        (
            "DescribeReplicationBackfillResults",
            json!({ "replicationBackfillId": "x" }),
        ),
        ("StopReplicationBackfill", json!({ "replicationBackfillId": "x" })),
    ] {
        let answer = api.with_aws_names().call(operation, input).await;
        assert_eq!(answer.error(), Some("InvalidParameterException"), "{operation}");
    }
}

#[tokio::test]
async fn one_backfill_goes_to_a_region_and_ten_from_a_registry() {
    let api = Api::new();
    let regions = (0..11).map(|n| format!("xx-region-{n}")).collect::<Vec<_>>();
    let mut places = regions
        .iter()
        .map(|region| (ACCOUNT, region.as_str()))
        .collect::<Vec<_>>();
    places.push((OTHER_ACCOUNT, "xx-region-0"));
    api.replicate(&[rule(&places, &[], false)]).await;
    let first = api.start_backfill(ACCOUNT, "xx-region-0").await;
    for account in [ACCOUNT, OTHER_ACCOUNT] {
        let input = json!({ "destination": destination(account, "xx-region-0") });
        api.call("StartReplicationBackfill", input).await.refuses(
            ErrorCode::ReplicationBackfillInProgressException,
            "A replication backfill to the region 'xx-region-0' is already in progress in the registry with id \
             '000000000000'",
        );
    }
    for region in &regions[1..10] {
        api.start_backfill(ACCOUNT, region).await;
    }
    let eleventh = json!({ "destination": destination(ACCOUNT, "xx-region-10") });
    api.call("StartReplicationBackfill", eleventh.clone()).await.refuses(
        ErrorCode::LimitExceededException,
        "The registry with id '000000000000' already has the maximum allowed number of replication backfills in \
         progress which is '10'",
    );
    assert_eq!(api.stop_backfill(&first).await, "STOPPED");
    api.ok("StartReplicationBackfill", eleventh).await;
}

#[tokio::test]
async fn what_has_ended_or_never_was_cannot_be_stopped() {
    let api = filled(1).await;
    let id = api.start_backfill(ACCOUNT, WEST).await;
    api.run_replication().await;
    let input = json!({ "replicationBackfillId": id });
    let ended =
        format!("The replication backfill with id '{id}' cannot be stopped because its status is COMPLETE");
    api.call("StopReplicationBackfill", input.clone())
        .await
        .refuses(ErrorCode::ReplicationBackfillInvalidStatusException, &ended);
    for api in [api.in_region(WEST), api.by_account(OTHER_ACCOUNT)] {
        for operation in ["StopReplicationBackfill", "DescribeReplicationBackfillResults"] {
            let answer = api.call(operation, input.clone()).await;
            assert_eq!(answer.error(), Some("ReplicationBackfillNotFoundException"));
        }
    }
    let unknown = json!({ "replicationBackfillId": ZERO_ID });
    for operation in ["StopReplicationBackfill", "DescribeReplicationBackfillResults"] {
        let text = format!(
            "The replication backfill with id '{ZERO_ID}' does not exist in the registry with id '000000000000'"
        );
        api.call(operation, unknown.clone())
            .await
            .refuses(ErrorCode::ReplicationBackfillNotFoundException, &text);
    }
}

#[tokio::test]
async fn backfills_are_listed_newest_first_and_forgotten_ninety_days_after_their_end() {
    let api = filled(2).await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(api.start_backfill(ACCOUNT, WEST).await);
        api.run_replication().await;
        api.advance(DAY_MILLISECONDS);
    }
    ids.push(api.start_backfill(ACCOUNT, WEST).await);
    ids.reverse();

    let mut listed = Vec::new();
    let mut input = json!({ "maxResults": 4 });
    loop {
        let page = api.ok("ListReplicationBackfills", input.clone()).await;
        let summaries = page["backfills"].as_array().unwrap();
        listed.extend(
            summaries
                .iter()
                .map(|summary| summary["replicationBackfillId"].as_str().unwrap().to_owned()),
        );
        let Some(token) = page.get("nextToken") else { break };
        input["nextToken"] = token.clone();
    }
    assert_eq!(listed, ids);

    // The oldest backfill ended five days ago, and one has not ended.
    api.advance(86 * DAY_MILLISECONDS);
    let page = api.ok("ListReplicationBackfills", json!({})).await;
    assert_eq!(page["backfills"].as_array().unwrap().len(), 4);
    let gone = json!({ "replicationBackfillId": ids[5] });
    let answer = api.call("DescribeReplicationBackfillResults", gone).await;
    assert_eq!(answer.error(), Some("ReplicationBackfillNotFoundException"));
}
