//! Grants: recorded, listed, retired and revoked.

use serde_json::{Value, json};

use super::{UNKNOWN_KEY, arn, error};
use crate::api::Api;

const USER: &str = "arn:aws:iam::000000000000:user/alice";

async fn grants(api: &Api, key: &str) -> Vec<Value> {
    let listed = api.kms_ok("ListGrants", json!({ "KeyId": key })).await;
    listed["Grants"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_grant_is_recorded_and_revoked() {
    let api = Api::new();
    let key = api.symmetric_key().await;
    let input = json!({
        "KeyId": key, "GranteePrincipal": USER, "RetiringPrincipal": USER, "Name": "mine",
        "Operations": ["Encrypt", "Decrypt"], "Constraints": { "EncryptionContextSubset": { "a": "b" } },
    });
    let made = api.kms_ok("CreateGrant", input.clone()).await;
    assert_eq!(made["GrantId"].as_str().unwrap().len(), 64);
    assert_eq!(
        grants(&api, &key).await,
        [json!({
            "KeyId": arn(&key),
            "GrantId": made["GrantId"],
            "Name": "mine",
            "CreationDate": 1_767_225_600.5,
            "GranteePrincipal": USER,
            "RetiringPrincipal": USER,
            "IssuingAccount": "arn:aws:iam::000000000000:root",
            "Operations": ["Encrypt", "Decrypt"],
            "Constraints": { "EncryptionContextSubset": { "a": "b" } },
        })]
    );
    // The same request with a name makes no second grant.
    assert_eq!(api.kms_ok("CreateGrant", input).await, made);
    let revoke = json!({ "KeyId": key, "GrantId": made["GrantId"] });
    let mut dry = revoke.clone();
    dry["DryRun"] = json!(true);
    let (code, _) = api.kms_refused("RevokeGrant", dry).await;
    assert_eq!(code, "DryRunOperationException");
    assert_eq!(grants(&api, &key).await.len(), 1);
    api.kms_ok("RevokeGrant", revoke.clone()).await;
    assert_eq!(grants(&api, &key).await.len(), 0);
    let (code, _) = api.kms_refused("RevokeGrant", revoke).await;
    assert_eq!(code, "NotFoundException");
}

#[tokio::test]
async fn a_grant_is_retired_by_its_token_or_its_id() {
    let api = Api::new();
    let key = api.signing_key().await;
    let input =
        json!({ "KeyId": key, "GranteeServicePrincipal": "ecr.amazonaws.com", "Operations": ["Sign"] });
    let (one, two) = (
        api.kms_ok("CreateGrant", input.clone()).await,
        api.kms_ok("CreateGrant", input).await,
    );
    assert_ne!(one["GrantId"], two["GrantId"]);
    let filtered = api
        .kms_ok("ListGrants", json!({ "KeyId": key, "GrantId": two["GrantId"] }))
        .await;
    assert_eq!(filtered["Grants"].as_array().unwrap().len(), 1);
    api.kms_ok("RetireGrant", json!({ "GrantToken": one["GrantToken"] }))
        .await;
    api.kms_ok(
        "RetireGrant",
        json!({ "KeyId": arn(&key), "GrantId": two["GrantId"] }),
    )
    .await;
    assert_eq!(grants(&api, &key).await.len(), 0);
    assert_eq!(
        api.kms_refused("RetireGrant", json!({ "GrantToken": "none" }))
            .await,
        error("InvalidGrantTokenException", "The grant token is invalid")
    );
    let (code, _) = api.kms_refused("RetireGrant", json!({ "KeyId": key })).await;
    assert_eq!(code, "ValidationException");
}

#[tokio::test]
async fn a_grant_is_about_what_its_key_can_do() {
    let api = Api::new();
    let key = api.symmetric_key().await;
    for (operations, code) in [
        (json!(["Sign"]), "ValidationException"),
        (json!([]), "ValidationException"),
        (json!(["Juggle"]), "ValidationException"),
    ] {
        let input = json!({ "KeyId": key, "GranteePrincipal": USER, "Operations": operations });
        assert_eq!(api.kms_refused("CreateGrant", input).await.0, code);
    }
    let (code, _) = api
        .kms_refused("CreateGrant", json!({ "KeyId": key, "Operations": ["Encrypt"] }))
        .await;
    assert_eq!(code, "ValidationException");
    let (code, _) = api
        .kms_refused("ListGrants", json!({ "KeyId": UNKNOWN_KEY }))
        .await;
    assert_eq!(code, "NotFoundException");
}
