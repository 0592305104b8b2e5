//! The material at rest: a key file that is made when it is needed, and keys whose master key is lost.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use super::{arn, error};
use crate::api::Api;

const FILE: &str = "kms-master-key";

#[tokio::test]
async fn a_server_without_keys_makes_no_key_file() {
    let api = Api::new();
    let path = api.data().join(FILE);
    api.kms_ok("ListKeys", json!({})).await;
    api.kms_ok("DescribeKey", json!({ "KeyId": "alias/aws/ecr" }))
        .await;
    assert!(!path.exists());
    api.symmetric_key().await;
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn keys_survive_a_restart() {
    let api = Api::new();
    let key = api.symmetric_key().await;
    let sealed = api
        .kms_ok("Encrypt", json!({ "KeyId": key, "Plaintext": "aGVsbG8=" }))
        .await;
    let api = api.restarted().await;
    let opened = api
        .kms_ok("Decrypt", json!({ "CiphertextBlob": sealed["CiphertextBlob"] }))
        .await;
    assert_eq!(opened["Plaintext"], "aGVsbG8=");
}

#[tokio::test]
async fn a_key_whose_master_key_is_lost_is_unavailable() {
    let api = Api::new();
    let (key, signing) = (api.symmetric_key().await, api.signing_key().await);
    let sign = json!({ "KeyId": signing, "Message": "aGVsbG8=", "SigningAlgorithm": "ECDSA_SHA_256" });
    let signed = api.kms_ok("Sign", sign.clone()).await;
    fs::remove_file(api.data().join(FILE)).unwrap();
    let api = api.restarted().await;
    assert_eq!(api.key_state(&key).await, "Unavailable");
    let lost = |key: &str| {
        error(
            "KMSInvalidStateException",
            format!("{} is unavailable: its master key is missing.", arn(key)),
        )
    };
    assert_eq!(
        api.kms_refused("Encrypt", json!({ "KeyId": key, "Plaintext": "aGVsbG8=" }))
            .await,
        lost(&key)
    );
    assert_eq!(api.kms_refused("Sign", sign.clone()).await, lost(&signing));
    // The public half is not lost.
    let mut verify = sign;
    verify["Signature"] = signed["Signature"].clone();
    api.kms_ok("Verify", verify).await;
    // A new key makes a new master key, and the old ones stay lost.
    let new = api.symmetric_key().await;
    api.kms_ok("Encrypt", json!({ "KeyId": new, "Plaintext": "aGVsbG8=" }))
        .await;
    assert_eq!(
        api.kms_refused("Encrypt", json!({ "KeyId": key, "Plaintext": "aGVsbG8=" }))
            .await,
        lost(&key)
    );
}

#[tokio::test]
async fn no_row_holds_material_in_the_clear() {
    let api = Api::new();
    api.signing_key().await;
    // PKCS #8 of a key on P-256 names the curve.
    let found = api.count("SELECT count(*) FROM kms_materials WHERE instr(wrapped, x'2a8648ce3d030107') > 0");
    assert_eq!(found, 0);
}
