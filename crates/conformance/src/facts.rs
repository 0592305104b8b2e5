//! The service model as variants need it: every list with a token gets a paginator.

use std::ops::Deref;

use anyhow::{Context, Result};
use ecru_facts::ErrorOverride;
pub(crate) use ecru_facts::{Kind, Member, Operation, Paginator, ProtocolName, Shape};
use regex::Regex;

/// Errors that every service of the query protocol may return.
const QUERY_ERRORS: [(&str, u16); 4] = [
    ("IncompleteSignature", 400),
    ("InvalidAction", 400),
    ("MalformedInput", 400),
    ("MissingAuthenticationToken", 403),
];

pub(crate) struct Facts(ecru_facts::Facts);

impl Deref for Facts {
    type Target = ecru_facts::Facts;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Facts {
    pub(crate) fn parse(model: &str, overrides: &str) -> Result<Self> {
        let mut facts = Self(ecru_facts::Facts::parse(model, overrides)?);
        facts.page_all()?;
        Ok(facts)
    }

    /// Adds the paginators that the model lacks for some lists.
    fn page_all(&mut self) -> Result<()> {
        let facts = &mut self.0;
        for operation in &mut facts.operations {
            let input = facts.shapes.get(&operation.input);
            let input = input.context("an input has a shape")?;
            let paged = input.members.iter().any(|member| member.name == "nextToken");
            if paged && operation.paginator.is_none() {
                operation.paginator = Some(Paginator {
                    input_token: "nextToken".to_owned(),
                    output_token: "nextToken".to_owned(),
                    limit_key: Some("maxResults".to_owned()),
                    result_keys: Vec::new(),
                });
            }
        }
        Ok(())
    }

    /// Whether an operation may return this code with this status.
    pub(crate) fn may_answer(&self, operation: Option<&Operation>, code: &str, status: u16) -> bool {
        let modelled = |code: &str| {
            operation.is_some_and(|it| it.errors.iter().any(|known| self.printed(known) == code))
        };
        match self.beside(code) {
            Some(ErrorOverride {
                modelled: Some(stood_for),
                status: usual,
                ..
            }) => *usual == status && modelled(stood_for),
            Some(common) => common.status == status && status < 500,
            None if self.protocol.name == ProtocolName::Query && QUERY_ERRORS.contains(&(code, status)) => {
                true
            }
            None => modelled(code) && status == self.status(code),
        }
    }

    /// The code of a modelled exception on the wire.
    fn printed<'a>(&'a self, exception: &'a str) -> &'a str {
        let shape = self.shapes.get(exception);
        shape.and_then(|shape| shape.code.as_deref()).unwrap_or(exception)
    }

    fn status(&self, code: &str) -> u16 {
        let mut exceptions = self.shapes.iter();
        let found = exceptions.find(|(name, shape)| shape.exception && self.printed(name) == code);
        found.and_then(|(_, shape)| shape.status).unwrap_or(400)
    }

    /// The service model's code for the same case.
    pub(crate) fn modelled<'a>(&'a self, code: &'a str) -> &'a str {
        let own = self.beside(code).and_then(|error| error.modelled.as_deref());
        own.unwrap_or(code)
    }

    /// The override of a code that the model lacks.
    fn beside(&self, code: &str) -> Option<&ErrorOverride> {
        self.overrides.errors.iter().find(|error| error.name == code)
    }
}

/// Whether the shape has no pattern, or its pattern matches the whole text.
pub(crate) fn describes(shape: &Shape, text: &str) -> Result<bool> {
    let Some(pattern) = shape.matched_by.as_ref().or(shape.pattern.as_ref()) else {
        return Ok(true);
    };
    let whole = Regex::new(&format!(r"\A(?-u:{pattern})\z"));
    let whole = whole.or_else(|_| Regex::new(&format!(r"\A(?u:{pattern})\z")));
    Ok(whole
        .with_context(|| format!("the pattern `{pattern}` does not compile"))?
        .is_match(text))
}
