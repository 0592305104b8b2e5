//! `/_ecru/findings`: the findings that scans of an image return, set by a test.

use ecru_model::Digest;
use ecru_registry::scanning::{PresetFinding, preset_findings, release_findings};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::body::{Body, NoBody};
use crate::call::Call;
use crate::problem::Problem;
use crate::query::NoQuery;
use crate::route::{Room, room, route};
use crate::text::Text;

const FINDINGS_MAX: usize = 10_000;

pub(super) const ROOM: Room = room!(
    "findings",
    "Findings for scans, set by tests.",
    [
        route!(
            Put,
            "/_ecru/findings",
            "putFindings",
            "Sets the findings of every scan of an image",
            put
        ),
        route!(
            Delete,
            "/_ecru/findings",
            "deleteFindings",
            "Releases the findings of an image, so that a scan looks at the image again",
            delete
        ),
    ]
);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "WantedFindings"))]
struct Preset {
    image_digest: Text<Digest>,
    /// At most 10,000.
    #[cfg_attr(test, schemars(with = "Vec<tests::Finding>"))]
    findings: Vec<PresetFinding>,
}

impl Body for Preset {
    const SHAPE: &'static str = "the body is {\"imageDigest\": …, \"findings\": [{\"name\": …, \"severity\": \"HIGH\", \
         \"description\": …, \"uri\": …, \"attributes\": [{\"key\": …, \"value\": …}]}]}";
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct OneImage {
    /// The digest of the image.
    image_digest: Text<Digest>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "SetFindings"))]
struct Set {
    image_digest: Text<Digest>,
    /// The number of findings that were set.
    findings: usize,
    /// The number of images with this digest whose findings changed.
    images: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "ReleasedFindings"))]
struct Released {
    image_digest: Text<Digest>,
}

async fn put(call: Call<'_>, _: NoQuery, preset: Preset) -> Result<Set, Problem> {
    if preset.findings.len() > FINDINGS_MAX {
        return Err(Problem::constant("there are more than 10,000 findings"));
    }
    let Text(digest) = preset.image_digest;
    let findings = preset.findings.len();
    let images = preset_findings(&call.control.ecr, digest, preset.findings).await?;
    Ok(Set {
        image_digest: Text(digest),
        findings,
        images,
    })
}

async fn delete(call: Call<'_>, query: OneImage, _: NoBody) -> Result<Released, Problem> {
    const UNKNOWN: Problem = Problem::new(StatusCode::NOT_FOUND, "no findings are set for this digest");

    let Text(digest) = query.image_digest;
    if !release_findings(&call.control.ecr, digest).await? {
        return Err(UNKNOWN);
    }
    Ok(Released {
        image_digest: Text(digest),
    })
}

#[cfg(test)]
mod tests {
    /// A finding in the members of `DescribeImageScanFindings`.
    #[derive(schemars::JsonSchema)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    #[expect(dead_code, reason = "describes what another type reads")]
    pub(super) struct Finding {
        name: String,
        /// `CRITICAL`, `HIGH`, `MEDIUM`, `LOW`, `INFORMATIONAL` or `UNDEFINED`.
        #[serde(default)]
        severity: Option<String>,
        #[serde(default)]
        description: String,
        #[serde(default)]
        uri: String,
        #[serde(default)]
        attributes: Vec<Attribute>,
    }

    #[derive(schemars::JsonSchema)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "describes what another type reads")]
    struct Attribute {
        key: String,
        #[serde(default)]
        value: String,
    }
}
