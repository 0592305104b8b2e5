//! Reads a manifest of any kind that ECR stores into what the registry needs of it. It reads incoming manifests strictly, and
//! everything that an earlier build stored.

mod media_type;
mod members;
mod reference;
mod schema_1;
mod texts;

use std::fmt;
use std::sync::Arc;

use ecru_model::{Digest, DigestAlgorithm, json};
use serde::Deserialize;

use media_type::is_media_type;
use texts::{TextList, TextMap};

use crate::annotations::Annotations;

pub(crate) use media_type::MEDIA_TYPE_BYTES_MAX;
pub use reference::{Reference, StoredManifest};

pub const MANIFEST_BYTES_MAX: usize = 4_194_304;

const DOCKER_SCHEMA_1: &str = "application/vnd.docker.distribution.manifest.v1+json";
const DOCKER_SCHEMA_1_SIGNED: &str = "application/vnd.docker.distribution.manifest.v1+prettyjws";
const DOCKER_SCHEMA_2: &str = "application/vnd.docker.distribution.manifest.v2+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const OCI_ARTIFACT: &str = "application/vnd.oci.artifact.manifest.v1+json";
const ORAS_ARTIFACT: &str = "application/vnd.cncf.oras.artifact.manifest.v1+json";

const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Layers named by `fsLayers`, without sizes.
    Schema1,
    /// A config and layers.
    Image,
    /// It names other manifests.
    Index,
    /// Blobs without a config.
    Artifact,
}

const KINDS: [(&str, Kind); 8] = [
    (DOCKER_SCHEMA_1, Kind::Schema1),
    (DOCKER_SCHEMA_1_SIGNED, Kind::Schema1),
    (DOCKER_SCHEMA_2, Kind::Image),
    (OCI_MANIFEST, Kind::Image),
    (DOCKER_LIST, Kind::Index),
    (OCI_INDEX, Kind::Index),
    (OCI_ARTIFACT, Kind::Artifact),
    (ORAS_ARTIFACT, Kind::Artifact),
];

impl Manifest {
    pub(crate) fn is_index(&self) -> bool {
        self.kind == Kind::Index
    }
}

impl Kind {
    fn of(media_type: &str) -> Option<Self> {
        let known = KINDS.iter().find(|(known, _)| *known == media_type);
        known.map(|(_, kind)| *kind)
    }
}

