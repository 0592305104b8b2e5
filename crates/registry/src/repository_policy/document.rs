//! A policy document: checked, and printed again in the one form in which ECR returns policies.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// The order in which ECR prints the members of a statement.
const STATEMENT_ORDER: [&str; 8] = [
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Resource",
    "Condition",
];

/// Actions of the service that concern no repository, so that a repository policy cannot name them.
const REGISTRY_ACTIONS: [&str; 1] = ["ecr:getauthorizationtoken"];

/// The policy as ECR prints it, or nothing where the text is no policy for a repository.
pub(crate) fn normalize(text: &str) -> Option<String> {
    if ecru_model::json::nests_deeper_than(text.as_bytes(), ecru_model::json::DEPTH_MAX) {
        return None;
    }
    let document: Map<String, Value> = serde_json::from_str(text).ok()?;
    let known = document
        .keys()
        .all(|key| matches!(key.as_str(), "Version" | "Id" | "Statement"));
    let version = document
        .get("Version")
        .is_none_or(|version| matches!(version.as_str(), Some("2012-10-17" | "2008-10-17")));
    let id = document.get("Id").is_none_or(Value::is_string);
    let statements = match document.get("Statement")? {
        Value::Array(statements) if !statements.is_empty() => statements.clone(),
        statement @ Value::Object(_) => vec![statement.clone()],
        _ => return None,
    };
    if !(known && version && id && statements.iter().all(is_statement)) {
        return None;
    }
    Some(print_document(&document, &statements))
}

fn is_statement(value: &Value) -> bool {
    let Value::Object(statement) = value else {
        return false;
    };
    let known = statement
        .keys()
        .all(|key| STATEMENT_ORDER.contains(&key.as_str()) || key == "NotResource");
    let sid = statement.get("Sid").is_none_or(Value::is_string);
    let effect = matches!(
        statement.get("Effect").and_then(Value::as_str),
        Some("Allow" | "Deny")
    );
    let principal = match (statement.get("Principal"), statement.get("NotPrincipal")) {
        (Some(principal), None) | (None, Some(principal)) => is_principal(principal),
        _ => false,
    };
    let action = match (statement.get("Action"), statement.get("NotAction")) {
        (Some(action), None) | (None, Some(action)) => is_list_of(action, is_action),
        _ => false,
    };
    let resource = statement
        .get("Resource")
        .is_none_or(|resource| is_list_of(resource, |_| true));
    let condition = statement.get("Condition").is_none_or(is_condition);
    known && sid && effect && principal && action && resource && condition
}

fn is_principal(value: &Value) -> bool {
    match value {
        Value::String(text) => text == "*",
        Value::Object(kinds) => {
            !kinds.is_empty()
                && kinds.iter().all(|(kind, who)| {
                    matches!(kind.as_str(), "AWS" | "Service" | "Federated" | "CanonicalUser")
                        && is_list_of(who, |text| {
                            !text.is_empty() && (kind != "AWS" || is_aws_principal(text))
                        })
                })
        }
        _ => false,
    }
}

fn is_aws_principal(text: &str) -> bool {
    let account = |text: &str| text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    if text == "*" || account(text) {
        return true;
    }
    let mut parts = text.splitn(6, ':');
    parts.next() == Some("arn")
        && parts.next().is_some_and(|partition| partition.starts_with("aws"))
        && matches!(parts.next(), Some("iam" | "sts"))
        && parts.next() == Some("")
        && parts.next().is_some_and(account)
        && parts.next().is_some_and(|resource| !resource.is_empty())
}

fn is_action(text: &str) -> bool {
    let action = text.to_ascii_lowercase();
    if action == "*" {
        return true;
    }
    let Some(name) = action.strip_prefix("ecr:") else {
        return false;
    };
    if REGISTRY_ACTIONS.contains(&action.as_str()) {
        return false;
    }
    ecru_model::Operation::ALL
        .iter()
        .map(|operation| operation.name())
        .chain(ACTIONS_WITHOUT_OPERATION)
        .any(|known| crate::repositories::matches_wildcard(name, &known.to_ascii_lowercase()))
}

/// Permissions of the service that are no operation of its API.
const ACTIONS_WITHOUT_OPERATION: [&str; 2] = ["BatchImportUpstreamImage", "ReplicateImage"];

fn is_condition(value: &Value) -> bool {
    let Value::Object(operators) = value else {
        return false;
    };
    operators.values().all(|keys| {
        keys.as_object().is_some_and(|keys| {
            keys.values().all(|values| match values {
                Value::Array(values) => values.iter().all(is_scalar),
                value => is_scalar(value),
            })
        })
    })
}

