//! Facts that the model lacks, each with its source.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::Shape;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Overrides {
    pub(crate) constraints: BTreeMap<String, Constraint>,
    pub(crate) shapes: BTreeMap<String, Shape>,
    /// The shape of a member that is written `Shape.member`.
    pub(crate) members: BTreeMap<String, String>,
    /// Shapes whose types are written by hand.
    pub hand_written: BTreeSet<String>,
    /// Constrained shapes that stay plain text.
    pub text: BTreeSet<String>,
    pub sentences: BTreeMap<String, Sentences>,
    pub enum_order: BTreeMap<String, EnumOrder>,
    /// The name in error messages of a member that is written `Shape.member`.
    pub paths: BTreeMap<String, String>,
    pub violations: Violations,
    pub limits: BTreeMap<String, Limit>,
    pub errors: Vec<ErrorOverride>,
}

#[derive(Deserialize)]
pub(crate) struct Constraint {
    pub(crate) pattern: String,
    /// The expression to match with, where the pattern is only shown.
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

/// How a request is answered whose input breaks a constraint.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Violations {
    /// The first of these that an operation has is its code, else the first of all.
    pub codes: Vec<String>,
    pub style: Style,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Style {
    /// All broken constraints with their number and values, as most services answer.
    #[default]
    Counted,
    /// The first one alone, without its value.
    First,
}

/// Limits of an operation that differ from the usual ones.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Limit {
    pub body_bytes: Option<u64>,
    /// The member whose base64 is decoded while it arrives.
    pub streamed: Option<String>,
}

/// A code that the model does not have: one of all AWS services, or one of ecru's own.
#[derive(Clone, Deserialize)]
pub struct ErrorOverride {
    pub name: String,
    pub status: u16,
    /// The code of the model for the same case.
    pub modelled: Option<String>,
    /// The message is shown although the status is that of a fault.
    #[serde(default)]
    pub shown: bool,
}
