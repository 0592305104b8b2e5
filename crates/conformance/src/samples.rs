//! The facts that the model does not hold: valid values for the service, and the steps that they depend on.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Map, Value};

/// `${…}` in a text is a value of the run; `values.rs` lists them.
#[derive(Deserialize)]
pub(crate) struct Samples {
    /// The call that returns the account. Without it, the account is the default of a test server.
    pub(crate) account: Option<Account>,
    /// Settings of which an account has one each. The run reads them first and restores them at the end.
    #[serde(default)]
    pub(crate) settings: Vec<Setting>,
    /// Operations that create something, each with its deletion.
    #[serde(default)]
    pub(crate) made: BTreeMap<String, Made>,
    /// Objects that a run creates in the other region.
    pub(crate) copies: Option<Copies>,
    /// Members that the service requires although the model does not.
    #[serde(default)]
    keep: BTreeMap<String, Vec<String>>,
    /// Named steps that several operations begin with.
    #[serde(default)]
    pub(crate) recipes: BTreeMap<String, Vec<Step>>,
    /// Steps that run once, before the variants.
    #[serde(default)]
    pub(crate) shared: Vec<Step>,
    operations: BTreeMap<String, Sample>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Account {
    pub(crate) call: String,
    pub(crate) at: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Setting {
    pub(crate) get: String,
    #[serde(default)]
    pub(crate) input: Map<String, Value>,
    pub(crate) put: String,
    /// Called instead of `put` if nothing was set before.
    pub(crate) delete: Option<String>,
    /// The members of `put`, each with its JSON pointer into the output of `get`.
    pub(crate) members: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Made {
    /// The JSON pointer to its name in the output.
    pub(crate) at: String,
    pub(crate) delete: String,
    pub(crate) member: String,
    #[serde(default)]
    pub(crate) beside: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Copies {
    pub(crate) list: String,
    /// The output member that holds a page.
    pub(crate) result: String,
    pub(crate) delete: String,
    pub(crate) member: String,
    #[serde(default)]
    pub(crate) beside: Map<String, Value>,
}

/// The input that deletes the object of this name.
pub(crate) fn deletion(member: &str, name: &Value, beside: &Map<String, Value>) -> Value {
    let mut input = beside.clone();
    input.insert(member.to_owned(), name.clone());
    Value::Object(input)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sample {
    /// Steps that run before each request that must succeed.
    #[serde(default)]
    pub(crate) before: Vec<Step>,
    /// All members, each with a valid value.
    pub(crate) input: Map<String, Value>,
    /// Members that exclude the others.
    #[serde(default)]
    pub(crate) apart: Vec<String>,
    /// The members that a member, or one of its values, needs beside it. `null` removes a member.
    #[serde(default)]
    with: BTreeMap<String, Map<String, Value>>,
    /// Variants that the shape allows but a rule of the service forbids, each with the rule.
    #[serde(default)]
    refused: BTreeMap<String, String>,
}

#[derive(Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum Step {
    Recipe(String),
    Call(Call),
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Call {
    #[serde(rename = "call")]
    pub(crate) operation: String,
    pub(crate) input: Value,
    /// Values of the output that later requests use.
    #[serde(default)]
    pub(crate) save: BTreeMap<String, String>,
    /// Repeats the call until the value at the pointer is one of these.
    #[serde(default)]
    pub(crate) until: BTreeMap<String, Vec<String>>,
}

impl Samples {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        serde_json::from_str(text).context("the samples are not readable")
    }

    pub(crate) fn of(&self, operation: &str) -> Result<&Sample> {
        self.operations
            .get(operation)
            .with_context(|| format!("no sample of `{operation}`"))
    }

    /// All variants that a sample marks as invalid.
    #[cfg(test)]
    pub(crate) fn refused(&self) -> impl Iterator<Item = String> {
        let operations = self.operations.iter();
        operations.flat_map(|(name, sample)| sample.refused.keys().map(move |what| format!("{name}/{what}")))
    }

    pub(crate) fn keeps(&self, shape: &str, member: &str) -> bool {
        let kept = self.keep.get(shape);
        kept.is_some_and(|kept| kept.iter().any(|name| name == member))
    }
}

impl Sample {
    pub(crate) fn refuses(&self, what: &str) -> bool {
        self.refused.contains_key(what)
    }

    /// Adds the members that the value at `path` needs.
    pub(crate) fn complete(&self, input: &mut Value, path: &str, value: Option<&str>) {
        let Some(members) = input.as_object_mut() else {
            return;
        };
        let valued = value.map(|value| format!("{path}={value}"));
        let applies = |key: &str| {
            let inside = path.strip_prefix(key).is_some_and(|rest| {
                rest.is_empty() || key.is_empty() || rest.starts_with('.') || rest.starts_with('[')
            });
            inside || Some(key) == valued.as_deref()
        };
        for (_, beside) in self.with.iter().filter(|(key, _)| applies(key)) {
            for (name, value) in beside {
                if value.is_null() {
                    members.remove(name);
                } else {
                    members.insert(name.clone(), value.clone());
                }
            }
        }
    }
}
