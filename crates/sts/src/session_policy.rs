//! The policies that a request gives to its session.

use ecru_model::SessionDetails;
use serde_json::{Map, Value};

use crate::Error;
use crate::error::refused;
use crate::generated::error_code::ErrorCode;
use crate::generated::shapes::PolicyDescriptorType;

/// The characters of all policies and tags of a session.
const PACKED_CHARACTERS_MAX: usize = 2_048;

/// The details of a session with these policies.
pub(crate) fn accept(
    policy: Option<&str>,
    arns: Option<Vec<PolicyDescriptorType>>,
) -> Result<SessionDetails, Error> {
    policy.map(check).transpose()?;
    let arns = arns.unwrap_or_default().into_iter();
    Ok(SessionDetails {
        policy: policy.map(str::to_owned),
        policy_arns: arns
            .filter_map(|descriptor| Some(descriptor.arn?.into_string()))
            .collect(),
        ..SessionDetails::default()
    })
}

/// Checks the document's form. A session policy names no principal.
fn check(document: &str) -> Result<(), Error> {
    let document: Value = serde_json::from_str(document).map_err(|_| malformed())?;
    let members = document.as_object().ok_or_else(malformed)?;
    let version = members.get("Version");
    if version.is_some_and(|version| version != "2012-10-17" && version != "2008-10-17") {
        return Err(malformed());
    }
    let statements = match members.get("Statement") {
        Some(Value::Array(statements)) if !statements.is_empty() => statements.as_slice(),
        Some(statement @ Value::Object(_)) => std::slice::from_ref(statement),
        _ => return Err(malformed()),
    };
    let sound = |statement: &Value| statement.as_object().is_some_and(is_statement);
    if statements.iter().all(sound) {
        Ok(())
    } else {
        Err(malformed())
    }
}

fn is_statement(statement: &Map<String, Value>) -> bool {
    let has_one_of =
        |names: [&str; 2]| names.iter().filter(|name| statement.contains_key(**name)).count() == 1;
    let effect = statement.get("Effect").and_then(Value::as_str);
    matches!(effect, Some("Allow" | "Deny"))
        && has_one_of(["Action", "NotAction"])
        && has_one_of(["Resource", "NotResource"])
        && !statement.contains_key("Principal")
        && !statement.contains_key("NotPrincipal")
}

fn malformed() -> Error {
    refused(
        ErrorCode::MalformedPolicyDocumentException,
        "The policy is not in the valid JSON format.",
    )
}

/// How much of the room for policies and tags is taken, in percent; none if there are neither.
pub(crate) fn packed_percent(texts: &[&str]) -> Result<Option<i32>, Error> {
    let characters = texts.iter().map(|text| text.chars().count()).sum::<usize>();
    if characters == 0 {
        return Ok(None);
    }
    let percent = (characters * 100).div_ceil(PACKED_CHARACTERS_MAX);
    if percent > 100 {
        return Err(refused(
            ErrorCode::PackedPolicyTooLargeException,
            format!("Packed size of session tags and policies consumes {percent}% of allotted space."),
        ));
    }
    Ok(i32::try_from(percent).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_policy_is_a_policy_without_principal() {
        let sound = r#"{"Effect": "Allow", "Action": "ecr:*", "Resource": "*"}"#;
        for (document, good) in [
            (
                format!(r#"{{"Version": "2012-10-17", "Statement": [{sound}]}}"#),
                true,
            ),
            (format!(r#"{{"Statement": {sound}}}"#), true),
            (
                format!(r#"{{"Version": "2020-01-01", "Statement": [{sound}]}}"#),
                false,
            ),
            (r#"{"Version": "2012-10-17", "Statement": []}"#.to_owned(), false),
            (format!("[{sound}]"), false),
            (sound.to_owned(), false),
            (
                r#"{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Principal": "*"}}"#
                    .to_owned(),
                false,
            ),
            (
                r#"{"Statement": {"Effect": "Allow", "Action": "*"}}"#.to_owned(),
                false,
            ),
            (String::new(), false),
        ] {
            assert_eq!(check(&document).is_ok(), good, "{document}");
        }
    }

    #[test]
    fn policies_and_tags_share_their_room() {
        assert_eq!(packed_percent(&[]).unwrap(), None);
        assert_eq!(packed_percent(&["", "a"]).unwrap(), Some(1));
        let full = "a".repeat(PACKED_CHARACTERS_MAX);
        assert_eq!(packed_percent(&[&full]).unwrap(), Some(100));
        let refused = packed_percent(&[&full, "a"]).unwrap_err();
        assert_eq!(refused.code.name, "PackedPolicyTooLarge");
    }
}
