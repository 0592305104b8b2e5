//! The newer form of a cosign signature: a Sigstore bundle in the only layer of a manifest whose subject is the image. It
//! contains an in-toto statement in a DSSE envelope, or a signature over the manifest of the image itself.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ecru_model::{Digest, DigestAlgorithm, json};
use serde::Deserialize;

use super::{PublicKey, Subject};

pub(super) const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

const IN_TOTO: &str = "application/vnd.in-toto+json";
const STATEMENT_TYPES: [&str; 2] = [
    "https://in-toto.io/Statement/v1",
    "https://in-toto.io/Statement/v0.1",
];
/// The predicate of a signature, as opposed to statements about the content or the build of an image.
const SIGNATURE_PREDICATE: &str = "https://sigstore.dev/cosign/sign/v1";

/// The origin of the signature is not checked: the key that must verify it is given.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    media_type: String,
    dsse_envelope: Option<Envelope>,
    message_signature: Option<MessageSignature>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<EnvelopeSignature>,
}

#[derive(Deserialize)]
struct EnvelopeSignature {
    sig: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MessageSignature {
    message_digest: MessageDigest,
    signature: String,
}

#[derive(Deserialize)]
struct MessageDigest {
    algorithm: String,
    digest: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<StatementSubject>,
    predicate_type: String,
}

#[derive(Deserialize)]
struct StatementSubject {
    digest: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    layers: Vec<Layer>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layer {
    media_type: String,
    digest: String,
}

/// The digest of the bundle of a stored manifest.
pub(super) fn bundle_of(manifest: &[u8]) -> Option<Digest> {
    let manifest = serde_json::from_slice::<Manifest>(manifest).ok()?;
    let [layer] = &manifest.layers[..] else {
        return None;
    };
    (layer.media_type == MEDIA_TYPE)
        .then(|| Digest::parse(&layer.digest).ok())
        .flatten()
}

/// Whether the bundle is a signature of the image by the key.
pub(super) fn verifies(key: &PublicKey, subject: Subject<'_>, bundle: &[u8]) -> bool {
    let Some(bundle) = read::<Bundle>(bundle).filter(|bundle| bundle.media_type == MEDIA_TYPE) else {
        return false;
    };
    let verified = match (&bundle.dsse_envelope, &bundle.message_signature) {
        (Some(envelope), None) => envelope.verifies(key, subject.digest),
        (None, Some(signature)) => signature.verifies(key, subject),
        _ => None,
    };
    verified.unwrap_or(false)
}

fn read<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Option<T> {
    if json::nests_deeper_than(text, json::DEPTH_MAX) {
        return None;
    }
    serde_json::from_slice(text).ok()
}

impl Envelope {
    fn verifies(&self, key: &PublicKey, digest: &Digest) -> Option<bool> {
        let [signature] = &self.signatures[..] else {
            return None;
        };
        let payload = STANDARD.decode(&self.payload).ok()?;
        let signature = STANDARD.decode(&signature.sig).ok()?;
        let statement = read::<Statement>(&payload)?;
        let encoded = pre_authentication_encoding(&self.payload_type, &payload);
        Some(
            self.payload_type == IN_TOTO
                && statement.is_signature_of(digest)
                && key.verifies(&encoded, &signature),
        )
    }
}

/// The signed bytes for a payload and its type, encoded so that neither can be taken for the other.
fn pre_authentication_encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

impl Statement {
    fn is_signature_of(&self, digest: &Digest) -> bool {
        let algorithm = match digest.algorithm() {
            DigestAlgorithm::Sha256 => "sha256",
            DigestAlgorithm::Sha512 => "sha512",
        };
        let hex = digest.hex();
        let named = |subject: &StatementSubject| subject.digest.get(algorithm) == Some(&hex);
        STATEMENT_TYPES.contains(&self.kind.as_str())
            && self.predicate_type == SIGNATURE_PREDICATE
            && self.subject.iter().any(named)
    }
}

impl MessageSignature {
    /// The signed message is the manifest of the image.
    fn verifies(&self, key: &PublicKey, subject: Subject<'_>) -> Option<bool> {
        let claimed = STANDARD.decode(&self.message_digest.digest).ok()?;
        let signature = STANDARD.decode(&self.signature).ok()?;
        Some(
            self.message_digest.algorithm == "SHA2_256"
                && claimed == Digest::of(subject.manifest).as_bytes()
                && key.verifies(subject.manifest, &signature),
        )
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
    use serde_json::{Value, json};

    use super::*;

    const MANIFEST: &[u8] = b"{\"schemaVersion\":2}";

    struct Signer(EcdsaKeyPair);

    impl Signer {
        fn new() -> Self {
            Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap())
        }

        fn key(&self) -> PublicKey {
            let der: PublicKeyX509Der<'_> = self.0.public_key().as_der().unwrap();
            PublicKey::from_der(der.as_ref()).unwrap()
        }

        fn sign(&self, message: &[u8]) -> String {
            STANDARD.encode(self.0.sign(&SystemRandom::new(), message).unwrap())
        }

        fn envelope(&self, statement: &str) -> Value {
            let signature = self.sign(&pre_authentication_encoding(IN_TOTO, statement.as_bytes()));
            json!({
                "mediaType": MEDIA_TYPE,
                "verificationMaterial": { "publicKey": { "hint": "x" } },
                "dsseEnvelope": {
                    "payload": STANDARD.encode(statement),
                    "payloadType": IN_TOTO,
                    "signatures": [{ "sig": signature }],
                },
            })
        }

        fn message(&self) -> Value {
            json!({
                "mediaType": MEDIA_TYPE,
                "messageSignature": {
                    "messageDigest": { "algorithm": "SHA2_256", "digest": STANDARD.encode(Digest::of(MANIFEST).as_bytes()) },
                    "signature": self.sign(MANIFEST),
                },
            })
        }
    }

