//! Encryption: texts, contexts, data keys, and ciphertexts that were changed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{arn, error};
use crate::api::Api;

const PLAIN: &str = "aGVsbG8=";

#[tokio::test]
async fn a_text_comes_back_with_its_context_alone() {
    let api = Api::new();
    let key = api.symmetric_key().await;
    let context = json!({ "purpose": "test", "team": "a" });
    let sealed = api
        .kms_ok(
            "Encrypt",
            json!({ "KeyId": key, "Plaintext": PLAIN, "EncryptionContext": context }),
        )
        .await;
    assert_eq!(
        [&sealed["KeyId"], &sealed["EncryptionAlgorithm"]],
        [arn(&key).as_str(), "SYMMETRIC_DEFAULT"]
    );
    let blob = &sealed["CiphertextBlob"];
    let opened = api
        .kms_ok(
            "Decrypt",
            json!({ "CiphertextBlob": blob, "EncryptionContext": context }),
        )
        .await;
    assert_eq!(
        [
            &opened["KeyId"],
            &opened["Plaintext"],
            &opened["EncryptionAlgorithm"]
        ],
        [arn(&key).as_str(), PLAIN, "SYMMETRIC_DEFAULT"]
    );
    assert_eq!(opened["KeyMaterialId"].as_str().unwrap().len(), 64);
    for other in [
        json!({}),
        json!({ "purpose": "test" }),
        json!({ "purpose": "tes", "team": "ta" }),
    ] {
        let refused = api
            .kms_refused(
                "Decrypt",
                json!({ "CiphertextBlob": blob, "EncryptionContext": other }),
            )
            .await;
        assert_eq!(refused, error("InvalidCiphertextException", ""));
    }
}

#[tokio::test]
async fn a_key_that_is_named_must_be_the_one_that_encrypted() {
    let api = Api::new();
    let (key, other, signing) = (
        api.symmetric_key().await,
        api.symmetric_key().await,
        api.signing_key().await,
    );
    let sealed = api
        .kms_ok("Encrypt", json!({ "KeyId": key, "Plaintext": PLAIN }))
        .await;
    let decrypt = |name: &str| json!({ "KeyId": name, "CiphertextBlob": sealed["CiphertextBlob"] });
    assert_eq!(
        api.kms_ok("Decrypt", decrypt(&arn(&key))).await["Plaintext"],
        PLAIN
    );
    let incorrect = error(
        "IncorrectKeyException",
        "The key ID in the request does not identify a CMK that can perform this operation.",
    );
    assert_eq!(api.kms_refused("Decrypt", decrypt(&other)).await, incorrect);
    assert_eq!(api.kms_refused("Decrypt", decrypt(&signing)).await, incorrect);
    let usage = format!(
        "{} key usage is SIGN_VERIFY which is not valid for Encrypt.",
        arn(&signing)
    );
    assert_eq!(
        api.kms_refused("Encrypt", json!({ "KeyId": signing, "Plaintext": PLAIN }))
            .await,
        error("InvalidKeyUsageException", usage)
    );
}

#[tokio::test]
async fn a_ciphertext_that_was_changed_is_refused() {
    let api = Api::new();
    let key = api.symmetric_key().await;
    let sealed = api
        .kms_ok("Encrypt", json!({ "KeyId": key, "Plaintext": PLAIN }))
        .await;
    let bytes = STANDARD
        .decode(sealed["CiphertextBlob"].as_str().unwrap())
        .unwrap();
    let invalid = error("InvalidCiphertextException", "");
    let decrypt = |bytes: &[u8]| json!({ "CiphertextBlob": STANDARD.encode(bytes) });
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        assert_eq!(
            api.kms_refused("Decrypt", decrypt(&changed)).await,
            invalid,
            "{at}"
        );
    }
    for bytes in [&bytes[..bytes.len() - 1], &[1; 10], b"text of no form"] {
        assert_eq!(api.kms_refused("Decrypt", decrypt(bytes)).await, invalid);
    }
    // A ciphertext belongs to its account and region.
    for other in [api.by_account("111122223333"), api.in_region("eu-west-1")] {
        assert_eq!(other.kms_refused("Decrypt", decrypt(&bytes)).await, invalid);
    }
}

