//! A policy, parsed from its document. A text that cannot be enforced is not a policy.

use serde_json::{Map, Value};

use crate::condition::{self, Condition};
use crate::grammar::{Grammar, Incoming, Listed, listed, texts};
use crate::principal::Principal;
use crate::print;
use crate::unique_members;

#[derive(Debug, PartialEq)]
pub struct Policy {
    pub(crate) statements: Vec<Statement>,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Statement {
    pub(crate) effect: Effect,
    pub(crate) principals: Listed<Principal>,
    /// As in the document, with the service prefix.
    pub(crate) actions: Listed<String>,
    /// `None` if the statement names none. It then applies to the resource that has the policy.
    pub(crate) resources: Option<Listed<String>>,
    pub(crate) conditions: Vec<Condition>,
    pub(crate) has_variables: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    Allow,
    Deny,
}

impl Policy {
    /// Parses a policy that this or an earlier version has accepted. `knows_action` returns whether an
    /// action, or a pattern of actions, belongs to the service.
    pub fn parse_stored(text: &str, knows_action: fn(&str) -> bool) -> Option<Self> {
        Self::read(&document(text)?, Grammar::Stored, knows_action)
    }

    /// Parses an incoming policy. Also returns its text in the form in which ECR returns policies.
    pub fn parse_incoming(
        text: &str,
        rules: Incoming,
        knows_action: fn(&str) -> bool,
    ) -> Option<(Self, String)> {
        let document = document(text).filter(|_| unique_members::are_unique(text))?;
        let policy = Self::read(&document, Grammar::Incoming(rules), knows_action)?;
        Some((policy, print::document(&document)))
    }

    fn read(document: &Map<String, Value>, grammar: Grammar, knows_action: fn(&str) -> bool) -> Option<Self> {
        for (member, value) in document {
            match (member.as_str(), value) {
                ("Version", Value::String(version))
                    if matches!(version.as_str(), "2012-10-17" | "2008-10-17") => {}
                ("Id", Value::String(_)) | ("Statement", _) => {}
                _ => return None,
            }
        }
        // Without a `Version`, the older version applies.
        let has_variables = document.get("Version").and_then(Value::as_str) == Some("2012-10-17");
        let statements = match document.get("Statement")? {
            Value::Array(statements) if !statements.is_empty() => statements.as_slice(),
            statement @ Value::Object(_) => std::slice::from_ref(statement),
            _ => return None,
        };
        let statements = statements
            .iter()
            .map(|statement| {
                let mut statement = Statement::read(statement.as_object()?, grammar, knows_action)?;
                statement.has_variables = has_variables;
                Some(statement)
            })
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
    fn read(
        statement: &Map<String, Value>,
        grammar: Grammar,
        knows_action: fn(&str) -> bool,
    ) -> Option<Self> {
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
            actions.iter().all(|text| knows_action(text)).then_some(actions)
        })?;
        let names_resources = statement.contains_key("Resource") || statement.contains_key("NotResource");
        let resources = if names_resources {
            if !grammar.takes_resources() {
                return None;
            }
            Some(listed(statement, "Resource", "NotResource", |value| {
                let resources = texts(value)?;
                let taken = resources.iter().all(|text| grammar.takes_resource(text));
                taken.then_some(resources)
            })?)
        } else {
            None
        };
        Some(Self {
            effect,
            principals: listed(statement, "Principal", "NotPrincipal", |value| {
                Principal::read(value, grammar)
            })?,
            actions,
            resources,
            conditions: match statement.get("Condition") {
                Some(conditions) => condition::read(conditions)?,
                None => Vec::new(),
            },
            has_variables: false,
        })
    }
}
