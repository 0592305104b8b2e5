//! Repositories whose keys are those of KMS: images are read and written while the key may be used.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ecru_model::{Digest, Region, RegistryId, RepositoryName, Scope};
use ecru_registry::images::{Reference, load_manifest};
use ecru_registry::introspection::ScopedName;
use ecru_registry::verification::{KeyReference, KmsKeyArn, put_requirement};
use ecru_registry::{Detail, Error};
use serde_json::{Value, json};

use super::{DEFAULT_KEY, UNKNOWN_KEY, arn};
use crate::api::{ACCOUNT, Answer, Api, REGION};
use crate::content::{Image, put};
use crate::verification::{simple_payload, simple_signature};

const DAY: i64 = 24 * 60 * 60 * 1_000;

fn create(name: &str, key: Option<&str>) -> Value {
    let mut encryption = json!({ "encryptionType": "KMS" });
    if let Some(key) = key {
        encryption["kmsKey"] = json!(key);
    }
    json!({ "repositoryName": name, "encryptionConfiguration": encryption })
}

async fn stored_key(api: &Api, input: Value) -> Value {
    let made = api.ok("CreateRepository", input).await;
    made["repository"]["encryptionConfiguration"]["kmsKey"].clone()
}

#[track_caller]
fn refuses(answer: &Answer, code: &str, message: &str) {
    assert_eq!(answer.error(), Some("KmsException"), "{}", answer.body);
    assert_eq!(
        (&answer.body["kmsError"], answer.message()),
        (&json!(code), message)
    );
}

#[track_caller]
fn is_kms(refused: &Error, code: &str) {
    assert_eq!(
        *refused.detail,
        Detail::Kms {
            error: code.to_owned()
        }
    );
}

/// Every request that reads or writes an image, at both APIs.
async fn check_refused(api: &Api, image: &Image, code: &str, message: &str) {
    let layer = image.manifest["layers"][0]["digest"].as_str().unwrap();
    let digest = image.digest();
    for (operation, input) in [
        ("PutImage", put("demo", &image.text(), Some("v2"))),
        (
            "BatchGetImage",
            json!({ "repositoryName": "demo", "imageIds": [{ "imageDigest": digest }] }),
        ),
        (
            "GetDownloadUrlForLayer",
            json!({ "repositoryName": "demo", "layerDigest": layer }),
        ),
        ("InitiateLayerUpload", json!({ "repositoryName": "demo" })),
    ] {
        refuses(&api.call(operation, input).await, code, message);
    }
    is_kms(
        &api.put_manifest("demo", "v3", image.text()).await.unwrap_err(),
        code,
    );
    let name = RepositoryName::parse("demo").unwrap();
    let digest = Digest::parse(&digest).unwrap();
    let (ctx, reference) = (api.context(), Reference::Digest(digest));
    let pulled = load_manifest(&ctx, &name, &reference).await;
    is_kms(&pulled.err().unwrap(), code);
}

#[tokio::test]
async fn a_repository_follows_the_state_of_its_key() {
    let api = Api::new();
    let key = api.symmetric_key().await;
    assert_eq!(stored_key(&api, create("demo", Some(&key))).await, arn(&key));
    let image = Image::new(1);
    api.push("demo", Some("v1"), &image).await;

    api.kms_ok("DisableKey", json!({ "KeyId": key })).await;
    let disabled = format!("{} is disabled.", arn(&key));
    check_refused(&api, &image, "DisabledException", &disabled).await;
    refuses(
        &api.call("CreateRepository", create("other", Some(&arn(&key))))
            .await,
        "DisabledException",
        &disabled,
    );
    // What the key does not protect can still be read and removed.
    api.ok("DescribeImages", json!({ "repositoryName": "demo" }))
        .await;

    api.kms_ok("EnableKey", json!({ "KeyId": key })).await;
    api.push("demo", Some("v2"), &Image::new(2)).await;
    api.kms_ok(
        "ScheduleKeyDeletion",
        json!({ "KeyId": key, "PendingWindowInDays": 7 }),
    )
    .await;
    let pending = format!("{} is pending deletion.", arn(&key));
    check_refused(&api, &image, "KMSInvalidStateException", &pending).await;
    api.advance(8 * DAY);
    api.run_due().await;
    let gone = format!("Key '{}' does not exist", arn(&key));
    check_refused(&api, &image, "NotFoundException", &gone).await;
    api.ok(
        "DeleteRepository",
        json!({ "repositoryName": "demo", "force": true }),
    )
    .await;
}

