//! Facts that the model lacks, each with its source.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::Shape;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Overrides {
    pub(crate) constraints: BTreeMap<String, Constraint>,
    pub(crate) shapes: BTreeMap<String, Shape>,
    /// Shapes that replace those of the model, keyed by `Shape.member`.
    pub(crate) members: BTreeMap<String, String>,
    /// Shapes whose types are written by hand.
    pub hand_written: BTreeSet<String>,
    /// Constrained shapes whose type is still `String`.
    pub text: BTreeSet<String>,
    pub sentences: BTreeMap<String, Sentences>,
    pub enum_order: BTreeMap<String, EnumOrder>,
    /// The names of members in error messages, keyed by `Shape.member`.
    pub paths: BTreeMap<String, String>,
    pub violations: Violations,
    pub limits: BTreeMap<String, Limit>,
    pub errors: Vec<ErrorOverride>,
}

#[derive(Deserialize)]
pub(crate) struct Constraint {
    pub(crate) pattern: String,
    /// The expression to match with, if the pattern only appears in messages.
    pub(crate) matches: Option<String>,
}

#[derive(Default, Deserialize)]
pub struct Sentences {
    pub null: Option<String>,
    pub min: Option<String>,
    pub max: Option<String>,
    pub pattern: Option<String>,
}

#[derive(Deserialize)]
pub struct EnumOrder {
    pub values: Vec<String>,
}

/// The error for an input that breaks a constraint.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Violations {
    /// Candidates for the code. The first one that the operation has is used, else the first of all.
    pub codes: Vec<String>,
    pub style: Style,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Style {
    /// The message lists all broken constraints with their number and values, as in most services.
    #[default]
    Counted,
    /// The message describes the first broken constraint, without the value.
    First,
}

/// Limits of an operation that differ from the default.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Limit {
    pub body_bytes: Option<u64>,
    /// The member whose base64 is decoded while it arrives.
    pub streamed: Option<String>,
}

/// A code that the model lacks. It is common to all AWS services, or ecru's own.
#[derive(Clone, Deserialize)]
pub struct ErrorOverride {
    pub name: String,
    pub status: u16,
    /// The model's code for the same case.
    pub modelled: Option<String>,
    /// Whether the client sees the message although the status is that of an internal error.
    #[serde(default)]
    pub shown: bool,
}
