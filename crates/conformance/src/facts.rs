//! The service model as the variants need it: operations, shapes and constraints, with what stands beside it by hand.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use ecru_model::facts;
use regex::Regex;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Facts {
    pub(crate) protocol: Protocol,
    pub(crate) operations: Vec<Operation>,
    shapes: BTreeMap<String, Shape>,
    #[serde(skip)]
    errors: BTreeMap<String, CommonError>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Protocol {
    pub(crate) signing_name: String,
    pub(crate) target_prefix: String,
}

#[derive(Deserialize)]
pub(crate) struct Operation {
    pub(crate) name: String,
    pub(crate) input: String,
    pub(crate) output: String,
    pub(crate) errors: Vec<String>,
    pub(crate) paginator: Option<Paginator>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Paginator {
    pub(crate) input_token: String,
    pub(crate) output_token: String,
    pub(crate) limit_key: String,
}

#[derive(Deserialize)]
pub(crate) struct Shape {
    #[serde(rename = "type")]
    pub(crate) kind: Kind,
    pub(crate) min: Option<i64>,
    pub(crate) max: Option<i64>,
    pub(crate) pattern: Option<String>,
    #[serde(default, rename = "enum")]
    pub(crate) values: Vec<String>,
    #[serde(default)]
    pub(crate) members: Vec<Member>,
    /// The element of a list.
    pub(crate) member: Option<String>,
    /// The value of a map.
    pub(crate) value: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Blob,
    Boolean,
    Double,
    Integer,
    List,
    Long,
    Map,
    String,
    Structure,
    Timestamp,
}

#[derive(Deserialize)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) shape: String,
    #[serde(default)]
    pub(crate) required: bool,
}

/// What is known beside the model, as far as it bears on requests and answers.
#[derive(Deserialize)]
struct Overrides {
    constraints: BTreeMap<String, Constraint>,
    shapes: BTreeMap<String, Shape>,
    members: BTreeMap<String, String>,
    errors: Vec<CommonError>,
}

#[derive(Deserialize)]
struct Constraint {
    pattern: String,
}

/// A code that the model does not have: one of all AWS services, or one of ecru's own with the modelled one it stands for.
#[derive(Deserialize)]
struct CommonError {
    name: String,
    status: u16,
    modelled: Option<String>,
}

impl Facts {
    pub(crate) fn load() -> Result<Self> {
        let mut facts: Facts = serde_json::from_str(facts::MODEL).context("the model is not readable")?;
        let beside: Overrides =
            serde_json::from_str(facts::OVERRIDES).context("what stands beside the model is not readable")?;
        facts.shapes.extend(beside.shapes);
        for (name, constraint) in beside.constraints {
            facts.shape_mut(&name)?.pattern = Some(constraint.pattern);
        }
        for (member, shape) in beside.members {
            let (owner, name) = member
                .split_once('.')
                .context("a member is named `Shape.member`")?;
            let members = &mut facts.shape_mut(owner)?.members;
            let member = members.iter_mut().find(|candidate| candidate.name == name);
            member.with_context(|| format!("no member `{name}`"))?.shape = shape;
        }
        facts.page_all()?;
        facts.errors = beside
            .errors
            .into_iter()
            .map(|error| (error.name.clone(), error))
            .collect();
        Ok(facts)
    }

    /// Some lists have pages although the model has no paginator for them.
    fn page_all(&mut self) -> Result<()> {
        for operation in &mut self.operations {
            let input = self
                .shapes
                .get(&operation.input)
                .context("an input has a shape")?;
            let paged = input.members.iter().any(|member| member.name == "nextToken");
            if paged && operation.paginator.is_none() {
                operation.paginator = Some(Paginator {
                    input_token: "nextToken".to_owned(),
                    output_token: "nextToken".to_owned(),
                    limit_key: "maxResults".to_owned(),
                });
            }
        }
        Ok(())
    }

    pub(crate) fn shape(&self, name: &str) -> Result<&Shape> {
        self.shapes
            .get(name)
            .with_context(|| format!("no shape `{name}`"))
    }

    fn shape_mut(&mut self, name: &str) -> Result<&mut Shape> {
        self.shapes
            .get_mut(name)
            .with_context(|| format!("no shape `{name}`"))
    }

    /// Whether an operation may answer with this code and status.
    pub(crate) fn may_answer(&self, operation: Option<&Operation>, code: &str, status: u16) -> bool {
        let modelled = |code: &str| operation.is_some_and(|it| it.errors.iter().any(|known| known == code));
        match self.errors.get(code) {
            Some(CommonError {
                modelled: Some(stood_for),
                status: usual,
                ..
            }) => *usual == status && modelled(stood_for),
            Some(common) => common.status == status && status < 500,
            None => modelled(code) && status == 400,
        }
    }

    /// The code of the model for the same case.
    pub(crate) fn modelled<'a>(&'a self, code: &'a str) -> &'a str {
        let own = self.errors.get(code).and_then(|error| error.modelled.as_deref());
        own.unwrap_or(code)
    }
}

impl Shape {
    /// Whether the pattern of the model, if there is one, describes the whole text.
    pub(crate) fn describes(&self, text: &str) -> Result<bool> {
        let Some(pattern) = &self.pattern else {
            return Ok(true);
        };
        let whole = Regex::new(&format!(r"\A(?-u:{pattern})\z"));
        Ok(whole
            .with_context(|| format!("the pattern `{pattern}` does not compile"))?
            .is_match(text))
    }
}
