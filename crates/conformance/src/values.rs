//! The values of a run, which samples name as `${name}`.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use base64::{Engine, prelude::BASE64_STANDARD};
use ecru_model::Digest;
use serde_json::{Value, json};

const CONFIG: &[u8] = br#"{"n":"cfg1"}"#;
const LAYER: &[u8] = b"layer of the conformance";
const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// A valid ID of no object.
const NO_ID: &str = "00000000-0000-0000-0000-000000000000";

#[derive(Clone)]
pub(crate) struct Values(BTreeMap<String, String>);

impl Values {
    /// The names of all created objects begin with `run`.
    pub(crate) fn new(run: &str, account: &str, region: &str) -> Self {
        let other_region = if region == "eu-west-1" {
            "us-east-1"
        } else {
            "eu-west-1"
        };
        let image = manifest(None, "first").to_string();
        let artifact = |kind: &str| {
            let subject =
                json!({ "mediaType": OCI_MANIFEST, "digest": digest(image.as_bytes()), "size": image.len() });
            manifest(Some(subject), kind).to_string()
        };
        let values = [
            ("run", run.to_owned()),
            ("account", account.to_owned()),
            ("region", region.to_owned()),
            ("other-region", other_region.to_owned()),
            ("shared", format!("{run}/s")),
            (
                "arn",
                format!("arn:aws:ecr:{region}:{account}:repository/{run}/s"),
            ),
            ("upload", NO_ID.to_owned()),
            ("backfill", NO_ID.to_owned()),
            ("config-base64", BASE64_STANDARD.encode(CONFIG)),
            ("config-digest", digest(CONFIG)),
            ("layer-base64", BASE64_STANDARD.encode(LAYER)),
            ("layer-digest", digest(LAYER)),
            ("image-digest", digest(image.as_bytes())),
            ("second-manifest", manifest(None, "second").to_string()),
            ("third-manifest", manifest(None, "third").to_string()),
            ("signature", artifact("signature")),
            ("statement", artifact("statement")),
            ("repository-policy", repository_policy()),
            ("registry-policy", registry_policy(account)),
            ("lifecycle-policy", lifecycle_policy(100)),
            ("expiring-policy", lifecycle_policy(1)),
            ("manifest", image),
        ];
        Self(
            values
                .map(|(name, value)| (name.to_owned(), value))
                .into_iter()
                .collect(),
        )
    }

    pub(crate) fn set(&mut self, name: &str, value: String) {
        self.0.insert(name.to_owned(), value);
    }

    pub(crate) fn get(&self, name: &str) -> Result<&str> {
        let value = self.0.get(name).map(String::as_str);
        value.with_context(|| format!("no value `{name}`"))
    }

    /// Replaces each `${name}` in the input, and pads each `${name:length}` with blanks.
    pub(crate) fn fill(&self, input: &Value) -> Result<Value> {
        Ok(match input {
            Value::String(text) => Value::String(self.fill_text(text)?),
            Value::Array(elements) => Value::Array(
                elements
                    .iter()
                    .map(|element| self.fill(element))
                    .collect::<Result<_>>()?,
            ),
            Value::Object(members) => Value::Object(
                members
                    .iter()
                    .map(|(name, value)| Ok((name.clone(), self.fill(value)?)))
                    .collect::<Result<_>>()?,
            ),
            other => other.clone(),
        })
    }

    fn fill_text(&self, text: &str) -> Result<String> {
        let mut filled = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (name, after) = after.split_once('}').context("a `${` is not closed")?;
            filled.push_str(before);
            match name.split_once(':') {
                None => filled.push_str(self.get(name)?),
                Some((name, length)) => {
                    let value = self.get(name)?;
                    let length = length.parse::<usize>().context("a length is a number")?;
                    ensure!(value.len() <= length, "`{name}` is longer than {length}");
                    filled.push_str(value);
                    filled.extend(std::iter::repeat_n(' ', length - value.len()));
                }
            }
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled)
    }
}

fn digest(bytes: &[u8]) -> String {
    Digest::of(bytes).to_string()
}

fn manifest(subject: Option<Value>, what: &str) -> Value {
    let descriptor = |media_type: &str, bytes: &[u8]| json!({ "mediaType": media_type, "digest": digest(bytes), "size": bytes.len() });
    let mut manifest = json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor("application/vnd.oci.image.config.v1+json", CONFIG),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar+gzip", LAYER)],
        "annotations": { "what": what },
    });
    if let (Some(subject), Some(members)) = (subject, manifest.as_object_mut()) {
        members.insert("subject".to_owned(), subject);
        members.insert(
            "artifactType".to_owned(),
            json!("application/vnd.example.signature"),
        );
    }
    manifest
}

fn repository_policy() -> String {
    let statement = json!({
        "Sid": "pull",
        "Effect": "Allow",
        "Principal": "*",
        "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
    });
    json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string()
}

fn registry_policy(account: &str) -> String {
    let statement = json!({
        "Sid": "replicate",
        "Effect": "Allow",
        "Principal": { "AWS": format!("arn:aws:iam::{account}:root") },
        "Action": ["ecr:ReplicateImage"],
        "Resource": "*",
    });
    json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string()
}

fn lifecycle_policy(images: u64) -> String {
    let rule = json!({
        "rulePriority": 1,
        "description": "keeps the newest",
        "selection": { "tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": images },
        "action": { "type": "expire" },
    });
    json!({ "rules": [rule] }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_replaced_wherever_they_stand() {
        let values = Values::new("c1", "000000000000", "us-east-1");
        let filled = values
            .fill(&json!({ "a": ["${run}/x", "${run:4}|"], "b": 7 }))
            .unwrap();
        assert_eq!(filled, json!({ "a": ["c1/x", "c1  |"], "b": 7 }));
        values.fill(&json!("${nothing}")).unwrap_err();
        values.fill(&json!("${run:1}")).unwrap_err();
    }

    #[test]
    fn the_lengths_in_the_samples_are_those_of_the_bytes() {
        assert_eq!((CONFIG.len(), LAYER.len()), (12, 24));
    }
}
