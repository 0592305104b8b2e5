//! Signed manifests of Docker's schema 1: their digest is the digest of the signed part.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{ManifestError, rule};

#[derive(Deserialize)]
struct Signed {
    signatures: Option<Vec<Signature>>,
}

#[derive(Deserialize)]
struct Signature {
    protected: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OnlySignatures {
    #[serde(rename = "signatures")]
    _signatures: IgnoredAny,
}

/// Where the signed document ends within the whole document, and what follows there.
#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
struct Protected {
    format_length: usize,
    format_tail: String,
}

/// The document before signatures were appended; none if it has no signatures. Docker reads this part and
/// other clients read the whole document, so only the signatures may differ.
pub(crate) fn payload(bytes: &[u8]) -> Result<Option<Vec<u8>>, ManifestError> {
    let signed: Signed = serde_json::from_slice(bytes)?;
    let Some(signatures) = signed.signatures else {
        return Ok(None);
    };
    let mut protected = signatures.iter().map(|signature| protected(&signature.protected));
    let first = protected
        .next()
        .ok_or_else(|| rule("its list of signatures is empty"))??;
    for other in protected {
        if other? != first {
            return Err(rule("its signatures cover different documents"));
        }
    }
    let tail = decoded(&first.format_tail)?;
    let (head, rest) = bytes
        .split_at_checked(first.format_length)
        .ok_or_else(|| rule("the signed part is longer than the manifest"))?;
    if tail.trim_ascii() != b"}" || !holds_only_signatures(rest) {
        return Err(rule("the signed part is not the manifest without its signatures"));
    }
    let payload = [head, tail.as_slice()].concat();
    serde_json::from_slice::<IgnoredAny>(&payload)?;
    Ok(Some(payload))
}

fn protected(text: &str) -> Result<Protected, ManifestError> {
    Ok(serde_json::from_slice(&decoded(text)?)?)
}

fn decoded(text: &str) -> Result<Vec<u8>, ManifestError> {
    let decoded = URL_SAFE_NO_PAD.decode(text.trim_end_matches('='));
    decoded.map_err(|_| rule("a signature is not base64"))
}

/// Whether the rest of an object has no member but `signatures`.
fn holds_only_signatures(rest: &[u8]) -> bool {
    let Some(members) = rest.trim_ascii_start().strip_prefix(b",") else {
        return false;
    };
    let object = [b"{", members].concat();
    serde_json::from_slice::<OnlySignatures>(&object).is_ok()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Signs as Docker does: a document without its closing bracket, the signatures, and a bracket.
    pub(crate) fn sign(head: &str, tail: &str) -> String {
        let protected = format!(
            r#"{{"formatLength":{},"formatTail":"{}","time":"2015-01-01T00:00:00Z"}}"#,
            head.len(),
            URL_SAFE_NO_PAD.encode(tail)
        );
        let protected = URL_SAFE_NO_PAD.encode(protected);
        format!(
            r#"{head},
   "signatures": [{{"header": {{"alg": "ES256"}}, "signature": "c2ln", "protected": "{protected}"}}]
}}"#
        )
    }

    const HEAD: &str = "{\n   \"schemaVersion\": 1,\n   \"fsLayers\": []";

    #[test]
    fn the_payload_is_the_document_before_it_was_signed() {
        let signed = sign(HEAD, "\n}");
        let payload = payload(signed.as_bytes()).unwrap().unwrap();
        assert_eq!(String::from_utf8(payload).unwrap(), format!("{HEAD}\n}}"));
        assert_eq!(super::payload(format!("{HEAD}}}").as_bytes()).unwrap(), None);
    }

    #[test]
    fn a_payload_that_says_something_else_than_the_document_is_refused() {
        let good = sign(HEAD, "\n}");
        for signed in [
            sign(HEAD, ",\"fsLayers\":[1]}"),
            sign(HEAD, ""),
            sign(HEAD, "]}"),
            good.replace("\"signatures\"", "\"more\": 1, \"signatures\""),
            good.replace("}]\n}", "}], \"more\": 1}"),
            good.replace("c2ln\", \"protected\": \"", "c2ln\", \"protected\": \"!"),
            format!("{HEAD}, \"signatures\": []}}"),
            format!(" {good}"),
        ] {
            assert!(payload(signed.as_bytes()).is_err(), "{signed}");
        }
        let (one, other) = (sign(HEAD, "\n}"), sign(HEAD, "}"));
        let entry =
            |signed: &str| signed[signed.find("[{").unwrap() + 1..=signed.find("}]").unwrap()].to_owned();
        let both = one.replace(&entry(&one), &format!("{},{}", entry(&one), entry(&other)));
        assert!(payload(both.as_bytes()).is_err(), "{both}");
        let twice = one.replace(&entry(&one), &format!("{0},{0}", entry(&one)));
        assert!(payload(twice.as_bytes()).unwrap().is_some(), "{twice}");
    }
}
