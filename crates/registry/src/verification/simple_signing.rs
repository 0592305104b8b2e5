//! The older form of a cosign signature: layers of a manifest under the tag `sha256-<hex>.sig`. Each layer is a small document
//! that names the image; an annotation holds the signature over its bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ecru_model::{Digest, json};
use serde::Deserialize;

use super::{PublicKey, Subject};
use crate::annotations::Annotations;

const LAYER: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
const SIGNATURE_ANNOTATION: &str = "dev.cosignproject.cosign/signature";
const PAYLOAD_TYPE: &str = "cosign container image signature";

/// A layer that claims to be a signature.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Claim {
    /// The digest of the blob that was signed.
    pub(super) payload: Digest,
    pub(super) signature: Vec<u8>,
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
    #[serde(default)]
    annotations: Annotations,
}

#[derive(Deserialize)]
struct Payload {
    critical: Critical,
}

#[derive(Deserialize)]
struct Critical {
    image: Image,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Image {
    docker_manifest_digest: String,
}

/// The signatures that a stored manifest claims, in the order of the manifest, which is the order of signing.
pub(super) fn claims(manifest: &[u8]) -> Vec<Claim> {
    let layers = serde_json::from_slice::<Manifest>(manifest).map_or_else(|_| Vec::new(), |it| it.layers);
    let claim = |layer: &Layer| {
        let signature = layer.annotations.find(SIGNATURE_ANNOTATION)?;
        Some(Claim {
            payload: Digest::parse(&layer.digest).ok()?,
            signature: STANDARD.decode(signature).ok()?,
        })
    };
    let of_type = layers.iter().filter(|layer| layer.media_type == LAYER);
    of_type.filter_map(claim).collect()
}

/// Whether the key signed this document, and the document names the image.
pub(super) fn verifies(key: &PublicKey, subject: Subject<'_>, payload: &[u8], signature: &[u8]) -> bool {
    names(payload, subject.digest) && key.verifies(payload, signature)
}

fn names(payload: &[u8], digest: &Digest) -> bool {
    if json::nests_deeper_than(payload, json::DEPTH_MAX) {
        return false;
    }
    serde_json::from_slice::<Payload>(payload).is_ok_and(|payload| {
        payload.critical.kind == PAYLOAD_TYPE
            && payload.critical.image.docker_manifest_digest == digest.to_string()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn payload(digest: &str) -> Value {
        json!({
            "critical": {
                "identity": { "docker-reference": "localhost:4566/demo" },
                "image": { "docker-manifest-digest": digest },
                "type": PAYLOAD_TYPE,
            },
            "optional": null,
        })
    }

    #[test]
    fn a_document_names_an_image_by_its_digest_and_its_own_type() {
        let digest = Digest::of(b"image");
        let good = payload(&digest.to_string());
        let mut other_type = good.clone();
        other_type["critical"]["type"] = json!("atomic container signature");
        let twice = good.to_string().replacen(
            "\"critical\"",
            &format!("\"critical\":{},\"critical\"", payload("sha256:00")["critical"]),
            1,
        );
        let cases = [
            (good.to_string(), true),
            (payload(&Digest::of(b"other").to_string()).to_string(), false),
            (payload(&digest.to_string().to_uppercase()).to_string(), false),
            (other_type.to_string(), false),
            (twice, false),
            (format!("{good} {good}"), false),
            (json!({ "critical": null }).to_string(), false),
            (String::new(), false),
        ];
        for (text, expected) in cases {
            assert_eq!(names(text.as_bytes(), &digest), expected, "{text}");
        }
    }

    #[test]
    fn claims_are_the_layers_of_the_type_with_a_signature() {
        let digest = Digest::of(b"payload");
        let layer = |media_type: &str, digest: &str, annotations: Value| json!({ "mediaType": media_type, "digest": digest, "size": 1, "annotations": annotations });
        let name = digest.to_string();
        let manifest = json!({
            "schemaVersion": 2,
            "layers": [
                layer(LAYER, &name, json!({ SIGNATURE_ANNOTATION: "AQI=" })),
                layer(LAYER, &name, json!({ SIGNATURE_ANNOTATION: "AwQ=" })),
                layer(LAYER, &name, json!({ SIGNATURE_ANNOTATION: "not base64" })),
                layer(LAYER, "sha256:00", json!({ SIGNATURE_ANNOTATION: "AQI=" })),
                layer(LAYER, &name, json!({ "other": "AQI=" })),
                layer("text/plain", &name, json!({ SIGNATURE_ANNOTATION: "AQI=" })),
            ],
        });
        let claim = |signature: &[u8]| Claim {
            payload: digest,
            signature: signature.to_owned(),
        };
        assert_eq!(
            claims(manifest.to_string().as_bytes()),
            [claim(&[1, 2]), claim(&[3, 4])]
        );
        assert_eq!(claims(b"{}"), []);
        assert_eq!(claims(b"nothing"), []);
    }
}
