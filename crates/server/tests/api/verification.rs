//! A repository that requires signatures: which tags it accepts, through both APIs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ecru_model::{Digest, ErrorCode, Region, RegistryId, RepositoryName, Scope, Timestamp};
use ecru_registry::Detail;
use ecru_registry::introspection::ScopedName;
use ecru_registry::verification::{KeyReference, KmsKeyArn, PublicKey, delete_requirement, put_requirement};
use rcgen::{KeyPair, SigningKey as _};
use serde_json::{Value, json};

use crate::api::{ACCOUNT, Api, NOW_MILLISECONDS, REGION};
use crate::content::{Image, OCI_CONFIG, OCI_MANIFEST, descriptor, digest, index, put};

const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const KMS_KEY: &str = "arn:aws:kms:us-east-1:000000000000:key/demo";

struct Signer(KeyPair);

impl Signer {
    fn new() -> Self {
        Self(KeyPair::generate().unwrap())
    }

    fn key(&self) -> PublicKey {
        PublicKey::from_pem(&self.0.public_key_pem()).unwrap()
    }

    fn sign(&self, message: &[u8]) -> String {
        STANDARD.encode(self.0.sign(message).unwrap())
    }

    /// A manifest for the tag `sha256-<hex>.sig`, the older form of cosign.
    fn simple(&self, signed: &str) -> Image {
        let payload = simple_payload(signed);
        simple_signature(&payload, &self.sign(&payload))
    }

    fn enveloped(&self, signed: &str) -> Image {
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{ "digest": { "sha256": signed.strip_prefix("sha256:").unwrap() } }],
            "predicateType": "https://sigstore.dev/cosign/sign/v1",
            "predicate": {},
        });
        let statement = statement.to_string();
        let kind = "application/vnd.in-toto+json";
        let encoded = format!("DSSEv1 {} {kind} {} {statement}", kind.len(), statement.len());
        attached(
            signed,
            &json!({
                "mediaType": BUNDLE,
                "verificationMaterial": { "publicKey": { "hint": "" } },
                "dsseEnvelope": {
                    "payload": STANDARD.encode(&statement),
                    "payloadType": kind,
                    "signatures": [{ "sig": self.sign(encoded.as_bytes()) }],
                },
            }),
        )
    }

    fn message(&self, manifest: &str) -> Image {
        let signed = Digest::of(manifest.as_bytes());
        attached(
            &signed.to_string(),
            &json!({
                "mediaType": BUNDLE,
                "messageSignature": {
                    "messageDigest": { "algorithm": "SHA2_256", "digest": STANDARD.encode(signed.as_bytes()) },
                    "signature": self.sign(manifest.as_bytes()),
                },
            }),
        )
    }
}

/// What cosign signs to say that it knows an image.
pub(crate) fn simple_payload(signed: &str) -> Vec<u8> {
    let payload = json!({
        "critical": {
            "identity": { "docker-reference": "" },
            "image": { "docker-manifest-digest": signed },
            "type": "cosign container image signature",
        },
        "optional": null,
    });
    payload.to_string().into_bytes()
}

/// The manifest that carries a payload with its signature.
pub(crate) fn simple_signature(payload: &[u8], signature: &str) -> Image {
    let mut layer = descriptor(SIMPLE_SIGNING, payload);
    layer["annotations"] = json!({ "dev.cosignproject.cosign/signature": signature });
    let config = br#"{"architecture":"","os":""}"#.to_vec();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(OCI_CONFIG, &config),
        "layers": [layer],
    });
    Image {
        manifest,
        blobs: vec![config, payload.to_vec()],
    }
}

/// A manifest that holds a bundle and names the image as its subject.
fn attached(signed: &str, bundle: &Value) -> Image {
    let bundle = bundle.to_string().into_bytes();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": BUNDLE,
        "config": descriptor("application/vnd.oci.empty.v1+json", b"{}"),
        "layers": [descriptor(BUNDLE, &bundle)],
        "subject": { "mediaType": OCI_MANIFEST, "digest": signed, "size": 1 },
    });
    Image {
        manifest,
        blobs: vec![b"{}".to_vec(), bundle],
    }
}

fn signature_tag(digest: &str) -> String {
    format!("{}.sig", digest.replace(':', "-"))
}

fn place(region: &str) -> ScopedName {
    ScopedName {
        scope: Scope {
            registry_id: RegistryId::parse(ACCOUNT).unwrap(),
            region: Region::parse(region).unwrap(),
        },
        repository_name: RepositoryName::parse("demo").unwrap(),
    }
}

async fn require(api: &Api, key: KeyReference) {
    put_requirement(api.service(), place(REGION), key).await.unwrap();
}

/// A repository that requires signatures with a key, and an image in it without a tag.
async fn guarded() -> (Api, Signer, Image) {
    let api = Api::new();
    api.create("demo").await;
    let signer = Signer::new();
    require(&api, KeyReference::PublicKey(signer.key())).await;
    let image = Image::new(1);
    api.push("demo", None, &image).await;
    (api, signer, image)
}