#[tokio::test]
async fn a_plaintext_has_at_most_4096_bytes_and_its_ciphertext_at_most_6144() {
    let api = Api::new();
    let key = api.symmetric_key().await;
    let encrypt = |length: usize| json!({ "KeyId": key, "Plaintext": STANDARD.encode(vec![7; length]) });
    let sealed = api.kms_ok("Encrypt", encrypt(4096)).await;
    assert!(
        STANDARD
            .decode(sealed["CiphertextBlob"].as_str().unwrap())
            .unwrap()
            .len()
            <= 6144
    );
    let (code, message) = api.kms_refused("Encrypt", encrypt(4097)).await;
    assert_eq!(code, "ValidationException");
    let constraint =
        "at 'plaintext' failed to satisfy constraint: Member must have length less than or equal to 4096";
    assert!(message.ends_with(constraint), "{message}");
}

#[tokio::test]
async fn an_rsa_key_encrypts_short_texts() {
    let api = Api::new();
    let key = api
        .key(json!({ "KeySpec": "RSA_2048", "KeyUsage": "ENCRYPT_DECRYPT" }))
        .await;
    for (algorithm, bytes_max) in [("RSAES_OAEP_SHA_1", 214), ("RSAES_OAEP_SHA_256", 190)] {
        let encrypt = |length: usize| json!({ "KeyId": key, "Plaintext": STANDARD.encode(vec![7; length]), "EncryptionAlgorithm": algorithm });
        let sealed = api.kms_ok("Encrypt", encrypt(bytes_max)).await;
        let decrypt = json!({ "KeyId": key, "CiphertextBlob": sealed["CiphertextBlob"], "EncryptionAlgorithm": algorithm });
        let opened = api.kms_ok("Decrypt", decrypt).await;
        assert_eq!(opened["Plaintext"], encrypt(bytes_max)["Plaintext"]);
        assert_eq!(opened["KeyMaterialId"], Value::Null);
        let message = format!(
            "Algorithm {algorithm} and key spec RSA_2048 cannot encrypt data larger than {bytes_max} bytes."
        );
        assert_eq!(
            api.kms_refused("Encrypt", encrypt(bytes_max + 1)).await,
            error("ValidationException", message)
        );
        // Without its key, the text of an RSA key says nothing.
        let refused = api
            .kms_refused("Decrypt", json!({ "CiphertextBlob": sealed["CiphertextBlob"] }))
            .await;
        assert_eq!(refused, error("InvalidCiphertextException", ""));
    }
    assert_eq!(
        api.kms_refused("Encrypt", json!({ "KeyId": key, "Plaintext": PLAIN }))
            .await,
        error(
            "InvalidKeyUsageException",
            "Algorithm SYMMETRIC_DEFAULT is incompatible with key spec RSA_2048."
        )
    );
    let context = json!({
        "KeyId": key, "Plaintext": PLAIN, "EncryptionAlgorithm": "RSAES_OAEP_SHA_256", "EncryptionContext": { "a": "b" },
    });
    let (code, _) = api.kms_refused("Encrypt", context).await;
    assert_eq!(code, "ValidationException");
    let (code, _) = api
        .kms_refused("GenerateDataKey", json!({ "KeyId": key, "KeySpec": "AES_256" }))
        .await;
    assert_eq!(code, "UnsupportedOperationException");
}

#[tokio::test]
async fn a_text_is_encrypted_again_with_another_key() {
    let api = Api::new();
    let (one, two) = (api.symmetric_key().await, api.symmetric_key().await);
    let sealed = api
        .kms_ok(
            "Encrypt",
            json!({ "KeyId": one, "Plaintext": PLAIN, "EncryptionContext": { "a": "b" } }),
        )
        .await;
    let input = json!({
        "CiphertextBlob": sealed["CiphertextBlob"], "SourceEncryptionContext": { "a": "b" },
        "DestinationKeyId": two, "DestinationEncryptionContext": { "c": "d" },
    });
    let again = api.kms_ok("ReEncrypt", input.clone()).await;
    assert_eq!(
        [&again["SourceKeyId"], &again["KeyId"]],
        [arn(&one).as_str(), arn(&two).as_str()]
    );
    let decrypt = json!({ "CiphertextBlob": again["CiphertextBlob"], "EncryptionContext": { "c": "d" } });
    assert_eq!(api.kms_ok("Decrypt", decrypt).await["Plaintext"], PLAIN);
    let mut wrong = input;
    wrong["SourceEncryptionContext"] = json!({});
    let (code, _) = api.kms_refused("ReEncrypt", wrong).await;
    assert_eq!(code, "InvalidCiphertextException");
}

