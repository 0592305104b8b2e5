//! What no model says: values that mean something to the service, and what has to be there before they do.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Text in `${…}` stands for a value of the run; `runner` knows them.
#[derive(Deserialize)]
pub(crate) struct Samples {
    /// The call that names the account; without it, the usual one of a server for tests is meant.
    pub(crate) account: Option<Account>,
    /// Settings that an account has once. They are read before a run and restored after it.
    #[serde(default)]
    pub(crate) settings: Vec<Setting>,
    /// Operations that make something, each with the way to delete it.
    #[serde(default)]
    pub(crate) made: BTreeMap<String, Made>,
    /// Things that a run leaves in the other region.
    pub(crate) copies: Option<Copies>,
    /// Members that the service wants although their shape does not require them.
    #[serde(default)]
    keep: BTreeMap<String, Vec<String>>,
    /// Steps that several operations begin with, by name.
    #[serde(default)]
    pub(crate) recipes: BTreeMap<String, Vec<Step>>,
    /// What is made once, before anything is asked.
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
    /// Instead of `put` where nothing was set.
    pub(crate) delete: Option<String>,
    /// The members of `put`, by their places in the answer of `get`.
    pub(crate) members: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Made {
    /// Its name in the answer.
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
    /// The member that holds a page.
    pub(crate) result: String,
    pub(crate) delete: String,
    pub(crate) member: String,
    #[serde(default)]
    pub(crate) beside: Map<String, Value>,
}

/// The input that deletes the thing of this name.
pub(crate) fn deletion(member: &str, name: &Value, beside: &Map<String, Value>) -> Value {
    let mut input = beside.clone();
    input.insert(member.to_owned(), name.clone());
    Value::Object(input)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sample {
    /// Done before each request that should succeed.
    #[serde(default)]
    pub(crate) before: Vec<Step>,
    /// Every member, each with a value that is right.
    pub(crate) input: Map<String, Value>,
    /// Members that do not go together with the others.
    #[serde(default)]
    pub(crate) apart: Vec<String>,
    /// What a member, or a value of it, needs beside it; `null` takes away.
    #[serde(default)]
    with: BTreeMap<String, Map<String, Value>>,
    /// Variants that the shape allows and a rule of the service forbids, each with the rule.
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
    /// Values of the answer that later requests name.
    #[serde(default)]
    pub(crate) save: BTreeMap<String, String>,
    /// Asked again until the value at the pointer is one of these.
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

    /// Every variant of which a sample says that it is refused.
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

    /// Puts beside the value at `path` what it needs.
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
