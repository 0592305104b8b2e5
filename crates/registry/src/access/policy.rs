//! A policy, read from its document: a text that cannot be enforced is no policy.

use serde_json::{Map, Value};

use super::action::{self, Holder};
use super::condition::{self, Condition};
use super::principal::Principal;
use super::print;

#[derive(Debug, PartialEq)]
pub(crate) struct Policy {
    pub(super) statements: Vec<Statement>,
}

#[derive(Debug, PartialEq)]
pub(super) struct Statement {
    pub(super) effect: Effect,
    pub(super) principals: Listed<Principal>,
    /// As they are written, with the name of the service.
    pub(super) actions: Listed<String>,
    /// The resource that the policy is put on where the statement names none.
    pub(super) resources: Option<Listed<String>>,
    pub(super) conditions: Vec<Condition>,
    pub(super) has_variables: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    Allow,
    Deny,
}

/// What a member lists, or with `Not` before its name, all but that.
#[derive(Debug, PartialEq)]
pub(super) enum Listed<T> {
    These(Vec<T>),
    AllBut(Vec<T>),
}

impl Policy {
    pub(crate) fn parse(text: &str, holder: Holder) -> Option<Self> {
        Self::read(&document(text)?, holder)
    }

    /// The policy, and its text in the one form in which ECR returns policies.
    pub(crate) fn accept(text: &str, holder: Holder) -> Option<(Self, String)> {
        let document = document(text)?;
        let policy = Self::read(&document, holder)?;
        Some((policy, print::document(&document)))
    }

    fn read(document: &Map<String, Value>, holder: Holder) -> Option<Self> {
        for (member, value) in document {
            match (member.as_str(), value) {
                ("Version", Value::String(version))
                    if matches!(version.as_str(), "2012-10-17" | "2008-10-17") => {}
                ("Id", Value::String(_)) | ("Statement", _) => {}
                _ => return None,
            }
        }
        // Without a version it is the older one.
        let has_variables = document.get("Version").and_then(Value::as_str) == Some("2012-10-17");
        let statements = match document.get("Statement")? {
            Value::Array(statements) if !statements.is_empty() => statements.as_slice(),
            statement @ Value::Object(_) => std::slice::from_ref(statement),
            _ => return None,
        };
        let statements = statements
            .iter()
            .map(|statement| Statement::read(statement.as_object()?, holder, has_variables))
            .collect::<Option<_>>()?;
        Some(Self { statements })
    }
}

fn document(text: &str) -> Option<Map<String, Value>> {
    if ecru_model::json::nests_deeper_than(text.as_bytes(), ecru_model::json::DEPTH_MAX) {
        return None;
    }
    serde_json::from_str(text).ok()
}

impl Statement {
    fn read(statement: &Map<String, Value>, holder: Holder, has_variables: bool) -> Option<Self> {
        if !statement.keys().all(|member| print::knows_member(member)) {
            return None;
        }
        if !statement.get("Sid").is_none_or(Value::is_string) {
            return None;
        }
        let effect = match statement.get("Effect")?.as_str()? {
            "Allow" => Effect::Allow,
            "Deny" => Effect::Deny,
            _ => return None,
        };
        let actions = listed(statement, "Action", "NotAction", |value| {
            let actions = texts(value)?;
            actions
                .iter()
                .all(|text| action::is_known(text, holder))
                .then_some(actions)
        })?;
        let resources = match listed(statement, "Resource", "NotResource", texts) {
            None if statement.contains_key("Resource") || statement.contains_key("NotResource") => {
                return None;
            }
            resources => resources,
        };
        Some(Self {
            effect,
            principals: listed(statement, "Principal", "NotPrincipal", Principal::read)?,
            actions,
            resources,
            conditions: match statement.get("Condition") {
                Some(conditions) => condition::read(conditions)?,
                None => Vec::new(),
            },
            has_variables,
        })
    }
}

/// One of the two members, and not both.
fn listed<T>(
    statement: &Map<String, Value>,
    member: &str,
    opposite: &str,
    read: impl Fn(&Value) -> Option<Vec<T>>,
) -> Option<Listed<T>> {
    match (statement.get(member), statement.get(opposite)) {
        (Some(value), None) => read(value).map(Listed::These),
        (None, Some(value)) => read(value).map(Listed::AllBut),
        _ => None,
    }
}

/// A text, or a list of at least one.
pub(super) fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Array(items) if !items.is_empty() => items
            .iter()
            .map(|item| item.as_str().map(str::to_owned))
            .collect(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(statement: &str, accepted: bool) {
        let text = format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#);
        assert_eq!(
            Policy::parse(&text, Holder::Repository).is_some(),
            accepted,
            "{text}"
        );
    }

    #[test]
    fn a_statement_has_every_member_that_it_needs_and_no_other() {
        check(r#"{"Effect":"Allow","Principal":"*","Action":"ecr:*"}"#, true);
        check(
            r#"{"Sid":"a b","Effect":"Deny","NotPrincipal":{"AWS":"123456789012"},"NotAction":["ecr:Put*"],"NotResource":"*"}"#,
            true,
        );
        check(
            r#"{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"ecr:BatchGetImage","Resource":"*","Condition":{"StringLike":{"aws:SourceArn":"arn:*"}}}"#,
            true,
        );
        check(r#"{"Effect":"Allow","Action":"ecr:*"}"#, false);
        check(r#"{"Principal":"*","Action":"ecr:*"}"#, false);
        check(r#"{"Effect":"Allow","Principal":"*"}"#, false);
        check(r#"{"Effect":"Maybe","Principal":"*","Action":"ecr:*"}"#, false);
        check(
            r#"{"Effect":"Allow","Principal":"*","NotPrincipal":"*","Action":"ecr:*"}"#,
            false,
        );
        check(
            r#"{"Effect":"Allow","Principal":"*","Action":"ecr:*","NotAction":"ecr:*"}"#,
            false,
        );
        check(
            r#"{"Effect":"Allow","Principal":"*","Action":"ecr:*","Resource":[]}"#,
            false,
        );
        check(
            r#"{"Effect":"Allow","Principal":"*","Action":"ecr:*","Sid":7}"#,
            false,
        );
        check(
            r#"{"Effect":"Allow","Principal":"*","Action":"ecr:*","Extra":1}"#,
            false,
        );
        check(
            r#"{"Effect":"Allow","Principal":"*","Action":["ecr:*",7]}"#,
            false,
        );
        check(
            r#"{"Effect":"Allow","Principal":"*","Action":"s3:GetObject"}"#,
            false,
        );
        check(
            r#"{"Effect":"Allow","Principal":"*","Action":"ecr:GetAuthorizationToken"}"#,
            false,
        );
        check(
            r#"{"Effect":"Allow","Principal":"*","Action":"ecr:*","Condition":{"NoSuch":{"aws:SourceIp":"::1"}}}"#,
            false,
        );
    }

    #[test]
    fn a_document_that_is_none_is_refused() {
        for text in [
            "",
            "{",
            "{}",
            "[]",
            "7",
            r#"{"Statement":[]}"#,
            r#"{"Version":"2020-01-01","Statement":{"Effect":"Allow","Principal":"*","Action":"ecr:*"}}"#,
            r#"{"Comment":"","Statement":{"Effect":"Allow","Principal":"*","Action":"ecr:*"}}"#,
            &"[".repeat(100),
        ] {
            assert_eq!(Policy::parse(text, Holder::Repository), None, "{text}");
        }
    }
}