#[tokio::test]
async fn a_data_key_is_returned_plain_and_encrypted() {
    let api = Api::new();
    let key = api.symmetric_key().await;
    for (wanted, length) in [
        (json!({ "KeySpec": "AES_256" }), 32),
        (json!({ "KeySpec": "AES_128" }), 16),
        (json!({ "NumberOfBytes": 1024 }), 1024),
    ] {
        let mut input = wanted;
        input["KeyId"] = json!(key);
        input["EncryptionContext"] = json!({ "a": "b" });
        let made = api.kms_ok("GenerateDataKey", input.clone()).await;
        let plain = made["Plaintext"].as_str().unwrap();
        assert_eq!(STANDARD.decode(plain).unwrap().len(), length);
        let decrypt = json!({ "CiphertextBlob": made["CiphertextBlob"], "EncryptionContext": { "a": "b" } });
        assert_eq!(api.kms_ok("Decrypt", decrypt).await["Plaintext"], plain);

        let hidden = api.kms_ok("GenerateDataKeyWithoutPlaintext", input).await;
        assert_eq!(hidden["Plaintext"], Value::Null);
        let decrypt =
            json!({ "CiphertextBlob": hidden["CiphertextBlob"], "EncryptionContext": { "a": "b" } });
        let opened = api.kms_ok("Decrypt", decrypt).await;
        assert_eq!(
            STANDARD
                .decode(opened["Plaintext"].as_str().unwrap())
                .unwrap()
                .len(),
            length
        );
    }
    for input in [
        json!({ "KeyId": key }),
        json!({ "KeyId": key, "KeySpec": "AES_256", "NumberOfBytes": 32 }),
    ] {
        assert_eq!(
            api.kms_refused("GenerateDataKey", input).await,
            error(
                "ValidationException",
                "Please specify either number of bytes or key spec."
            )
        );
    }
}

#[tokio::test]
async fn a_dry_run_may_leave_the_ciphertext_out() {
    let api = Api::new();
    let key = api.symmetric_key().await;
    let good = error(
        "DryRunOperationException",
        "The request would have succeeded, but the DryRun option is set.",
    );
    let sealed = api
        .kms_ok("Encrypt", json!({ "KeyId": key, "Plaintext": PLAIN }))
        .await;
    let blob = &sealed["CiphertextBlob"];
    for (operation, input) in [
        ("Encrypt", json!({ "KeyId": key, "Plaintext": PLAIN })),
        ("Decrypt", json!({ "CiphertextBlob": blob })),
        (
            "Decrypt",
            json!({ "KeyId": key, "DryRunModifiers": ["IGNORE_CIPHERTEXT"] }),
        ),
        (
            "ReEncrypt",
            json!({ "CiphertextBlob": blob, "DestinationKeyId": key }),
        ),
        ("GenerateDataKey", json!({ "KeyId": key, "KeySpec": "AES_256" })),
        (
            "GenerateDataKeyWithoutPlaintext",
            json!({ "KeyId": key, "KeySpec": "AES_256" }),
        ),
    ] {
        let mut input = input;
        input["DryRun"] = json!(true);
        assert_eq!(api.kms_refused(operation, input).await, good, "{operation}");
    }
    assert_eq!(
        api.kms_refused("Decrypt", json!({ "KeyId": key })).await,
        error(
            "ValidationException",
            "1 validation error detected: Value null at 'ciphertextBlob' failed to satisfy constraint: Member must not \
             be null"
        )
    );
}