/// A media type from a header, without its parameters and in the case of its registration.
fn canonical(declared: &str) -> &str {
    let declared = declared.split(';').next().unwrap_or_default().trim();
    let mut known = KINDS.iter().map(|(known, _)| *known);
    known
        .find(|known| known.eq_ignore_ascii_case(declared))
        .unwrap_or(declared)
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(crate) media_type: String,
    pub(crate) kind: Kind,
    /// The config, if present, and the layers; each blob once, in the order of the document.
    pub(crate) blobs: Vec<BlobReference>,
    /// The manifests of an index, each once.
    pub(crate) children: Vec<Digest>,
    pub(crate) subject: Option<Digest>,
    /// The `artifactType`, else the media type of the config.
    pub(crate) artifact_media_type: Option<String>,
    /// As JSON, if the manifest has a subject: the lists of referrers contain them.
    pub(crate) annotations: Option<Arc<str>>,
    /// Whether every type in it is a media type by the grammar.
    has_media_types: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BlobReference {
    pub(crate) digest: Digest,
    pub(crate) media_type: String,
    /// The size that the manifest claims.
    pub(crate) size: u64,
    /// A layer that may be fetched elsewhere, so that the repository need not have it.
    pub(crate) foreign: bool,
}

/// A reason may quote the document.
const REASON_CHARACTERS_MAX: usize = 400;

/// Why a document is not a valid manifest. The JSON API answers with ECR's one sentence. This reason goes to
/// the log, and the OCI API adds it to the sentence.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ManifestError {
    #[error("the document is not what its schema says")]
    Schema(#[from] serde_json::Error),
    #[error("{0}")]
    Rule(String),
}

impl ManifestError {
    pub(crate) fn reason(&self) -> String {
        let reason = match self {
            Self::Schema(cause) => format!("{self}: {cause}"),
            Self::Rule(rule) => rule.clone(),
        };
        reason.chars().take(REASON_CHARACTERS_MAX).collect()
    }
}

pub(crate) fn rule(text: impl fmt::Display) -> ManifestError {
    ManifestError::Rule(text.to_string())
}

impl Manifest {
    /// Reads an incoming manifest: one that every client reads alike, with types of limited length.
    /// `declared` is the media type sent beside it.
    pub(crate) fn accept(bytes: &[u8], declared: Option<&str>) -> Result<Self, ManifestError> {
        let manifest = Self::parse(bytes, declared)?;
        if !manifest.has_media_types {
            return Err(rule("a media type or artifact type does not follow RFC 6838"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| rule("it is not UTF-8"))?;
        members::check(text, manifest.kind)?;
        if manifest.kind == Kind::Schema1
            && schema_1::payload(bytes)?.is_none()
            && manifest.media_type == DOCKER_SCHEMA_1_SIGNED
        {
            return Err(rule(format_args!(
                "it has no signatures, which its media type `{DOCKER_SCHEMA_1_SIGNED}` asks for"
            )));
        }
        Ok(manifest)
    }

    /// Reads a stored manifest, which an earlier build may have accepted although `accept` refuses it.
    pub(crate) fn parse(bytes: &[u8], declared: Option<&str>) -> Result<Self, ManifestError> {
        if bytes.len() > MANIFEST_BYTES_MAX {
            return Err(rule("it is longer than 4 MiB"));
        }
        if json::nests_deeper_than(bytes, json::DEPTH_MAX) {
            return Err(rule("it is nested too deeply"));
        }
        // The reader would not check this in members that it skips.
        let text = std::str::from_utf8(bytes).map_err(|_| rule("it is not UTF-8"))?;
        let document: Document = serde_json::from_str(text)?;
        let media_type = document.agreed_media_type(declared)?;
        let kind = Kind::of(&media_type).ok_or_else(|| {
            rule(format_args!(
                "manifests of the media type `{media_type}` are not supported"
            ))
        })?;
        document.check_shape(kind)?;

        Ok(Self {
            kind,
            blobs: document.blobs(kind)?,
            children: document.children(),
            subject: document.subject.as_ref().map(|subject| subject.digest.0),
            artifact_media_type: document.artifact_media_type(kind),
            has_media_types: document.has_media_types(),
            annotations: document.annotations_to_list(text)?,
            media_type,
        })
    }

    /// The digest that names the manifest; `accept` has read it from these bytes.
    pub(crate) fn digest(&self, bytes: &[u8], algorithm: DigestAlgorithm) -> Digest {
        let payload = (self.kind == Kind::Schema1).then(|| schema_1::payload(bytes));
        match payload {
            Some(Ok(Some(payload))) => Digest::computed(algorithm, &payload),
            _ => Digest::computed(algorithm, bytes),
        }
    }
}

/// Members that are kept only if the manifest has a subject.
#[derive(Deserialize)]
struct Described {
    annotations: Option<Annotations>,
}

/// Whether a digest names a stored manifest. Earlier builds named a signed manifest by the digest of all its bytes.
pub(crate) fn is_named_by(digest: &Digest, media_type: &str, bytes: &[u8]) -> bool {
    if Digest::computed(digest.algorithm(), bytes) == *digest {
        return true;
    }
    let payload = (Kind::of(media_type) == Some(Kind::Schema1)).then(|| schema_1::payload(bytes));
    matches!(payload, Some(Ok(Some(payload))) if Digest::computed(digest.algorithm(), &payload) == *digest)
}

/// The members that a registry uses. The derived reader refuses a member that is given twice.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: Option<u64>,
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    blobs: Option<Vec<Descriptor>>,
    fs_layers: Option<Vec<SchemaOneLayer>>,
    subject: Option<Descriptor>,
    annotations: Option<TextMap>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: DigestText,
    size: u64,
    urls: Option<TextList>,
}

impl Descriptor {
    fn is_elsewhere(&self) -> bool {
        self.urls.as_ref().is_some_and(|urls| !urls.is_empty)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SchemaOneLayer {
    blob_sum: DigestText,
}

#[derive(Deserialize)]
#[serde(try_from = "String")]
struct DigestText(Digest);

impl TryFrom<String> for DigestText {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Digest::parse(&text).map(Self).map_err(|error| error.to_string())
    }
}

impl Document {
    /// The type in the document and the declared type must be equal; one of them is enough.
    fn agreed_media_type(&self, declared: Option<&str>) -> Result<String, ManifestError> {
        match (self.media_type.as_deref(), declared.map(canonical)) {
            (Some(own), Some(declared)) if own != declared => Err(rule(format_args!(
                "its media type `{own}` is not `{declared}`, the one it was sent with"
            ))),
            (Some(own), _) => Ok(own.to_owned()),
            (None, Some(declared)) => Ok(declared.to_owned()),
            (None, None) => Err(rule("no media type is given")),
        }
    }

    fn check_shape(&self, kind: Kind) -> Result<(), ManifestError> {
        let names_blobs = self.config.is_some() || self.layers.is_some() || self.blobs.is_some();
        let fits = match kind {
            Kind::Schema1 => self.schema_version == Some(1) && self.fs_layers.is_some(),
            // BuildKit writes no layers where an image `FROM scratch` has none.
            Kind::Image => {
                self.schema_version == Some(2)
                    && self.config.is_some()
                    && self.blobs.is_none()
                    && self.manifests.is_none()
            }
            Kind::Index => self.schema_version == Some(2) && self.manifests.is_some() && !names_blobs,
            Kind::Artifact => {
                self.artifact_type.is_some()
                    && self.config.is_none()
                    && self.layers.is_none()
                    && self.manifests.is_none()
            }
        };
        if fits {
            Ok(())
        } else {
            Err(rule("its members are not those of its media type"))
        }
    }

    /// An empty artifact type counts as absent.
    fn has_media_types(&self) -> bool {
        let descriptors = self.config.iter().chain(&self.subject);
        let listed = [&self.layers, &self.manifests, &self.blobs]
            .into_iter()
            .flatten()
            .flatten();
        let artifact_type = self.artifact_type.as_deref().filter(|kind| !kind.is_empty());
        let types = descriptors
            .chain(listed)
            .map(|descriptor| descriptor.media_type.as_str());
        types.chain(artifact_type).all(is_media_type)
    }

    fn blobs(&self, kind: Kind) -> Result<Vec<BlobReference>, ManifestError> {
        let mut blobs = Vec::<BlobReference>::new();
        let mut seen = std::collections::HashSet::new();
        let layers = self.layers.iter().chain(&self.blobs).flatten();
        let described = self
            .config
            .iter()
            .map(|config| (config, false))
            .chain(layers.map(|layer| (layer, layer.is_elsewhere())));
        for (descriptor, foreign) in described {
            if i64::try_from(descriptor.size).is_err() {
                return Err(rule("a size is too large"));
            }
            if seen.insert(descriptor.digest.0) {
                blobs.push(BlobReference {
                    digest: descriptor.digest.0,
                    media_type: descriptor.media_type.clone(),
                    size: descriptor.size,
                    foreign,
                });
            }
        }
        if kind == Kind::Schema1 {
            for layer in self.fs_layers.iter().flatten() {
                if seen.insert(layer.blob_sum.0) {
                    blobs.push(BlobReference {
                        digest: layer.blob_sum.0,
                        media_type: DOCKER_LAYER.to_owned(),
                        size: 0,
                        foreign: false,
                    });
                }
            }
        }
        Ok(blobs)
    }

    fn children(&self) -> Vec<Digest> {
        let mut seen = std::collections::HashSet::new();
        self.manifests
            .iter()
            .flatten()
            .map(|descriptor| &descriptor.digest.0)
            .filter(|digest| seen.insert(*digest))
            .copied()
            .collect()
    }

    /// Reads the document a second time, so that annotations that are never listed are not kept.
    fn annotations_to_list(&self, text: &str) -> serde_json::Result<Option<Arc<str>>> {
        let given = self.annotations.as_ref().filter(|given| !given.is_empty);
        if self.subject.is_none() || given.is_none() {
            return Ok(None);
        }
        let annotations = serde_json::from_str::<Described>(text)?.annotations;
        Ok(Some(serde_json::to_string(&annotations)?.into()))
    }

    fn artifact_media_type(&self, kind: Kind) -> Option<String> {
        match kind {
            Kind::Schema1 => None,
            Kind::Index => self.artifact_type.clone(),
            Kind::Image | Kind::Artifact => {
                let given = self.artifact_type.as_ref().filter(|kind| !kind.is_empty());
                given
                    .or(self.config.as_ref().map(|config| &config.media_type))
                    .cloned()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = r#"{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2}"#;

    fn image(extra: &str) -> String {
        format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","config":{CONFIG},"layers":[]{extra}}}"#)
    }

    #[track_caller]
    fn check(document: &str, declared: Option<&str>, accepted: bool) {
        let parsed = Manifest::parse(document.as_bytes(), declared);
        assert_eq!(parsed.is_ok(), accepted, "{document} gave {parsed:?}");
    }

    #[test]
    fn documents_that_are_no_manifest_are_refused() {
        check(&image(""), None, true);
        check(&image(""), Some(OCI_MANIFEST), true);
        check(&image(""), Some(OCI_INDEX), false);
        check(&image(r#","manifests":[]"#), None, false);
        check(&image(r#","layers":[]"#), None, false);
        check(&image("").replace(r#""size":2"#, r#""size":-2"#), None, false);
        check(&image("").replace(r#""size":2"#, r#""size":2.5"#), None, false);
        check(&image("").replace("sha256:44", "sha256:4"), None, false);
        check(
            &image("").replace("sha256:44136fa", "sha256:44136FA"),
            None,
            false,
        );
        check(
            &image("").replace(r#""schemaVersion":2"#, r#""schemaVersion":1"#),
            None,
            false,
        );
        check(&image("").replace(OCI_MANIFEST, "text/plain"), None, false);
        check(&format!("{} {{}}", image("")), None, false);
        check("[]", Some(OCI_MANIFEST), false);
        check(
            &format!(r#"{{"a":{}{}}}"#, "[".repeat(70), "]".repeat(70)),
            Some(OCI_MANIFEST),
            false,
        );
        check(r#"{"schemaVersion":2,"manifests":[]}"#, Some(OCI_INDEX), true);
        check(r#"{"schemaVersion":2,"manifests":[]}"#, None, false);
    }

    #[test]
    fn the_type_of_an_artifact_is_its_artifact_type_or_the_type_of_its_config() {
        let plain = Manifest::parse(image("").as_bytes(), None).unwrap();
        assert_eq!(
            plain.artifact_media_type.as_deref(),
            Some("application/vnd.oci.image.config.v1+json")
        );

        let typed = Manifest::parse(image(r#","artifactType":"text/sbom""#).as_bytes(), None).unwrap();
        assert_eq!(typed.artifact_media_type.as_deref(), Some("text/sbom"));
    }

    #[test]
    fn a_type_outside_the_grammar_is_refused_where_it_comes_in_and_read_where_it_is_stored() {
        let long = format!("application/{}", "x".repeat(4 << 20 >> 1));
        let config = "application/vnd.oci.image.config.v1+json";
        let documents = ["", "plain", "text/a b", &long].map(|kind| {
            let descriptor = CONFIG.replace(config, kind);
            [
                image("").replace(config, kind),
                image("").replace(r#""layers":[]"#, &format!(r#""layers":[{descriptor}]"#)),
                image(&format!(r#","subject":{descriptor}"#)),
                format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":[{descriptor}]}}"#),
                image(&format!(r#","artifactType":"{kind}""#)),
            ]
        });
        for (place, document) in documents.iter().flatten().enumerate() {
            // An empty artifact type counts as absent.
            let is_taken = place == 4;
            let accepted = Manifest::accept(document.as_bytes(), None);
            assert_eq!(accepted.is_ok(), is_taken, "{place}: {accepted:.200?}");
            assert!(Manifest::parse(document.as_bytes(), None).is_ok(), "{place}");
        }
        assert!(Manifest::accept(image("").as_bytes(), None).is_ok());
    }

    #[test]
    fn a_blob_named_twice_is_needed_once() {
        let document = image("").replace(r#""layers":[]"#, &format!(r#""layers":[{CONFIG},{CONFIG}]"#));
        assert_eq!(Manifest::parse(document.as_bytes(), None).unwrap().blobs.len(), 1);
    }
}