async fn tagged(api: &Api, image: &Image, tag: &str) -> bool {
    let answer = api.call("PutImage", put("demo", &image.text(), Some(tag))).await;
    if answer.status != 200 {
        answer.refuses(
            ErrorCode::LayerInaccessibleException,
            &not_signed(&image.digest()),
        );
    }
    answer.status == 200
}

fn not_signed(digest: &str) -> String {
    format!(
        "The image with digest '{digest}' cannot be tagged in the repository with name 'demo' in the registry with id \
         '{ACCOUNT}' because the repository holds no signature of it by the key that is required"
    )
}

#[tokio::test]
async fn an_unsigned_image_gets_no_tag_and_a_refused_push_leaves_nothing() {
    let (api, _, image) = guarded().await;
    assert!(!tagged(&api, &image, "v1").await);
    let second = Image::new(2);
    api.push_layers("demo", &second).await;
    assert!(!tagged(&api, &second, "v1").await);
    let refused = api.put_manifest("demo", "v1", second.text()).await.unwrap_err();
    assert_eq!(
        (refused.code, refused.message),
        (
            ErrorCode::LayerInaccessibleException,
            not_signed(&second.digest())
        )
    );
    assert_eq!(api.digests("demo").await, [image.digest()]);
    assert_eq!(api.tags("demo").await, []);
}

#[tokio::test]
async fn each_form_of_signature_lets_a_tag_be_put() {
    for form in ["simple", "envelope", "message"] {
        let (api, signer, image) = guarded().await;
        match form {
            "simple" => {
                let tag = signature_tag(&image.digest());
                api.push("demo", Some(&tag), &signer.simple(&image.digest()))
                    .await;
            }
            "envelope" => {
                api.push("demo", None, &signer.enveloped(&image.digest())).await;
            }
            _ => {
                api.push("demo", None, &signer.message(&image.text())).await;
            }
        }
        assert!(tagged(&api, &image, "v1").await, "{form}");
        assert!(tagged(&api, &image, "v2").await, "{form}");
        let stored = api.put_manifest("demo", "v3", image.text()).await.unwrap();
        assert_eq!(stored.digest.to_string(), image.digest());
    }
}

#[tokio::test]
async fn signatures_of_another_key_or_another_image_do_not_count() {
    let (api, signer, image) = guarded().await;
    let stranger = Signer::new();
    let other = digest("other");
    let tag = signature_tag(&image.digest());
    api.push("demo", Some(&tag), &stranger.simple(&image.digest()))
        .await;
    assert!(!tagged(&api, &image, "v1").await);
    api.push("demo", Some(&tag), &signer.simple(&other)).await;
    assert!(!tagged(&api, &image, "v1").await);
    api.push("demo", None, &stranger.enveloped(&image.digest())).await;
    api.push("demo", None, &stranger.message(&image.text())).await;
    // A bundle that signs another image but names this one as its subject.
    let mut misplaced = signer.enveloped(&other);
    misplaced.manifest["subject"]["digest"] = json!(image.digest());
    api.push("demo", None, &misplaced).await;
    assert!(!tagged(&api, &image, "v1").await);

    api.push("demo", None, &signer.enveloped(&image.digest())).await;
    assert!(tagged(&api, &image, "v1").await);
}

#[tokio::test]
async fn a_signature_in_another_repository_does_not_count() {
    let (api, signer, image) = guarded().await;
    api.create("elsewhere").await;
    api.push("elsewhere", None, &image).await;
    api.push("elsewhere", None, &signer.enveloped(&image.digest()))
        .await;
    assert!(!tagged(&api, &image, "v1").await);
}

#[tokio::test]
async fn one_of_several_signatures_is_enough() {
    let (api, signer, image) = guarded().await;
    let (first, second) = (
        Signer::new().simple(&image.digest()),
        signer.simple(&image.digest()),
    );
    // A document that was signed twice is in two layers with the same digest.
    let layers = json!([first.manifest["layers"][0], second.manifest["layers"][0]]);
    let both = first.with("layers", layers);
    api.push("demo", Some(&signature_tag(&image.digest())), &both)
        .await;
    assert!(tagged(&api, &image, "v1").await);
}

#[tokio::test]
async fn what_is_attached_to_an_image_is_stored_without_a_signature() {
    let (api, signer, image) = guarded().await;
    let attached = Image::new(2).with(
        "subject",
        json!({ "mediaType": OCI_MANIFEST, "digest": image.digest(), "size": 1 }),
    );
    api.push("demo", None, &attached).await;
    api.push("demo", None, &signer.enveloped(&image.digest())).await;
    let tag = format!("{}.sbom", image.digest().replace(':', "-"));
    api.ok("PutImage", put("demo", &attached.text(), Some(&tag)))
        .await;
    for kind in ["sig", "att", "sbom"] {
        let tag = format!("{}.{kind}", image.digest().replace(':', "-"));
        api.push("demo", Some(&tag), &Image::new(3)).await;
    }
    assert!(!tagged(&api, &Image::new(3), "v1").await);
    assert_eq!(api.tags("demo").await.len(), 3);
}

