//! Keys: what can be made, how they are named and listed, and when they may be used.

use serde_json::{Value, json};

use super::{ARN, DEFAULT_KEY, UNKNOWN_KEY, arn, error};
use crate::api::{Api, OTHER_ACCOUNT};

#[tokio::test]
async fn a_symmetric_key_is_described_with_both_names_of_its_spec() {
    let api = Api::new();
    let made = api
        .kms_ok("CreateKey", json!({ "Description": "for tests" }))
        .await;
    let key = made["KeyMetadata"]["KeyId"].as_str().unwrap();
    let material = made["KeyMetadata"]["CurrentKeyMaterialId"].as_str().unwrap();
    assert_eq!(material.len(), 64);
    let expected = json!({
        "AWSAccountId": "000000000000",
        "KeyId": key,
        "Arn": arn(key),
        "CreationDate": 1_767_225_600.5,
        "Enabled": true,
        "Description": "for tests",
        "KeyUsage": "ENCRYPT_DECRYPT",
        "KeyState": "Enabled",
        "Origin": "AWS_KMS",
        "KeyManager": "CUSTOMER",
        "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT",
        "KeySpec": "SYMMETRIC_DEFAULT",
        "EncryptionAlgorithms": ["SYMMETRIC_DEFAULT"],
        "MultiRegion": false,
        "CurrentKeyMaterialId": material,
    });
    assert_eq!(made["KeyMetadata"], expected);
    let described = api.kms_ok("DescribeKey", json!({ "KeyId": key })).await;
    assert_eq!(described["KeyMetadata"], expected);
}

#[tokio::test]
async fn asymmetric_keys_have_the_algorithms_of_their_use() {
    let api = Api::new();
    let signing = json!([
        "RSASSA_PKCS1_V1_5_SHA_256",
        "RSASSA_PKCS1_V1_5_SHA_384",
        "RSASSA_PKCS1_V1_5_SHA_512",
        "RSASSA_PSS_SHA_256",
        "RSASSA_PSS_SHA_384",
        "RSASSA_PSS_SHA_512",
    ]);
    for (member, spec, usage, signs, encrypts) in [
        (
            "KeySpec",
            "ECC_NIST_P256",
            "SIGN_VERIFY",
            json!(["ECDSA_SHA_256"]),
            Value::Null,
        ),
        (
            "CustomerMasterKeySpec",
            "ECC_NIST_P384",
            "SIGN_VERIFY",
            json!(["ECDSA_SHA_384"]),
            Value::Null,
        ),
        (
            "CustomerMasterKeySpec",
            "RSA_2048",
            "SIGN_VERIFY",
            signing,
            Value::Null,
        ),
        (
            "KeySpec",
            "RSA_2048",
            "ENCRYPT_DECRYPT",
            Value::Null,
            json!(["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"]),
        ),
    ] {
        let made = api
            .kms_ok("CreateKey", json!({ member: spec, "KeyUsage": usage }))
            .await;
        let key = &made["KeyMetadata"];
        assert_eq!(
            [&key["KeySpec"], &key["CustomerMasterKeySpec"], &key["KeyUsage"]],
            [spec, spec, usage]
        );
        assert_eq!(
            (&key["SigningAlgorithms"], &key["EncryptionAlgorithms"]),
            (&signs, &encrypts),
            "{spec}"
        );
        let public = api.kms_ok("GetPublicKey", json!({ "KeyId": key["KeyId"] })).await;
        assert_eq!(
            (&public["SigningAlgorithms"], &public["EncryptionAlgorithms"]),
            (&signs, &encrypts)
        );
        assert_eq!(
            [&public["KeyId"], &public["KeySpec"], &public["KeyUsage"]],
            [key["Arn"].as_str().unwrap(), spec, usage]
        );
        assert!(
            public["PublicKey"].as_str().unwrap().starts_with('M'),
            "DER begins with a sequence"
        );
    }
}

