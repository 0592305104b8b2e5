//! Reads the committed facts of a service (`models/<service>/model.json`) and the facts added by hand
//! (`overrides.json`).

mod model;
mod overrides;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};

pub use model::{Http, Kind, Member, Model, Operation, Paginator, Protocol, ProtocolName, Shape, Source};
pub use overrides::{ErrorOverride, Limit, Overrides, Sentences, Style, Violations};

/// One service: its model with the overrides applied.
pub struct Facts {
    pub source: Source,
    pub protocol: Protocol,
    pub operations: Vec<Operation>,
    pub shapes: BTreeMap<String, Shape>,
    pub overrides: Overrides,
}

impl Facts {
    /// Parses the two files of a service.
    pub fn parse(model: &str, overrides: &str) -> Result<Self> {
        let model: Model = serde_json::from_str(model).context("the model is not readable")?;
        let overrides = serde_json::from_str(overrides).context("the overrides are not readable")?;
        let mut facts = Self {
            source: model.source,
            protocol: model.protocol,
            operations: model.operations,
            shapes: model.shapes,
            overrides,
        };
        facts.add_missing_shapes()?;
        facts.apply_overrides()?;
        facts.refuse_recursion()?;
        Ok(facts)
    }

    /// Gives an operation without input or output a structure without members.
    fn add_missing_shapes(&mut self) -> Result<()> {
        for operation in &mut self.operations {
            operation.answers_nothing = operation.output.is_empty();
            for (shape, suffix) in [(&mut operation.input, "Input"), (&mut operation.output, "Output")] {
                if shape.is_empty() {
                    *shape = format!("{}{suffix}", operation.name);
                    let before = self.shapes.insert(shape.clone(), Shape::empty_structure());
                    ensure!(before.is_none(), "`{shape}` is in the model already");
                }
            }
        }
        Ok(())
    }

    fn apply_overrides(&mut self) -> Result<()> {
        for (name, shape) in std::mem::take(&mut self.overrides.shapes) {
            ensure!(
                self.shapes.insert(name.clone(), shape).is_none(),
                "`{name}` is in the model already"
            );
        }
        for (name, constraint) in &self.overrides.constraints {
            let shape = self.shapes.get_mut(name);
            let shape = shape.with_context(|| format!("no shape `{name}`"))?;
            shape.pattern = Some(constraint.pattern.clone());
            shape.matched_by.clone_from(&constraint.matches);
        }
        for (member, shape) in &self.overrides.members {
            let (owner, name) = member
                .split_once('.')
                .context("a member is named `Shape.member`")?;
            let owner = self.shapes.get_mut(owner);
            let owner = owner.with_context(|| format!("no shape of `{member}`"))?;
            let found = owner.members.iter_mut().find(|candidate| candidate.name == name);
            found
                .with_context(|| format!("no member `{member}`"))?
                .shape
                .clone_from(shape);
        }
        for name in self.overrides.limits.keys() {
            ensure!(
                self.operations.iter().any(|operation| operation.name == *name),
                "no operation `{name}` to limit"
            );
        }
        Ok(())
    }

    /// Fails for a recursive shape. Parsing and printing recurse over shapes, so such a shape would need a
    /// depth limit.
    fn refuse_recursion(&self) -> Result<()> {
        for name in self.shapes.keys() {
            let parts = self.parts(name)?;
            ensure!(
                !self.reachable(parts)?.contains(name.as_str()),
                "shape `{name}` holds itself"
            );
        }
        Ok(())
    }

    pub fn shape(&self, name: &str) -> Result<&Shape> {
        self.shapes
            .get(name)
            .with_context(|| format!("no shape `{name}`"))
    }

    fn parts<'a>(&'a self, name: &str) -> Result<Vec<&'a str>> {
        let shape = self.shape(name)?;
        let members = shape.members.iter().map(|member| member.shape.as_str());
        Ok(members
            .chain(shape.member.as_deref())
            .chain(shape.value.as_deref())
            .collect())
    }

    fn reachable<'a>(&'a self, roots: Vec<&'a str>) -> Result<BTreeSet<&'a str>> {
        let mut found = BTreeSet::new();
        let mut waiting = roots;
        while let Some(name) = waiting.pop() {
            if found.insert(name) {
                waiting.extend(self.parts(name)?);
            }
        }
        Ok(found)
    }

    /// The shapes that are part of a request.
    pub fn in_inputs(&self) -> Result<BTreeSet<&str>> {
        let inputs = self.operations.iter().map(|operation| operation.input.as_str());
        self.reachable(inputs.collect())
    }

    /// The shapes that are part of a response.
    pub fn in_outputs(&self) -> Result<BTreeSet<&str>> {
        let outputs = self.operations.iter().map(|operation| operation.output.as_str());
        self.reachable(outputs.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODEL: &str = r#"{
        "source": {"package": "p", "version": "1", "service": "s"},
        "protocol": {"name": "json", "apiVersion": "1", "jsonVersion": "1.1", "signingName": "s", "targetPrefix": "S"},
        "operations": [{"name": "Do", "errors": [], "input": "DoRequest"}],
        "shapes": {
            "DoRequest": {"type": "structure", "members": [{"name": "names", "shape": "Names", "required": true}]},
            "Names": {"type": "list", "member": "Name"},
            "Name": {"type": "string", "min": 1}
        }
    }"#;

    #[test]
    fn an_operation_without_output_answers_an_empty_structure() {
        let facts = Facts::parse(MODEL, "{}").unwrap();
        let operation = &facts.operations[0];
        assert!(operation.answers_nothing);
        assert_eq!(operation.output, "DoOutput");
        assert!(facts.shape("DoOutput").unwrap().members.is_empty());
        assert!(facts.in_inputs().unwrap().contains("Name"));
    }

    #[test]
    fn an_override_of_an_absent_shape_or_operation_is_refused() {
        for overrides in [
            r#"{"constraints": {"None": {"pattern": "a"}}}"#,
            r#"{"members": {"DoRequest.none": "Name"}}"#,
            r#"{"shapes": {"Name": {"type": "string"}}}"#,
            r#"{"limits": {"None": {"bodyBytes": 1}}}"#,
            r#"{"unknown": {}}"#,
        ] {
            assert!(Facts::parse(MODEL, overrides).is_err(), "{overrides}");
        }
    }

    #[test]
    fn a_shape_that_holds_itself_is_refused() {
        let recursive = MODEL.replace(r#""member": "Name""#, r#""member": "DoRequest""#);
        assert!(Facts::parse(&recursive, "{}").is_err());
    }
}
