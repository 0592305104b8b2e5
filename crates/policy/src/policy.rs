//! A policy, parsed from its document. A text that cannot be enforced is not a policy.

use ecru_model::identity;
use serde_json::{Map, Value};

use crate::condition::{self, Condition};
use crate::pattern;
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
    /// As written, with the service prefix.
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

/// The values of a member, or with a `Not` prefix, all other values.
#[derive(Debug, PartialEq)]
pub(crate) enum Listed<T> {
    These(Vec<T>),
    AllBut(Vec<T>),
}

/// The grammar that policies must follow. An accepted policy stays readable and in force for ever, so a
/// stricter grammar applies only to incoming policies.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Grammar {
    /// Everything that any version has accepted.
    Stored,
    /// What is accepted now.
    Incoming(Incoming),
}

/// The rules for an incoming policy.
#[derive(Debug, Clone, Copy)]
pub struct Incoming {
    /// Whether its statements may name resources.
    pub takes_resources: bool,
    /// The partition of the policy, which cannot name principals or resources of another partition.
    pub partition: &'static str,
}

impl Grammar {
    fn takes_resources(self) -> bool {
        match self {
            Self::Stored => true,
            Self::Incoming(rules) => rules.takes_resources,
        }
    }

    fn takes_resource(self, resource: &str) -> bool {
        match self {
            Self::Stored => true,
            Self::Incoming(rules) => may_be_in_partition(resource, rules.partition),
        }
    }

    pub(crate) fn is_strict(self) -> bool {
        matches!(self, Self::Incoming(_))
    }

    pub(crate) fn takes_principal(self, arn: &str) -> bool {
        match self {
            Self::Stored => true,
            Self::Incoming(rules) => identity::is_principal_of(rules.partition, arn),
        }
    }
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

/// Whether an ARN pattern can match an ARN of the partition. The values of variables are not known yet.
fn may_be_in_partition(resource: &str, partition: &str) -> bool {
    let Some(rest) = resource.strip_prefix("arn:") else {
        return true;
    };
    let named = rest.split(':').next().unwrap_or_default();
    named.contains("${") || pattern::matches(named, partition)
}

/// Exactly one of the two members.
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
pub(crate) fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Array(items) if !items.is_empty() => items
            .iter()
            .map(|item| item.as_str().map(str::to_owned))
            .collect(),
        _ => None,
    }
}