    fn statement() -> Value {
        json!({
            "_type": STATEMENT_TYPES[0],
            "subject": [{ "digest": { "sha256": Digest::of(MANIFEST).hex() } }],
            "predicateType": SIGNATURE_PREDICATE,
            "predicate": {},
        })
    }

    fn changed(mut value: Value, pointer: &str, to: Value) -> Value {
        *value.pointer_mut(pointer).unwrap() = to;
        value
    }

    #[track_caller]
    fn check(key: &PublicKey, bundle: &Value, expected: bool) {
        let digest = Digest::of(MANIFEST);
        let subject = Subject {
            digest: &digest,
            manifest: MANIFEST,
        };
        assert_eq!(
            verifies(key, subject, bundle.to_string().as_bytes()),
            expected,
            "{bundle}"
        );
    }

    #[test]
    fn a_statement_that_names_the_image_verifies_under_its_key_only() {
        let signer = Signer::new();
        let good = signer.envelope(&statement().to_string());
        check(&signer.key(), &good, true);
        check(&Signer::new().key(), &good, false);
    }

    #[test]
    fn statements_of_something_else_do_not_verify() {
        let signer = Signer::new();
        let other = Digest::of(b"other").hex();
        for (pointer, to) in [
            ("/subject/0/digest/sha256", json!(other)),
            (
                "/subject/0/digest",
                json!({ "sha512": Digest::of(MANIFEST).hex() }),
            ),
            ("/subject", json!([])),
            ("/predicateType", json!("https://spdx.dev/Document")),
            ("/_type", json!("https://in-toto.io/Statement/v2")),
        ] {
            let changed = changed(statement(), pointer, to);
            check(&signer.key(), &signer.envelope(&changed.to_string()), false);
        }
        let among_others = changed(
            statement(),
            "/subject",
            json!([{ "name": "a", "digest": { "sha256": other } }, statement()["subject"][0]]),
        );
        check(&signer.key(), &signer.envelope(&among_others.to_string()), true);
    }

    #[test]
    fn an_envelope_that_was_changed_does_not_verify() {
        let signer = Signer::new();
        let good = signer.envelope(&statement().to_string());
        let signature = &good["dsseEnvelope"]["signatures"][0];
        let respelled = STANDARD.encode(format!("{} ", statement()));
        for (pointer, to) in [
            (
                "/mediaType",
                json!("application/vnd.dev.sigstore.bundle.v0.4+json"),
            ),
            ("/dsseEnvelope/payload", json!(respelled)),
            ("/dsseEnvelope/payload", json!("%")),
            ("/dsseEnvelope/payloadType", json!("text/plain")),
            ("/dsseEnvelope/signatures", json!([])),
            ("/dsseEnvelope/signatures", json!([signature, signature])),
            (
                "/dsseEnvelope/signatures/0/sig",
                json!(signer.sign(statement().to_string().as_bytes())),
            ),
            ("/dsseEnvelope", Value::Null),
        ] {
            check(&signer.key(), &changed(good.clone(), pointer, to), false);
        }
        let mut both = good;
        both["messageSignature"] = signer.message()["messageSignature"].clone();
        check(&signer.key(), &both, false);
    }

    #[test]
    fn a_signature_over_the_manifest_verifies() {
        let signer = Signer::new();
        let good = signer.message();
        check(&signer.key(), &good, true);
        check(&Signer::new().key(), &good, false);
        for (pointer, to) in [
            ("/messageSignature/messageDigest/algorithm", json!("SHA2_512")),
            (
                "/messageSignature/messageDigest/digest",
                json!(STANDARD.encode(Digest::of(b"other").as_bytes())),
            ),
            ("/messageSignature/signature", json!(signer.sign(b"other"))),
        ] {
            check(&signer.key(), &changed(good.clone(), pointer, to), false);
        }
    }

    #[test]
    fn a_bundle_stands_alone_in_its_manifest() {
        let digest = Digest::of(b"bundle");
        let layer = json!({ "mediaType": MEDIA_TYPE, "digest": digest.to_string(), "size": 6 });
        let of = |layers: Value| bundle_of(json!({ "layers": layers }).to_string().as_bytes());
        assert_eq!(of(json!([layer])), Some(digest));
        assert_eq!(of(json!([layer, layer])), None);
        assert_eq!(of(json!([])), None);
        assert_eq!(
            of(json!([changed(layer, "/mediaType", json!("text/plain"))])),
            None
        );
    }
}