#[tokio::test]
async fn keys_that_cannot_be_made_are_refused_with_a_sentence() {
    let api = Api::new();
    for (input, code, message) in [
        (
            json!({ "KeySpec": "ECC_NIST_P256" }),
            "ValidationException",
            "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.",
        ),
        (
            json!({ "KeySpec": "ECC_NIST_P256", "KeyUsage": "ENCRYPT_DECRYPT" }),
            "ValidationException",
            "KeyUsage ENCRYPT_DECRYPT is not compatible with KeySpec ECC_NIST_P256",
        ),
        (
            json!({ "KeyUsage": "SIGN_VERIFY" }),
            "ValidationException",
            "KeyUsage SIGN_VERIFY is not compatible with KeySpec SYMMETRIC_DEFAULT",
        ),
        (
            json!({ "KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC" }),
            "UnsupportedOperationException",
            "The key spec HMAC_256 is not supported here",
        ),
        (
            json!({ "Origin": "EXTERNAL" }),
            "UnsupportedOperationException",
            "The origin EXTERNAL is not supported here: KMS makes the material of every key",
        ),
        (
            json!({ "CustomKeyStoreId": "cks-1" }),
            "UnsupportedOperationException",
            "Custom key stores are not supported here",
        ),
        (
            json!({ "MultiRegion": true }),
            "UnsupportedOperationException",
            "Keys of several regions are not supported here",
        ),
        (
            json!({ "KeySpec": "RSA_2048", "CustomerMasterKeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY" }),
            "ValidationException",
            "You cannot specify KeySpec and CustomerMasterKeySpec in the same request. CustomerMasterKeySpec is deprecated.",
        ),
    ] {
        assert_eq!(
            api.kms_refused("CreateKey", input.clone()).await,
            error(code, message),
            "{input}"
        );
    }
    let (code, message) = api.kms_refused("CreateKey", json!({ "KeySpec": "AES" })).await;
    assert_eq!(code, "ValidationException");
    assert!(
        message.starts_with("1 validation error detected: Value 'AES' at 'keySpec'"),
        "{message}"
    );
}

#[tokio::test]
async fn a_key_is_named_by_its_id_its_arn_and_its_aliases() {
    let api = Api::new();
    let key = api.symmetric_key().await;
    api.kms_ok(
        "CreateAlias",
        json!({ "AliasName": "alias/a", "TargetKeyId": key }),
    )
    .await;
    for name in [
        key.clone(),
        arn(&key),
        "alias/a".to_owned(),
        format!("{ARN}alias/a"),
    ] {
        let described = api.kms_ok("DescribeKey", json!({ "KeyId": name })).await;
        assert_eq!(described["KeyMetadata"]["KeyId"], key, "{name}");
    }
    for (name, message) in [
        ("fake-key-id".to_owned(), "Invalid keyId 'fake-key-id'".to_owned()),
        (
            UNKNOWN_KEY.to_owned(),
            format!("Key '{}' does not exist", arn(UNKNOWN_KEY)),
        ),
        (
            arn(UNKNOWN_KEY),
            format!("Key '{}' does not exist", arn(UNKNOWN_KEY)),
        ),
        ("alias/b".to_owned(), format!("Alias {ARN}alias/b is not found.")),
        (
            format!("arn:aws:kms:eu-west-1:000000000000:key/{key}"),
            "Invalid arn eu-west-1".to_owned(),
        ),
    ] {
        let refused = api.kms_refused("DescribeKey", json!({ "KeyId": name })).await;
        assert_eq!(refused, error("NotFoundException", message));
    }
    let elsewhere = api.in_region("eu-west-1");
    let (code, _) = elsewhere
        .kms_refused("DescribeKey", json!({ "KeyId": key }))
        .await;
    assert_eq!(code, "NotFoundException");
    let other = api.by_account(OTHER_ACCOUNT);
    let (code, _) = other.kms_refused("DescribeKey", json!({ "KeyId": key })).await;
    assert_eq!(code, "NotFoundException");
    let (code, message) = other
        .kms_refused("DescribeKey", json!({ "KeyId": arn(&key) }))
        .await;
    assert_eq!(code, "AccessDeniedException");
    assert!(
        message.contains("is not authorized to perform: kms:DescribeKey on resource"),
        "{message}"
    );
    // An operation on the key itself takes no alias.
    assert_eq!(
        api.kms_refused("DisableKey", json!({ "KeyId": "alias/a" })).await,
        error("NotFoundException", "Invalid keyId 'alias/a'")
    );
}