#[tokio::test]
async fn an_alias_of_a_known_key_is_stored_as_the_key() {
    let api = Api::new();
    let (key, signing) = (api.symmetric_key().await, api.signing_key().await);
    for (alias, target) in [("alias/x", &key), ("alias/signing", &signing)] {
        api.kms_ok(
            "CreateAlias",
            json!({ "AliasName": alias, "TargetKeyId": target }),
        )
        .await;
    }
    assert_eq!(
        stored_key(&api, create("by-alias", Some("alias/x"))).await,
        arn(&key)
    );
    let alias_arn = format!("{}alias/x", super::ARN);
    assert_eq!(
        stored_key(&api, create("by-alias-arn", Some(&alias_arn))).await,
        arn(&key)
    );
    refuses(
        &api.call("CreateRepository", create("signing", Some("alias/signing")))
            .await,
        "InvalidKeyUsageException",
        &format!("{} is not a symmetric encryption key.", arn(&signing)),
    );
    assert_eq!(stored_key(&api, create("default", None)).await, arn(DEFAULT_KEY));
    assert_eq!(
        stored_key(&api, create("default-alias", Some("alias/aws/ecr"))).await,
        arn(DEFAULT_KEY)
    );
    api.push("default", Some("v1"), &Image::new(1)).await;
}

#[tokio::test]
async fn a_key_that_kms_does_not_know_stays_usable() {
    let api = Api::new();
    assert_eq!(
        stored_key(&api, create("demo", Some(UNKNOWN_KEY))).await,
        arn(UNKNOWN_KEY)
    );
    let image = Image::new(1);
    api.push("demo", Some("v1"), &image).await;
    let get = json!({ "repositoryName": "demo", "imageIds": [{ "imageTag": "v1" }] });
    assert_eq!(
        api.ok("BatchGetImage", get).await["images"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let unknown_alias = format!("{}alias/none", super::ARN);
    assert_eq!(
        stored_key(&api, create("alias", Some("alias/none"))).await,
        unknown_alias
    );
    api.push("alias", Some("v1"), &image).await;
}

async fn require(api: &Api, key: &str) {
    let place = ScopedName {
        scope: Scope {
            registry_id: RegistryId::parse(ACCOUNT).unwrap(),
            region: Region::parse(REGION).unwrap(),
        },
        repository_name: RepositoryName::parse("demo").unwrap(),
    };
    let key = KeyReference::Kms(KmsKeyArn::parse(key).unwrap());
    put_requirement(api.service(), place, key).await.unwrap();
}

#[tokio::test]
async fn a_tag_is_accepted_with_a_signature_of_the_kms_key_that_is_required() {
    let api = Api::new();
    let (key, symmetric) = (api.signing_key().await, api.symmetric_key().await);
    api.kms_ok(
        "CreateAlias",
        json!({ "AliasName": "alias/x", "TargetKeyId": key }),
    )
    .await;
    api.create("demo").await;
    let image = Image::new(1);
    api.push("demo", None, &image).await;
    let tag = async |name: &str| api.call("PutImage", put("demo", &image.text(), Some(name))).await;
    let alias_arn = format!("{}alias/x", super::ARN);
    for required in [arn(&key), alias_arn.clone()] {
        require(&api, &required).await;
        assert_eq!(tag("v1").await.error(), Some("LayerInaccessibleException"));
    }
    let payload = simple_payload(&image.digest());
    let message = STANDARD.encode(&payload);
    let sign = json!({ "KeyId": key, "Message": message, "SigningAlgorithm": "ECDSA_SHA_256" });
    let signed = api.kms_ok("Sign", sign).await;
    let signature = simple_signature(&payload, signed["Signature"].as_str().unwrap());
    let tag_of_signature = image.digest().replace(':', "-") + ".sig";
    api.push("demo", Some(&tag_of_signature), &signature).await;
    assert_eq!(tag("v1").await.status, 200);

    let unusable =
        |name: &str| format!("The KMS key '{name}' that signatures are verified with cannot be used");
    api.kms_ok("DisableKey", json!({ "KeyId": key })).await;
    refuses(&tag("v2").await, "DisabledException", &unusable(&alias_arn));
    require(&api, &arn(&symmetric)).await;
    refuses(
        &tag("v2").await,
        "InvalidKeyUsageException",
        &unusable(&arn(&symmetric)),
    );
    require(&api, &arn(UNKNOWN_KEY)).await;
    refuses(
        &tag("v2").await,
        "NotFoundException",
        &unusable(&arn(UNKNOWN_KEY)),
    );
}
