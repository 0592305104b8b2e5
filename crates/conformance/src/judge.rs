//! Checks whether the model allows an answer for its variant.

use serde_json::Value;

use crate::{
    client::{Answer, answer_type},
    facts::{Facts, Kind, Operation},
    variants::Expected,
};

const PARAMETER_ERRORS: [&str; 3] = [
    "InvalidParameterException",
    "ValidationException",
    "ValidationError",
];
/// The error for a marker that another list returned. The model allows any text as a marker.
const FOREIGN_MARKER: &str = "InvalidMarkerException";
const UNREADABLE: [&str; 2] = ["SerializationException", "MalformedInput"];

/// Returns what is wrong with the answer, if anything.
pub(crate) fn judge(
    facts: &Facts,
    operation: Option<&Operation>,
    expected: Expected,
    answer: &Answer,
) -> Result<(), String> {
    if answer.status >= 500 {
        return Err("the endpoint failed".to_owned());
    }
    let usual = answer_type(facts).map_err(|error| error.to_string())?;
    if answer.content_type != usual {
        return Err(format!("the content type is `{}`", answer.content_type));
    }
    let Some(body) = answer.body.as_ref().filter(|body| body.is_object()) else {
        return Err("the body is not an object".to_owned());
    };
    if answer.status == 200 {
        let output = operation.ok_or("the request names no operation")?;
        check(facts, &output.output, body, "")?;
        return match expected {
            Expected::Success => Ok(()),
            _ => Err("accepted, although the request is invalid".to_owned()),
        };
    }
    refused(facts, operation, expected, answer)
}

fn refused(
    facts: &Facts,
    operation: Option<&Operation>,
    expected: Expected,
    answer: &Answer,
) -> Result<(), String> {
    let code = answer.code().ok_or("the error has no code")?;
    let text = answer.body.as_ref().and_then(|body| body.get("message"));
    if text.and_then(Value::as_str).unwrap_or_default().is_empty() {
        return Err("the error has no message".to_owned());
    }
    if !facts.may_answer(operation, code, answer.status) {
        return Err("the operation does not have this error".to_owned());
    }
    let blames_parameter = PARAMETER_ERRORS.contains(&facts.modelled(code));
    match expected {
        Expected::Success if blames_parameter || UNREADABLE.contains(&code) => {
            let text = text.and_then(Value::as_str).unwrap_or_default();
            Err(format!("refused, although the request is valid: {text}"))
        }
        Expected::ParameterError if !blames_parameter && code != FOREIGN_MARKER => {
            Err("the error does not blame a parameter".to_owned())
        }
        Expected::Refusal(codes) if !codes.contains(&code) => Err(format!("not {}", codes.join(" or "))),
        _ => Ok(()),
    }
}

/// Compares a value of an answer with its shape.
fn check(facts: &Facts, shape: &str, value: &Value, at: &str) -> Result<(), String> {
    let shape = facts.shape(shape).map_err(|error| error.to_string())?;
    let fits = match shape.kind {
        Kind::Structure | Kind::Map => value.is_object(),
        Kind::List => value.is_array(),
        Kind::String | Kind::Blob => value.is_string(),
        Kind::Integer | Kind::Long => value.is_i64() || value.is_u64(),
        Kind::Double | Kind::Timestamp => value.is_number(),
        Kind::Boolean => value.is_boolean(),
    };
    if !fits {
        return Err(format!("`{at}` is not a {:?}", shape.kind));
    }
    match value {
        Value::Object(members) if shape.kind == Kind::Structure => {
            for member in shape.members.iter().filter(|member| member.required) {
                if !members.contains_key(&member.name) {
                    return Err(format!("`{at}` has no `{}`", member.name));
                }
            }
            for (name, value) in members {
                let member = shape.members.iter().find(|member| member.name == *name);
                let member = member.ok_or_else(|| format!("`{at}.{name}` is not in the model"))?;
                check(facts, &member.shape, value, &format!("{at}.{name}"))?;
            }
        }
        Value::Object(members) => {
            for (name, value) in members {
                let shape = shape.value.as_deref().ok_or("a map has values")?;
                check(facts, shape, value, &format!("{at}.{name}"))?;
            }
        }
        Value::Array(elements) => {
            for element in elements {
                let shape = shape.member.as_deref().ok_or("a list has elements")?;
                check(facts, shape, element, &format!("{at}[]"))?;
            }
        }
        Value::String(text) if !shape.values.is_empty() && !shape.values.contains(text) => {
            return Err(format!(
                "`{at}` is `{text}`, which is not a value of its enumeration"
            ));
        }
        _ => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn judged(expected: Expected, status: u16, body: Value) -> Result<(), String> {
        let facts = crate::services::Service::Ecr.facts().unwrap();
        let operation = facts
            .operations
            .iter()
            .find(|it| it.name == "PutImageTagMutability");
        let answer = Answer {
            status,
            content_type: "application/x-amz-json-1.1".to_owned(),
            body: Some(body),
        };
        judge(&facts, operation, expected, &answer)
    }

    fn error(code: &str) -> Value {
        json!({ "__type": code, "message": "no" })
    }

    #[test]
    fn an_answer_is_held_against_its_shape() {
        let good = json!({ "repositoryName": "demo", "imageTagMutability": "MUTABLE" });
        assert_eq!(judged(Expected::Success, 200, good.clone()), Ok(()));
        for (member, value) in [
            ("imageTagMutability", json!("SOMETIMES")),
            ("repositoryName", json!(7)),
            ("other", json!("x")),
            ("imageTagMutabilityExclusionFilters", json!([{ "filter": "v*" }])),
        ] {
            let mut body = good.clone();
            body[member] = value;
            judged(Expected::Success, 200, body).unwrap_err();
        }
    }

    #[test]
    fn an_error_has_to_be_of_the_model_and_for_the_right_reason() {
        let cases = [
            (Expected::Success, 400, "RepositoryNotFoundException", true),
            (Expected::Success, 400, "InvalidParameterException", false),
            (Expected::Success, 400, "ImageNotFoundException", false),
            (Expected::Success, 500, "ServerException", false),
            (Expected::Success, 501, "NotImplementedException", false),
            (Expected::ParameterError, 400, "InvalidParameterException", true),
            (
                Expected::ParameterError,
                400,
                "InvalidContinuationTokenException",
                true,
            ),
            (Expected::ParameterError, 400, "ValidationException", false),
            (Expected::ParameterError, 400, "SerializationException", false),
            (
                Expected::Refusal(&["SerializationException"]),
                400,
                "SerializationException",
                true,
            ),
            (
                Expected::Refusal(&["SerializationException"]),
                200,
                "SerializationException",
                false,
            ),
        ];
        for (expected, status, code, fine) in cases {
            let judged = judged(expected, status, error(code));
            assert_eq!(judged.is_ok(), fine, "{code} {expected:?}: {judged:?}");
        }
    }
}