#[tokio::test]
async fn keys_are_listed_in_pages_with_the_default_key_among_them() {
    let api = Api::new();
    let mut keys = vec![DEFAULT_KEY.to_owned()];
    for _ in 0..4 {
        keys.push(api.symmetric_key().await);
    }
    keys.sort();
    let all = api.kms_ok("ListKeys", json!({})).await;
    assert_eq!(all["Truncated"], false);
    let ids = |page: &Value| {
        let keys = page["Keys"].as_array().unwrap();
        keys.iter()
            .map(|key| key["KeyId"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(&all), keys);
    assert_eq!(all["Keys"][0]["KeyArn"], arn(&keys[0]));

    for limit in 1..5 {
        let mut found = Vec::new();
        let mut input = json!({ "Limit": limit });
        loop {
            let page = api.kms_ok("ListKeys", input.clone()).await;
            found.extend(ids(&page));
            assert_eq!(page["Truncated"] == true, page["NextMarker"].is_string());
            if page["Truncated"] == false {
                break;
            }
            input["Marker"] = page["NextMarker"].clone();
        }
        assert_eq!(found, keys, "pages of {limit}");
    }
    let (code, _) = api.kms_refused("ListKeys", json!({ "Marker": "abc" })).await;
    assert_eq!(code, "InvalidMarkerException");
    let shared = json!({ "ResourceOwners": ["OTHER_ACCOUNTS_VIA_RAM"] });
    assert_eq!(api.kms_ok("ListKeys", shared).await["Keys"], json!([]));
    assert_eq!(
        ids(&api.by_account(OTHER_ACCOUNT).kms_ok("ListKeys", json!({})).await).len(),
        1
    );
}

#[tokio::test]
async fn a_disabled_key_is_not_used_until_it_is_enabled() {
    let api = Api::new();
    let key = api.symmetric_key().await;
    let encrypt = json!({ "KeyId": key, "Plaintext": "aGVsbG8=" });
    let sealed = api.kms_ok("Encrypt", encrypt.clone()).await;
    api.kms_ok("DisableKey", json!({ "KeyId": key })).await;
    assert_eq!(api.key_state(&key).await, "Disabled");
    let refused = error("DisabledException", format!("{} is disabled.", arn(&key)));
    assert_eq!(api.kms_refused("Encrypt", encrypt.clone()).await, refused);
    let decrypt = json!({ "CiphertextBlob": sealed["CiphertextBlob"] });
    assert_eq!(api.kms_refused("Decrypt", decrypt.clone()).await, refused);
    api.kms_ok("EnableKey", json!({ "KeyId": arn(&key) })).await;
    assert_eq!(api.kms_ok("Decrypt", decrypt).await["Plaintext"], "aGVsbG8=");
}

#[tokio::test]
async fn a_description_can_be_replaced() {
    let api = Api::new();
    let key = api.symmetric_key().await;
    api.kms_ok(
        "UpdateKeyDescription",
        json!({ "KeyId": key, "Description": "other" }),
    )
    .await;
    let described = api.kms_ok("DescribeKey", json!({ "KeyId": key })).await;
    assert_eq!(described["KeyMetadata"]["Description"], "other");
}

#[tokio::test]
async fn the_default_key_of_ecr_exists_and_belongs_to_aws() {
    let api = Api::new();
    let described = api
        .kms_ok("DescribeKey", json!({ "KeyId": "alias/aws/ecr" }))
        .await;
    let key = &described["KeyMetadata"];
    assert_eq!(
        [&key["KeyId"], &key["KeyManager"], &key["KeyState"]],
        [DEFAULT_KEY, "AWS", "Enabled"]
    );
    assert_eq!(key["CurrentKeyMaterialId"], Value::Null, "it has no material yet");
    assert_eq!(api.count("SELECT count(*) FROM kms_keys"), 0);

    for (operation, input) in [
        ("DisableKey", json!({})),
        ("EnableKey", json!({})),
        ("ScheduleKeyDeletion", json!({})),
        ("CancelKeyDeletion", json!({})),
        ("UpdateKeyDescription", json!({ "Description": "mine" })),
        (
            "PutKeyPolicy",
            json!({ "Policy": r#"{"Statement":[{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}]}"# }),
        ),
        ("EnableKeyRotation", json!({})),
        ("DisableKeyRotation", json!({})),
        (
            "TagResource",
            json!({ "Tags": [{ "TagKey": "a", "TagValue": "b" }] }),
        ),
        ("UntagResource", json!({ "TagKeys": ["a"] })),
        (
            "CreateGrant",
            json!({ "GranteePrincipal": "arn:aws:iam::000000000000:user/a", "Operations": ["Encrypt"] }),
        ),
    ] {
        let mut input = input;
        input["KeyId"] = json!(DEFAULT_KEY);
        let message = format!(
            "User: arn:aws:iam::000000000000:root is not authorized to perform: kms:{operation} on resource: {} \
             because no resource-based policy allows the kms:{operation} action",
            arn(DEFAULT_KEY)
        );
        assert_eq!(
            api.kms_refused(operation, input).await,
            error("AccessDeniedException", message)
        );
    }

    let sealed = api
        .kms_ok(
            "Encrypt",
            json!({ "KeyId": "alias/aws/ecr", "Plaintext": "aGVsbG8=" }),
        )
        .await;
    assert_eq!(sealed["KeyId"], arn(DEFAULT_KEY));
    let opened = api
        .kms_ok("Decrypt", json!({ "CiphertextBlob": sealed["CiphertextBlob"] }))
        .await;
    assert_eq!(opened["Plaintext"], "aGVsbG8=");
    assert_eq!(api.count("SELECT count(*) FROM kms_materials"), 1);
    let listed = api.kms_ok("ListKeys", json!({})).await;
    assert_eq!(listed["Keys"].as_array().unwrap().len(), 1);
    let status = api
        .kms_ok("GetKeyRotationStatus", json!({ "KeyId": DEFAULT_KEY }))
        .await;
    assert_eq!(status["KeyRotationEnabled"], true);
    let policy = api.kms_ok("GetKeyPolicy", json!({ "KeyId": DEFAULT_KEY })).await;
    assert!(policy["Policy"].as_str().unwrap().contains("kms:ViaService"));
}

#[tokio::test]
async fn a_reset_removes_the_keys_of_an_account() {
    let api = Api::new();
    let other = api.by_account(OTHER_ACCOUNT);
    let (key, theirs) = (api.symmetric_key().await, other.symmetric_key().await);
    api.reset(Some(OTHER_ACCOUNT.parse().unwrap())).await;
    assert_eq!(api.key_state(&key).await, "Enabled");
    let (code, _) = other.kms_refused("DescribeKey", json!({ "KeyId": theirs })).await;
    assert_eq!(code, "NotFoundException");
    api.reset(None).await;
    let (code, _) = api.kms_refused("DescribeKey", json!({ "KeyId": key })).await;
    assert_eq!(code, "NotFoundException");
    assert_eq!(api.count("SELECT count(*) FROM kms_materials"), 0);
}
