//! Rotation: new material by the clock, and old texts that still open.

use serde_json::{Value, json};

use super::{arn, error};
use crate::api::Api;

const DAY: i64 = 24 * 60 * 60 * 1_000;

#[tokio::test]
async fn a_key_gets_new_material_and_still_opens_old_texts() {
    let api = Api::new();
    let key = api.symmetric_key().await;
    let off = json!({ "KeyId": arn(&key), "KeyRotationEnabled": false });
    assert_eq!(
        api.kms_ok("GetKeyRotationStatus", json!({ "KeyId": key })).await,
        off
    );
    api.kms_ok(
        "EnableKeyRotation",
        json!({ "KeyId": key, "RotationPeriodInDays": 90 }),
    )
    .await;
    assert_eq!(
        api.kms_ok("GetKeyRotationStatus", json!({ "KeyId": key })).await,
        json!({
            "KeyId": arn(&key), "KeyRotationEnabled": true, "RotationPeriodInDays": 90,
            "NextRotationDate": 1_775_001_600.5,
        })
    );
    let material = async || {
        let described = api.kms_ok("DescribeKey", json!({ "KeyId": key })).await;
        described["KeyMetadata"]["CurrentKeyMaterialId"].clone()
    };
    let first = material().await;
    let sealed = api
        .kms_ok("Encrypt", json!({ "KeyId": key, "Plaintext": "aGVsbG8=" }))
        .await;
    api.advance(90 * DAY - 1);
    api.run_due().await;
    assert_eq!(material().await, first);
    api.advance(1);
    api.run_due().await;
    let second = material().await;
    assert_ne!(second, first);

    let opened = api
        .kms_ok("Decrypt", json!({ "CiphertextBlob": sealed["CiphertextBlob"] }))
        .await;
    assert_eq!(
        (&opened["Plaintext"], &opened["KeyMaterialId"]),
        (&json!("aGVsbG8="), &first)
    );
    let sealed = api
        .kms_ok("Encrypt", json!({ "KeyId": key, "Plaintext": "aGVsbG8=" }))
        .await;
    let opened = api
        .kms_ok("Decrypt", json!({ "CiphertextBlob": sealed["CiphertextBlob"] }))
        .await;
    assert_eq!(opened["KeyMaterialId"], second);

    api.kms_ok("DisableKeyRotation", json!({ "KeyId": key })).await;
    assert_eq!(
        api.kms_ok("GetKeyRotationStatus", json!({ "KeyId": key })).await,
        off
    );
    api.advance(90 * DAY);
    api.run_due().await;
    assert_eq!(material().await, second);
}

#[tokio::test]
async fn a_disabled_key_is_rotated_once_it_is_enabled() {
    let api = Api::new();
    let key = api.symmetric_key().await;
    api.kms_ok("EnableKeyRotation", json!({ "KeyId": key })).await;
    api.kms_ok("DisableKey", json!({ "KeyId": key })).await;
    api.advance(366 * DAY);
    api.run_due().await;
    assert_eq!(api.count("SELECT count(*) FROM kms_materials"), 1);
    api.kms_ok("EnableKey", json!({ "KeyId": key })).await;
    api.run_due().await;
    assert_eq!(api.count("SELECT count(*) FROM kms_materials"), 2);
}

#[tokio::test]
async fn an_asymmetric_key_keeps_its_material() {
    let api = Api::new();
    let key = api.signing_key().await;
    let (code, _) = api
        .kms_refused("EnableKeyRotation", json!({ "KeyId": key }))
        .await;
    assert_eq!(code, "UnsupportedOperationException");
    let status: Value = api.kms_ok("GetKeyRotationStatus", json!({ "KeyId": key })).await;
    assert_eq!(status["KeyRotationEnabled"], false);
    let symmetric = api.symmetric_key().await;
    api.kms_ok("DisableKey", json!({ "KeyId": symmetric })).await;
    assert_eq!(
        api.kms_refused("EnableKeyRotation", json!({ "KeyId": symmetric }))
            .await,
        error("DisabledException", format!("{} is disabled.", arn(&symmetric)))
    );
}
