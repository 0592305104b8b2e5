//! KMS as a client sees it: every operation, its answers and its errors.

mod aliases;
mod at_rest;
mod deletion;
mod encryption;
mod grants;
mod keys;
mod policies_and_tags;
mod repositories;
mod rotation;
mod signing;

use serde_json::{Value, json};

use crate::api::Api;

pub(crate) const ARN: &str = "arn:aws:kms:us-east-1:000000000000:";
/// The id of ECR's default key in the account and region of the tests.
pub(crate) const DEFAULT_KEY: &str = "ce505e1c-fddd-48da-88b8-c20bafa567da";
pub(crate) const UNKNOWN_KEY: &str = "1234abcd-12ab-34cd-56ef-1234567890ab";

impl Api {
    /// A request to KMS that has to succeed.
    pub(crate) async fn kms_ok(&self, operation: &str, input: Value) -> Value {
        let (status, body) = self.kms(operation, input).await;
        assert_eq!(status, 200, "{operation}: {body}");
        body
    }

    /// The code and the message of a request to KMS that has to fail.
    pub(crate) async fn kms_refused(&self, operation: &str, input: Value) -> (String, String) {
        let (status, body) = self.kms(operation, input).await;
        assert_eq!(status, 400, "{operation}: {body}");
        let text = |member: &str| body[member].as_str().unwrap_or_default().to_owned();
        (text("__type"), text("message"))
    }

    /// Makes a key and returns its id.
    pub(crate) async fn key(&self, input: Value) -> String {
        let made = self.kms_ok("CreateKey", input).await;
        made["KeyMetadata"]["KeyId"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn symmetric_key(&self) -> String {
        self.key(json!({})).await
    }

    pub(crate) async fn signing_key(&self) -> String {
        self.key(json!({ "KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY" }))
            .await
    }

    pub(crate) async fn key_state(&self, key: &str) -> String {
        let described = self.kms_ok("DescribeKey", json!({ "KeyId": key })).await;
        described["KeyMetadata"]["KeyState"].as_str().unwrap().to_owned()
    }
}

pub(crate) fn arn(key: &str) -> String {
    format!("{ARN}key/{key}")
}

pub(crate) fn error(code: &str, message: impl Into<String>) -> (String, String) {
    (code.to_owned(), message.into())
}
