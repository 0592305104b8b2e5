//! Events: each change causes its event in EventBridge's form, and nothing else does.

use ecru_platform::paging::Extent;
use ecru_registry::events::{Envelope, EventFilter};
use serde_json::{Value, json};

use crate::api::{Api, OTHER_ACCOUNT, pretty};
use crate::content::{ABSENT, Image, index, put};

const ALL: Extent = Extent {
    after: 0,
    limit: 1_000,
};

fn events(api: &Api) -> Vec<Value> {
    let page = api.list_events(EventFilter::default(), ALL);
    page.items.iter().map(Envelope::to_json).collect()
}

/// The action and tag of every event of a repository.
fn actions(api: &Api, repository: &str) -> Vec<(String, Option<String>)> {
    let text = |event: &Value, member: &str| event["detail"][member].as_str().map(str::to_owned);
    events(api)
        .iter()
        .filter(|event| event["detail"]["repository-name"] == repository)
        .map(|event| (text(event, "action-type").unwrap(), text(event, "image-tag")))
        .collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, Option<String>)> {
    let tag = |tag: &str| (!tag.is_empty()).then(|| tag.to_owned());
    expected
        .iter()
        .map(|(action, of)| ((*action).to_owned(), tag(of)))
        .collect()
}

#[tokio::test]
async fn a_push_is_told_as_eventbridge_tells_it() {
    let api = Api::new();
    api.create("demo").await;
    api.push("demo", Some("v1"), &Image::new(1)).await;
    let told = events(&api);
    insta::assert_snapshot!(pretty(&told[0], &["id", "image-digest"]), @r#"
    {
      "account": "000000000000",
      "detail": {
        "action-type": "PUSH",
        "artifact-media-type": "application/vnd.oci.image.config.v1+json",
        "image-digest": "<image-digest>",
        "image-tag": "v1",
        "manifest-media-type": "application/vnd.oci.image.manifest.v1+json",
        "repository-name": "demo",
        "result": "SUCCESS"
      },
      "detail-type": "ECR Image Action",
      "id": "<id>",
      "region": "us-east-1",
      "resources": [],
      "source": "aws.ecr",
      "time": "2026-01-01T00:00:00Z",
      "version": "0"
    }
    "#);
    assert_eq!(told[0]["detail"]["image-digest"], Image::new(1).digest());
    assert_eq!(told.len(), 1);
    assert!(uuid::Uuid::parse_str(told[0]["id"].as_str().unwrap()).is_ok());
    assert_eq!(events(&api), told, "an event keeps its id");
}

#[tokio::test]
async fn every_tag_that_is_given_or_taken_is_told_and_nothing_else() {
    let api = Api::new();
    api.create("demo").await;
    let one = Image::new(1);
    api.push("demo", Some("v1"), &one).await;
    api.push("demo", Some("v2"), &one).await;
    api.push("demo", None, &Image::new(2)).await;
    // A repeated push through the OCI API changes nothing. A refused request causes no event.
    api.put_manifest("demo", "v2", one.text()).await.unwrap();
    api.call("PutImage", put("demo", &one.text(), Some("v1"))).await;
    api.call("PutImage", put("demo", &Image::new(3).text(), Some("v1")))
        .await;
    // A tag that moves causes a push event of the other image.
    api.push("demo", Some("v1"), &Image::new(2)).await;
    let so_far = [("PUSH", "v1"), ("PUSH", "v2"), ("PUSH", ""), ("PUSH", "v1")];
    assert_eq!(actions(&api, "demo"), pairs(&so_far));

    let delete = |ids: Value| json!({ "repositoryName": "demo", "imageIds": ids });
    api.push("demo", Some("v3"), &Image::new(2)).await;
    api.push("demo", None, &Image::new(4)).await;
    let ids = json!([
        { "imageTag": "v3" },
        { "imageDigest": one.digest() },
        { "imageDigest": Image::new(4).digest() },
        { "imageDigest": ABSENT },
    ]);
    api.ok("BatchDeleteImage", delete(ids)).await;
    let mut all = so_far.to_vec();
    all.extend([
        ("PUSH", "v3"),
        ("PUSH", ""),
        ("DELETE", "v3"),
        ("DELETE", "v2"),
        ("DELETE", ""),
    ]);
    assert_eq!(actions(&api, "demo"), pairs(&all));
}

#[tokio::test]
async fn a_deletion_that_an_index_forbids_is_not_told() {
    let api = Api::new();
    api.create("demo").await;
    let child = Image::new(1);
    api.push("demo", None, &child).await;
    api.push_index("demo", Some("all"), &index(&[&child])).await;
    let told = events(&api).len();
    let ids = json!({ "repositoryName": "demo", "imageIds": [{ "imageDigest": child.digest() }] });
    api.ok("BatchDeleteImage", ids).await;
    assert_eq!(events(&api).len(), told);
}

#[tokio::test]
async fn events_are_listed_by_account_region_repository_and_type_in_pages() {
    let api = Api::new();
    let elsewhere = api.in_region("eu-west-1");
    let others = api.by_account(OTHER_ACCOUNT);
    for caller in [&api, &elsewhere, &others] {
        caller.create("aa").await;
        caller.create("bb").await;
        for tag in ["v1", "v2"] {
            caller.push("aa", Some(tag), &Image::new(1)).await;
            caller.push("bb", Some(tag), &Image::new(2)).await;
        }
    }
    let count = |filter: EventFilter| api.list_events(filter, ALL).items.len();
    let account = Some(ecru_model::RegistryId::parse(OTHER_ACCOUNT).unwrap());
    let region = Some(ecru_model::Region::parse("eu-west-1").unwrap());
    let all = EventFilter::default();
    assert_eq!(count(all.clone()), 12);
    assert_eq!(
        count(EventFilter {
            account: account.clone(),
            ..all.clone()
        }),
        4
    );
    assert_eq!(
        count(EventFilter {
            region,
            ..all.clone()
        }),
        4
    );
    let of_aa = EventFilter {
        repository: Some("aa".to_owned()),
        ..all.clone()
    };
    assert_eq!(count(of_aa.clone()), 6);
    assert_eq!(
        count(EventFilter {
            account,
            ..of_aa.clone()
        }),
        2
    );
    let scans = EventFilter {
        detail_type: Some("ECR Image Scan".to_owned()),
        ..all
    };
    assert_eq!(count(scans), 0);

    let mut found = 0;
    let mut after = 0;
    loop {
        let page = api.list_events(of_aa.clone(), Extent { after, limit: 4 });
        assert!(page.items.len() <= 4);
        found += page.items.len();
        match page.next {
            Some(next) => after = next,
            None => break,
        }
    }
    assert_eq!(found, 6);
}

#[tokio::test]
async fn events_go_with_a_reset_and_no_sequence_comes_again() {
    let api = Api::new();
    let others = api.by_account(OTHER_ACCOUNT);
    for caller in [&api, &others] {
        caller.create("demo").await;
        caller.push("demo", Some("v1"), &Image::new(1)).await;
    }
    let sequences = || {
        let page = api.list_events(EventFilter::default(), ALL);
        page.items.iter().map(|event| event.sequence).collect::<Vec<_>>()
    };
    assert_eq!(sequences(), [1, 2]);

    let account = Some(ecru_model::RegistryId::parse(OTHER_ACCOUNT).unwrap());
    api.reset(account).await;
    assert_eq!(sequences(), [1]);
    api.push("demo", Some("v2"), &Image::new(2)).await;
    assert_eq!(sequences(), [1, 3]);

    api.reset(None).await;
    assert_eq!(sequences(), [0_i64; 0]);
    api.create("demo").await;
    api.push("demo", Some("v1"), &Image::new(1)).await;
    assert_eq!(sequences(), [4]);
}

#[tokio::test]
async fn events_that_are_old_go_when_nobody_waits_for_them() {
    let api = Api::new();
    api.create("demo").await;
    for (seed, tag) in [(1, "v1"), (2, "v2"), (3, "v3")] {
        api.push("demo", Some(tag), &Image::new(seed)).await;
    }
    // The age of an event does not depend on the clock that tests set.
    api.service().clock.advance(400 * 24 * 60 * 60 * 1_000);
    api.run_due().await;
    assert_eq!(events(&api).len(), 3);

    api.execute("UPDATE outbox SET recorded_at = recorded_at - 86400001 WHERE sequence < 3")
        .await;
    api.execute("INSERT INTO sink_cursors (sink, sequence, active) VALUES ('s', 1, 1)")
        .await;
    api.run_due().await;
    assert_eq!(actions(&api, "demo"), pairs(&[("PUSH", "v2"), ("PUSH", "v3")]));

    api.execute("UPDATE outbox SET recorded_at = recorded_at - 604800000 WHERE sequence = 2")
        .await;
    api.run_due().await;
    assert_eq!(
        actions(&api, "demo"),
        pairs(&[("PUSH", "v3")]),
        "it waited for a week"
    );
}