fn is_scalar(value: &Value) -> bool {
    matches!(value, Value::String(_) | Value::Bool(_) | Value::Number(_))
}

fn is_list_of(value: &Value, accept: impl Fn(&str) -> bool) -> bool {
    match value {
        Value::String(text) => accept(text),
        Value::Array(items) => {
            !items.is_empty() && items.iter().all(|item| item.as_str().is_some_and(&accept))
        }
        _ => false,
    }
}

fn print_document(document: &Map<String, Value>, statements: &[Value]) -> String {
    let mut text = String::from("{\n");
    for member in ["Version", "Id"] {
        if let Some(value) = document.get(member) {
            let _ = writeln!(text, "  {} : {value},", Value::from(member));
        }
    }
    text.push_str("  \"Statement\" : [ ");
    for (index, statement) in statements.iter().enumerate() {
        if index > 0 {
            text.push_str(", ");
        }
        if let Value::Object(statement) = statement {
            print_members(&mut text, &in_order(statement), 1);
        }
    }
    text.push_str(" ]\n}");
    text
}

fn in_order(statement: &Map<String, Value>) -> Vec<(&str, &Value)> {
    STATEMENT_ORDER
        .iter()
        .copied()
        .chain(["NotResource"])
        .filter_map(|member| statement.get(member).map(|value| (member, value)))
        .collect()
}

fn print_members(text: &mut String, members: &[(&str, &Value)], depth: usize) {
    text.push_str("{\n");
    for (index, (name, value)) in members.iter().enumerate() {
        let _ = write!(text, "{}{} : ", "  ".repeat(depth + 1), Value::from(*name));
        print_value(text, value, depth + 1);
        text.push_str(if index + 1 < members.len() { ",\n" } else { "\n" });
    }
    let _ = write!(text, "{}}}", "  ".repeat(depth));
}

fn print_value(text: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Object(members) => {
            let members = members
                .iter()
                .map(|(name, value)| (name.as_str(), value))
                .collect::<Vec<_>>();
            print_members(text, &members, depth);
        }
        Value::Array(items) => {
            text.push_str("[ ");
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push_str(", ");
                }
                print_value(text, item, depth);
            }
            text.push_str(" ]");
        }
        scalar => {
            let _ = write!(text, "{scalar}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_comes_back_in_the_form_of_the_service() {
        let text = r#"{"Statement":[{"Action":["ecr:BatchGetImage","ecr:GetDownloadUrlForLayer"],"Principal":"*",
            "Effect":"Allow","Sid":"AllowPull"}],"Version":"2012-10-17"}"#;
        insta::assert_snapshot!(normalize(text).unwrap(), @r#"
        {
          "Version" : "2012-10-17",
          "Statement" : [ {
            "Sid" : "AllowPull",
            "Effect" : "Allow",
            "Principal" : "*",
            "Action" : [ "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer" ]
          } ]
        }
        "#);
    }

    #[track_caller]
    fn check(statement: &str, accepted: bool) {
        let text = format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#);
        assert_eq!(normalize(&text).is_some(), accepted, "{text}");
    }

    #[test]
    fn a_text_that_is_no_repository_policy_is_refused() {
        check(r#"{"Effect":"Allow","Principal":"*","Action":"ecr:*"}"#, true);
        check(
            r#"{"Effect":"Allow","Principal":{"AWS":"123456789012"},"Action":"ecr:Put*"}"#,
            true,
        );
        check(
            r#"{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"ecr:BatchGetImage","Condition":{"StringLike":{"aws:SourceArn":"arn:*"}}}"#,
            true,
        );
        check(r#"{"Effect":"Allow","Action":"ecr:*"}"#, false);
        check(r#"{"Effect":"Maybe","Principal":"*","Action":"ecr:*"}"#, false);
        check(
            r#"{"Effect":"Allow","Principal":"*","Action":"s3:GetObject"}"#,
            false,
        );
        check(
            r#"{"Effect":"Allow","Principal":"*","Action":"ecr:NoSuchThing"}"#,
            false,
        );
        check(
            r#"{"Effect":"Allow","Principal":"*","Action":"ecr:GetAuthorizationToken"}"#,
            false,
        );
        check(
            r#"{"Effect":"Allow","Principal":{"AWS":"not an arn"},"Action":"ecr:*"}"#,
            false,
        );
        assert_eq!(normalize("{"), None);
        assert_eq!(normalize("{}"), None);
        assert_eq!(normalize(r#"{"Statement":[]}"#), None);
    }
}
