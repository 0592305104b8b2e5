//! Internal faults: reported without internal details, and without lasting effect.

use ecru_model::{ErrorCode, Operation};

use crate::api::Api;
use crate::content::Image;
use crate::inputs::valid;

#[tokio::test]
async fn a_store_that_fails_is_a_fault_that_shows_nothing_of_itself() {
    let api = Api::new();
    api.create("demo").await;
    api.push("demo", Some("v1"), &Image::new(7)).await;
    api.execute("ALTER TABLE repositories RENAME TO away").await;
    api.execute("ALTER TABLE registry_settings RENAME TO settings_away")
        .await;
    api.execute("ALTER TABLE replication_backfills RENAME TO backfills_away")
        .await;
    api.execute("ALTER TABLE pull_time_exclusions RENAME TO exclusions_away")
        .await;
    for operation in Operation::ALL.iter().copied() {
        let answer = api.call(operation.name(), valid(operation)).await;
        if needs_no_store(operation) {
            assert_eq!(answer.status, 200, "{operation}: {}", answer.body);
            continue;
        }
        assert_eq!(answer.status, 500);
        let text = "These errors are usually caused by a server-side issue.";
        answer.refuses(ErrorCode::ServerException, text);
    }

    api.execute("ALTER TABLE away RENAME TO repositories").await;
    api.execute("ALTER TABLE settings_away RENAME TO registry_settings")
        .await;
    api.execute("ALTER TABLE backfills_away RENAME TO replication_backfills")
        .await;
    api.execute("ALTER TABLE exclusions_away RENAME TO pull_time_exclusions")
        .await;
    assert_eq!(api.tags("demo").await.len(), 1);
    for operation in Operation::ALL.iter().copied() {
        let answer = api.call(operation.name(), valid(operation)).await;
        assert!(answer.status < 500, "{operation}: {}", answer.body);
    }
}

fn needs_no_store(operation: Operation) -> bool {
    operation == Operation::GetAuthorizationToken
}
