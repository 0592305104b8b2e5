//! What a document may contain: strict for what comes in, lenient for what was stored.

use ecru_model::identity;
use serde_json::{Map, Value};

use crate::pattern;

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
    /// The grammar for new policies.
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
    pub(crate) fn takes_resources(self) -> bool {
        match self {
            Self::Stored => true,
            Self::Incoming(rules) => rules.takes_resources,
        }
    }

    pub(crate) fn takes_resource(self, resource: &str) -> bool {
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

/// Whether an ARN pattern can match an ARN of the partition. The values of variables are not known yet.
fn may_be_in_partition(resource: &str, partition: &str) -> bool {
    let Some(rest) = resource.strip_prefix("arn:") else {
        return true;
    };
    let named = rest.split(':').next().unwrap_or_default();
    named.contains("${") || pattern::matches(named, partition)
}

/// Exactly one of the two members.
pub(crate) fn listed<T>(
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
