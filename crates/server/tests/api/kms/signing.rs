//! Signatures: every algorithm of every key, over messages and digests.

use aws_lc_rs::digest::{SHA256, SHA384, SHA512, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{arn, error};
use crate::api::Api;

const MESSAGE: &[u8] = b"an important message";

fn digest_for(algorithm: &str) -> String {
    let with = match algorithm.rsplit('_').next() {
        Some("256") => &SHA256,
        Some("384") => &SHA384,
        _ => &SHA512,
    };
    STANDARD.encode(digest(with, MESSAGE))
}

async fn check_every_algorithm(spec: &str) {
    let api = Api::new();
    let key = api
        .key(json!({ "KeySpec": spec, "KeyUsage": "SIGN_VERIFY" }))
        .await;
    let described = api.kms_ok("DescribeKey", json!({ "KeyId": key })).await;
    for algorithm in described["KeyMetadata"]["SigningAlgorithms"].as_array().unwrap() {
        let algorithm = algorithm.as_str().unwrap();
        let raw = json!({ "KeyId": key, "Message": STANDARD.encode(MESSAGE), "SigningAlgorithm": algorithm });
        let digest = json!({
            "KeyId": key, "Message": digest_for(algorithm), "MessageType": "DIGEST", "SigningAlgorithm": algorithm,
        });
        for (signed, verified) in [(&raw, &digest), (&digest, &raw)] {
            let made = api.kms_ok("Sign", signed.clone()).await;
            assert_eq!(
                [&made["KeyId"], &made["SigningAlgorithm"]],
                [arn(&key).as_str(), algorithm]
            );
            let mut verify = verified.clone();
            verify["Signature"] = made["Signature"].clone();
            let valid = json!({ "KeyId": arn(&key), "SignatureValid": true, "SigningAlgorithm": algorithm });
            assert_eq!(api.kms_ok("Verify", verify.clone()).await, valid);
            verify["Signature"] = json!(STANDARD.encode(b"bad"));
            assert_eq!(
                api.kms_refused("Verify", verify).await,
                error("KMSInvalidSignatureException", "")
            );
        }
        let mut short = digest.clone();
        short["Message"] = json!(STANDARD.encode(b"short"));
        let message = format!("Digest is invalid length for algorithm {algorithm}.");
        assert_eq!(
            api.kms_refused("Sign", short.clone()).await,
            error("ValidationException", &*message)
        );
        short["Signature"] = json!(STANDARD.encode(b"bad"));
        assert_eq!(
            api.kms_refused("Verify", short).await,
            error("ValidationException", message)
        );
    }
}

#[tokio::test]
async fn a_key_on_p256_signs() {
    check_every_algorithm("ECC_NIST_P256").await;
}

#[tokio::test]
async fn a_key_on_p384_signs() {
    check_every_algorithm("ECC_NIST_P384").await;
}

#[tokio::test]
async fn an_rsa_key_of_2048_bits_signs() {
    check_every_algorithm("RSA_2048").await;
}

#[tokio::test]
async fn an_rsa_key_of_3072_bits_signs() {
    check_every_algorithm("RSA_3072").await;
}

#[tokio::test]
async fn an_rsa_key_of_4096_bits_signs() {
    check_every_algorithm("RSA_4096").await;
}

#[tokio::test]
async fn a_key_refuses_what_it_is_not_for() {
    let api = Api::new();
    let (symmetric, signing) = (api.symmetric_key().await, api.signing_key().await);
    let sign = |key: &str, algorithm: &str| json!({ "KeyId": key, "Message": "aGVsbG8=", "SigningAlgorithm": algorithm });
    let usage = |operation: &str| {
        let message = format!(
            "{} key usage is ENCRYPT_DECRYPT which is not valid for {operation}.",
            arn(&symmetric)
        );
        error("InvalidKeyUsageException", message)
    };
    assert_eq!(
        api.kms_refused("Sign", sign(&symmetric, "ECDSA_SHA_256")).await,
        usage("Sign")
    );
    let mut verify = sign(&symmetric, "ECDSA_SHA_256");
    verify["Signature"] = json!("aGVsbG8=");
    assert_eq!(api.kms_refused("Verify", verify).await, usage("Verify"));
    assert_eq!(
        api.kms_refused("Sign", sign(&signing, "ECDSA_SHA_384")).await,
        error(
            "InvalidKeyUsageException",
            "Algorithm ECDSA_SHA_384 is incompatible with key spec ECC_NIST_P256."
        )
    );
    let (code, _) = api
        .kms_refused("GetPublicKey", json!({ "KeyId": symmetric }))
        .await;
    assert_eq!(code, "UnsupportedOperationException");
}

#[tokio::test]
async fn a_message_has_at_most_4096_bytes() {
    let api = Api::new();
    let key = api.signing_key().await;
    let sign = |length: usize| json!({ "KeyId": key, "Message": STANDARD.encode(vec![7; length]), "SigningAlgorithm": "ECDSA_SHA_256" });
    api.kms_ok("Sign", sign(4096)).await;
    let (code, message) = api.kms_refused("Sign", sign(4097)).await;
    assert_eq!(code, "ValidationException");
    assert!(
        message.contains(
            "at 'message' failed to satisfy constraint: Member must have length less than or equal to 4096"
        ),
        "{message}"
    );
}

#[tokio::test]
async fn a_dry_run_checks_everything_and_signs_nothing() {
    let api = Api::new();
    let key = api.signing_key().await;
    let mut input =
        json!({ "KeyId": key, "Message": "aGVsbG8=", "SigningAlgorithm": "ECDSA_SHA_256", "DryRun": true });
    let good = error(
        "DryRunOperationException",
        "The request would have succeeded, but the DryRun option is set.",
    );
    assert_eq!(api.kms_refused("Sign", input.clone()).await, good);
    input["SigningAlgorithm"] = json!("ECDSA_SHA_384");
    let (code, _) = api.kms_refused("Sign", input).await;
    assert_eq!(code, "InvalidKeyUsageException");
}

#[tokio::test]
async fn a_signature_verifies_outside_with_the_public_key() {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ParsedPublicKey};

    let api = Api::new();
    let key = api.signing_key().await;
    let public: Value = api.kms_ok("GetPublicKey", json!({ "KeyId": key })).await;
    let made = api
        .kms_ok(
            "Sign",
            json!({ "KeyId": key, "Message": STANDARD.encode(MESSAGE), "SigningAlgorithm": "ECDSA_SHA_256" }),
        )
        .await;
    let bytes = |value: &Value| STANDARD.decode(value.as_str().unwrap()).unwrap();
    let public = ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, bytes(&public["PublicKey"])).unwrap();
    assert!(public.verify_sig(MESSAGE, &bytes(&made["Signature"])).is_ok());
}
