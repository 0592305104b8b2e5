//! Prints policies in the one form in which ECR returns them.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// The order in which ECR prints the members of a statement.
const STATEMENT_ORDER: [&str; 9] = [
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
];

pub(crate) fn knows_member(name: &str) -> bool {
    STATEMENT_ORDER.contains(&name)
}

/// Prints a valid policy document. A single statement is printed as a list of one.
pub(crate) fn document(document: &Map<String, Value>) -> String {
    let statements = match document.get("Statement") {
        Some(Value::Array(statements)) => statements.as_slice(),
        Some(statement) => std::slice::from_ref(statement),
        None => &[],
    };
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

    #[track_caller]
    fn printed(text: &str) -> String {
        document(&serde_json::from_str(text).unwrap())
    }

    #[test]
    fn a_policy_comes_back_in_the_form_of_the_service() {
        let text = r#"{"Statement":[{"Action":["ecr:BatchGetImage","ecr:GetDownloadUrlForLayer"],"Principal":"*",
            "Effect":"Allow","Sid":"AllowPull"}],"Version":"2012-10-17"}"#;
        insta::assert_snapshot!(printed(text), @r#"
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

    #[test]
    fn what_is_printed_is_printed_the_same_again() {
        let text = r#"{"Id":"x","Statement":{"Condition":{"StringLike":{"aws:PrincipalArn":["a*","b"]}},"Resource":"*",
            "NotAction":"ecr:Put*","Effect":"Deny","Principal":{"AWS":["111122223333"]}}}"#;
        let once = printed(text);
        assert_eq!(printed(&once), once);
        assert!(
            once.contains("\"Condition\" : {\n      \"StringLike\" : {\n"),
            "{once}"
        );
    }
}
