//! `/_ecru/findings`: the findings that scans of an image return, set by a test.

use ecru_model::Digest;
use ecru_registry::scanning::{PresetFinding, preset_findings, release_findings};
use serde::Deserialize;
use serde_json::json;

use super::{Answered, Asked, Problem};

const FINDINGS_MAX: usize = 10_000;
const DIGEST: Problem = Problem::BadRequest("`imageDigest` is `sha256:` and 64 hexadecimal digits");

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Preset {
    image_digest: String,
    findings: Vec<PresetFinding>,
}

pub(super) async fn put(asked: &Asked<'_>) -> Answered {
    const SHAPE: Problem = Problem::BadRequest(
        "the body is {\"imageDigest\": …, \"findings\": [{\"name\": …, \"severity\": \"HIGH\", \"description\": …, \
         \"uri\": …, \"attributes\": [{\"key\": …, \"value\": …}]}]}",
    );
    const TOO_MANY: Problem = Problem::BadRequest("there are more than 10,000 findings");

    let preset = asked.read_body::<Preset>().ok_or(SHAPE)?;
    let digest = Digest::parse(&preset.image_digest).map_err(|_| DIGEST)?;
    if preset.findings.len() > FINDINGS_MAX {
        return Err(TOO_MANY);
    }
    let count = preset.findings.len();
    let images = preset_findings(asked.service, digest, preset.findings).await?;
    Ok(json!({ "imageDigest": digest.to_string(), "findings": count, "images": images }))
}

pub(super) async fn delete(asked: &Asked<'_>) -> Answered {
    const NAMED: Problem = Problem::BadRequest("`?imageDigest=` must name the image to scan again");
    const UNKNOWN: Problem = Problem::NotFound("no findings are set for this digest");

    let digest = asked.query.get("imageDigest").ok_or(NAMED)?;
    let digest = Digest::parse(digest).map_err(|_| DIGEST)?;
    if !release_findings(asked.service, digest).await? {
        return Err(UNKNOWN);
    }
    Ok(json!({ "imageDigest": digest.to_string() }))
}
