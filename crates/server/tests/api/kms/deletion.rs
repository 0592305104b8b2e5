//! Deletion: a waiting time by the clock, and the end of the material.

use serde_json::json;

use super::{arn, error};
use crate::api::Api;

const DAY: i64 = 24 * 60 * 60 * 1_000;

#[tokio::test]
async fn a_key_waits_before_it_is_deleted() {
    let api = Api::new();
    let key = api.symmetric_key().await;
    api.kms_ok(
        "CreateAlias",
        json!({ "AliasName": "alias/x", "TargetKeyId": key }),
    )
    .await;
    let scheduled = api
        .kms_ok(
            "ScheduleKeyDeletion",
            json!({ "KeyId": key, "PendingWindowInDays": 7 }),
        )
        .await;
    assert_eq!(
        scheduled,
        json!({
            "KeyId": arn(&key), "DeletionDate": 1_767_830_400.5, "KeyState": "PendingDeletion", "PendingWindowInDays": 7,
        })
    );
    assert_eq!(api.key_state(&key).await, "PendingDeletion");
    let pending = error(
        "KMSInvalidStateException",
        format!("{} is pending deletion.", arn(&key)),
    );
    for (operation, input) in [
        ("Encrypt", json!({ "Plaintext": "aGVsbG8=" })),
        ("EnableKey", json!({})),
        ("DisableKey", json!({})),
        ("ScheduleKeyDeletion", json!({})),
        ("UpdateKeyDescription", json!({ "Description": "x" })),
        ("TagResource", json!({ "Tags": [] })),
        ("EnableKeyRotation", json!({})),
    ] {
        let mut input = input;
        input["KeyId"] = json!(key);
        assert_eq!(api.kms_refused(operation, input).await, pending, "{operation}");
    }

    api.advance(7 * DAY - 1);
    api.run_due().await;
    assert_eq!(api.key_state(&key).await, "PendingDeletion");
    assert_eq!(api.count("SELECT count(*) FROM kms_materials"), 1);
    api.advance(1);
    let gone = error("NotFoundException", format!("Key '{}' does not exist", arn(&key)));
    assert_eq!(
        api.kms_refused("DescribeKey", json!({ "KeyId": key })).await,
        gone
    );
    api.run_due().await;
    for sql in [
        "SELECT count(*) FROM kms_materials",
        "SELECT count(*) FROM kms_aliases",
    ] {
        assert_eq!(api.count(sql), 0);
    }
    assert_eq!(
        api.kms_refused("DescribeKey", json!({ "KeyId": key })).await,
        gone
    );
    assert_eq!(
        api.kms_ok("ListKeys", json!({})).await["Keys"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn a_cancelled_deletion_leaves_the_key_disabled() {
    let api = Api::new();
    let key = api.symmetric_key().await;
    let not_pending = error(
        "KMSInvalidStateException",
        format!("{} is not pending deletion.", arn(&key)),
    );
    assert_eq!(
        api.kms_refused("CancelKeyDeletion", json!({ "KeyId": key }))
            .await,
        not_pending
    );
    api.kms_ok("ScheduleKeyDeletion", json!({ "KeyId": key })).await;
    let cancelled = api.kms_ok("CancelKeyDeletion", json!({ "KeyId": key })).await;
    assert_eq!(cancelled, json!({ "KeyId": arn(&key) }));
    assert_eq!(api.key_state(&key).await, "Disabled");
    api.kms_ok("EnableKey", json!({ "KeyId": key })).await;
    api.advance(31 * DAY);
    api.run_due().await;
    assert_eq!(api.key_state(&key).await, "Enabled");
    assert_eq!(api.count("SELECT count(*) FROM kms_materials"), 1);
}

#[tokio::test]
async fn a_deletion_that_is_scheduled_again_counts_from_then() {
    let api = Api::new();
    let key = api.symmetric_key().await;
    api.kms_ok(
        "ScheduleKeyDeletion",
        json!({ "KeyId": key, "PendingWindowInDays": 7 }),
    )
    .await;
    api.kms_ok("CancelKeyDeletion", json!({ "KeyId": key })).await;
    api.kms_ok(
        "ScheduleKeyDeletion",
        json!({ "KeyId": key, "PendingWindowInDays": 30 }),
    )
    .await;
    api.advance(8 * DAY);
    api.run_due().await;
    assert_eq!(api.key_state(&key).await, "PendingDeletion");
    api.advance(22 * DAY);
    api.run_due().await;
    assert_eq!(api.count("SELECT count(*) FROM kms_materials"), 0);
}

#[tokio::test]
async fn a_key_waits_from_7_to_30_days() {
    let api = Api::new();
    let key = api.symmetric_key().await;
    for (days, bound) in [
        (6, "greater than or equal to 7"),
        (31, "less than or equal to 30"),
    ] {
        let message = format!(
            "1 validation error detected: Value '{days}' at 'pendingWindowInDays' failed to satisfy constraint: Member \
             must have value {bound}"
        );
        assert_eq!(
            api.kms_refused(
                "ScheduleKeyDeletion",
                json!({ "KeyId": key, "PendingWindowInDays": days })
            )
            .await,
            error("ValidationException", message)
        );
    }
}