#[tokio::test]
async fn a_subject_frees_nothing_from_its_signature() {
    let (api, signer, image) = guarded().await;
    for subject in [image.digest(), digest(b"made up")] {
        let claiming = Image::new(4).with(
            "subject",
            json!({ "mediaType": OCI_MANIFEST, "digest": subject, "size": 1 }),
        );
        api.push("demo", None, &claiming).await;
        let input = put("demo", &claiming.text(), Some("latest"));
        let refused = api.call("PutImage", input.clone()).await;
        refused.refuses(
            ErrorCode::LayerInaccessibleException,
            &not_signed(&claiming.digest()),
        );
        api.push("demo", None, &signer.enveloped(&claiming.digest()))
            .await;
        api.ok("PutImage", input).await;
    }
}

#[tokio::test]
async fn an_index_is_judged_by_its_own_signature() {
    let (api, signer, image) = guarded().await;
    let all = index(&[&image]);
    let all_digest = api.push_index("demo", None, &all).await;
    api.push("demo", None, &signer.enveloped(&image.digest())).await;
    let input = put("demo", &all.to_string(), Some("all"));
    let refused = api.call("PutImage", input.clone()).await;
    refused.refuses(ErrorCode::LayerInaccessibleException, &not_signed(&all_digest));
    api.push("demo", None, &signer.enveloped(&all_digest)).await;
    api.ok("PutImage", input).await;
}

#[tokio::test]
async fn tags_that_stand_stay_and_a_requirement_ends_with_its_deletion() {
    let api = Api::new();
    api.create("demo").await;
    let image = Image::new(1);
    api.push("demo", Some("v1"), &image).await;
    require(&api, KeyReference::PublicKey(Signer::new().key())).await;
    let again = api.call("PutImage", put("demo", &image.text(), Some("v1"))).await;
    assert_eq!(again.error(), Some("ImageAlreadyExistsException"));
    assert!(!tagged(&api, &image, "v2").await);
    assert!(delete_requirement(api.service(), place(REGION)).await.unwrap());
    assert!(tagged(&api, &image, "v2").await);
    assert!(!delete_requirement(api.service(), place(REGION)).await.unwrap());
}

#[tokio::test]
async fn a_requirement_goes_with_its_repository() {
    let (api, _, image) = guarded().await;
    let delete = json!({ "repositoryName": "demo", "force": true });
    api.ok("DeleteRepository", delete).await;
    api.create("demo").await;
    api.push("demo", Some("v1"), &image).await;
    api.run_due().await;
    assert_eq!(api.count("SELECT count(*) FROM verification_keys"), 0);
    assert_eq!(api.count("SELECT count(*) FROM repositories"), 1);
}

#[tokio::test]
async fn replication_puts_a_tag_once_the_signature_has_come_too() {
    let api = Api::new();
    let there = api.in_region("eu-west-1");
    let signer = Signer::new();
    api.create("demo").await;
    there.create("demo").await;
    let key = KeyReference::PublicKey(signer.key());
    put_requirement(api.service(), place("eu-west-1"), key)
        .await
        .unwrap();
    let destinations = json!([{ "region": "eu-west-1", "registryId": ACCOUNT }]);
    let configuration = json!({ "rules": [{ "destinations": destinations }] });
    api.ok(
        "PutReplicationConfiguration",
        json!({ "replicationConfiguration": configuration }),
    )
    .await;

    let image = Image::new(1);
    api.push("demo", Some("v1"), &image).await;
    api.run_due().await;
    assert_eq!(there.tags("demo").await, []);
    let asked = json!({ "repositoryName": "demo", "imageId": { "imageDigest": image.digest() } });
    let status = api.ok("DescribeImageReplicationStatus", asked).await;
    assert_eq!(
        status["replicationStatuses"][0]["failureCode"],
        "LayerInaccessibleException"
    );

    api.push("demo", None, &signer.enveloped(&image.digest())).await;
    api.run_due().await;
    let later = NOW_MILLISECONDS + 24 * 60 * 60 * 1000;
    api.service().clock.freeze(Timestamp::from_millis(later));
    api.run_due().await;
    assert_eq!(there.tags("demo").await, [("v1".to_owned(), image.digest())]);
}

#[tokio::test]
async fn a_key_of_kms_that_is_not_there_lets_no_tag_be_put() {
    let api = Api::new();
    api.create("demo").await;
    require(&api, KeyReference::Kms(KmsKeyArn::parse(KMS_KEY).unwrap())).await;
    let image = Image::new(1);
    api.push("demo", None, &image).await;
    let message = format!("The KMS key '{KMS_KEY}' that signatures are verified with cannot be used");
    let refused = api.call("PutImage", put("demo", &image.text(), Some("v1"))).await;
    refused.refuses(ErrorCode::KmsException, &message);
    assert_eq!(refused.body["kmsError"], "NotFoundException");
    let refused = api.put_manifest("demo", "v1", image.text()).await.unwrap_err();
    assert!(matches!(*refused.detail, Detail::Kms { .. }));
}
