//! Background jobs: a due job runs once, and its result is reported.

use ecru_platform::jobs::Ended;
use serde_json::json;

use crate::api::Api;
use crate::content::Image;

async fn kinds(api: &Api) -> Vec<String> {
    let ran = api.run_due().await;
    ran.into_iter().map(|ran| ran.kind).collect()
}

#[tokio::test]
async fn a_deleted_repository_is_removed_with_its_layers_by_what_is_due() {
    let api = Api::new();
    api.create("demo").await;
    api.push("demo", Some("v1"), &Image::new(1)).await;
    api.ok(
        "DeleteRepository",
        json!({ "repositoryName": "demo", "force": true }),
    )
    .await;
    assert_eq!(api.count("SELECT count(*) FROM images"), 1);

    let ran = api.run_due().await;
    let removal = ran.iter().find(|ran| ran.kind == "repository-removal").unwrap();
    assert_eq!(removal.ended, Ended::Done(json!({ "repositories": 1 })));
    for table in [
        "SELECT count(*) FROM repositories",
        "SELECT count(*) FROM images",
        "SELECT count(*) FROM links",
        "SELECT count(*) FROM blobs",
    ] {
        assert_eq!(api.count(table), 0, "{table}");
    }
    assert_eq!(kinds(&api).await, ["housekeeping"], "nothing else is left to do");
}

#[tokio::test]
async fn many_who_run_what_is_due_run_it_once() {
    let api = Api::new();
    for round in 0..5 {
        api.create("demo").await;
        api.push("demo", Some("v1"), &Image::new(round)).await;
        api.ok(
            "DeleteRepository",
            json!({ "repositoryName": "demo", "force": true }),
        )
        .await;
        let runs = (0..8).map(|_| api.run_due());
        let all = crate::api::join_all(runs).await;
        let removals = all.into_iter().map(|ran| {
            let removals = ran.iter().filter(|ran| ran.kind == "repository-removal");
            removals.count()
        });
        // Every caller that waited for the job gets its result.
        assert_eq!(removals.max(), Some(1));
        assert_eq!(api.count("SELECT count(*) FROM images"), 0);
    }
}
