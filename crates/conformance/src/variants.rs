//! Makes the requests: for each operation valid inputs, and inputs that each break one rule.

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};

use crate::{
    facts::{Facts, Kind, Member, Operation, ProtocolName, Shape},
    path::{Path, Step},
    samples::{Sample, Samples},
    texts,
};

/// One request, and the expected kind of answer.
pub(crate) struct Variant {
    /// `<operation>/<member>/<change>`; stable, because the baseline refers to it.
    pub(crate) name: String,
    pub(crate) operation: String,
    pub(crate) body: Body,
    pub(crate) manner: Manner,
    pub(crate) expected: Expected,
}

pub(crate) enum Body {
    Input(Value),
    /// The body is this text.
    Text(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    Usual,
    Unsigned,
    OtherContentType,
    NoTarget,
    UnknownOperation,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// The output, or an error of the operation that does not blame a parameter.
    Success,
    /// An error that blames a parameter.
    ParameterError,
    /// An error with one of these codes.
    Refusal(&'static [&'static str]),
}

const SERIALIZATION: Expected = Expected::Refusal(&["SerializationException", "MalformedInput"]);
const UNKNOWN: Expected = Expected::Refusal(&["UnknownOperationException", "InvalidAction"]);
const UNSIGNED: Expected = Expected::Refusal(&[
    "MissingAuthenticationTokenException",
    "MissingAuthenticationToken",
]);

pub(crate) fn all(facts: &Facts, samples: &Samples) -> Result<Vec<Variant>> {
    let mut variants = Vec::new();
    for operation in &facts.operations {
        let sample = samples.of(&operation.name)?;
        let mut maker = Maker {
            facts,
            samples,
            operation,
            sample,
            made: Vec::new(),
        };
        maker.make().with_context(|| operation.name.clone())?;
        variants.extend(maker.made);
    }
    variants.extend(without_operation());
    Ok(variants)
}

/// Requests that name no operation.
fn without_operation() -> Vec<Variant> {
    let variant = |what: &str, manner| Variant {
        name: format!("-/{what}"),
        operation: "NoSuchOperation".to_owned(),
        body: Body::Input(json!({})),
        manner,
        expected: UNKNOWN,
    };
    vec![
        variant("no target", Manner::NoTarget),
        variant("unknown operation", Manner::UnknownOperation),
    ]
}

struct Maker<'a> {
    facts: &'a Facts,
    samples: &'a Samples,
    operation: &'a Operation,
    sample: &'a Sample,
    made: Vec<Variant>,
}

impl Maker<'_> {
    fn make(&mut self) -> Result<()> {
        let root = Path::default();
        let minimal = self.input(&root, None)?;
        self.right("minimal", minimal.clone());
        if !self.sample.input.is_empty() {
            self.right("all members", self.whole());
        }
        let mut unknown = minimal.clone();
        if let Some(members) = unknown.as_object_mut() {
            members.insert("notOfTheModel".to_owned(), json!({ "a": [1] }));
        }
        self.right("unknown member", unknown);

        let facts = self.facts;
        let full = Value::Object(self.sample.input.clone());
        self.structure(facts.shape(&self.operation.input)?, &full, &root)?;
        self.protocol(&minimal);
        Ok(())
    }

    fn whole(&self) -> Value {
        let together = |name: &String| !self.sample.apart.contains(name);
        let members = self.sample.input.iter().filter(|(name, _)| together(name));
        Value::Object(
            members
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
        )
    }

    fn protocol(&mut self, minimal: &Value) {
        let json = [
            ("malformed JSON", "{\"repositoryName\": "),
            ("body is a list", "[]"),
            ("body is a text", "\"demo\""),
        ];
        let texts = if self.is_form() {
            &[("malformed form", "a=%zz")][..]
        } else {
            &json
        };
        for (what, text) in texts {
            self.push(what, Body::Text(text), Manner::Usual, SERIALIZATION);
        }
        let unsigned = if self.operation.unsigned {
            Expected::Success
        } else {
            UNSIGNED
        };
        let manners = [
            ("unsigned", Manner::Unsigned, unsigned),
            ("other content type", Manner::OtherContentType, UNKNOWN),
        ];
        for (what, manner, expected) in manners {
            self.push(what, Body::Input(minimal.clone()), manner, expected);
        }
    }

    fn is_form(&self) -> bool {
        self.facts.protocol.name == ProtocolName::Query
    }

    fn structure(&mut self, shape: &Shape, full: &Value, at: &Path) -> Result<()> {
        for member in &shape.members {
            let path = at.member(&member.name);
            let value = full
                .get(&member.name)
                .with_context(|| format!("the sample has no `{path}`"))?;
            self.presence(member, &path)?;
            self.value(&member.shape, value, &path)?;
        }
        let unknown = full.as_object().into_iter().flat_map(Map::keys);
        for name in unknown {
            let known = shape.members.iter().any(|member| member.name == *name);
            ensure!(known, "the sample's `{name}` is no member");
        }
        Ok(())
    }

    fn presence(&mut self, member: &Member, path: &Path) -> Result<()> {
        let mut input = self.input(path, None)?;
        if member.required {
            path.remove(&mut input);
            self.wrong(path, "missing", input);
        } else {
            self.right(&format!("{path}/alone"), input);
        }
        Ok(())
    }

    fn value(&mut self, shape_name: &str, full: &Value, path: &Path) -> Result<()> {
        let facts = self.facts;
        let shape = facts.shape(shape_name)?;
        self.wrong_type(shape.kind, path)?;
        match shape.kind {
            Kind::String if !shape.values.is_empty() => self.enumeration(shape, path)?,
            Kind::String => self.text(shape, full, path)?,
            Kind::Integer | Kind::Long => self.number(shape, path)?,
            Kind::Blob => self.blob(shape, path)?,
            Kind::Structure => self.structure(shape, full, path)?,
            Kind::List => {
                self.list(shape, full, path)?;
                let element = shape.member.as_deref().context("a list has elements")?;
                let first = full.get(0).with_context(|| format!("`{path}` is empty"))?;
                self.value(element, first, &path.element())?;
            }
            Kind::Boolean | Kind::Double | Kind::Map | Kind::Timestamp => {}
        }
        let token = |it: &crate::facts::Paginator| path.to_string() == it.input_token;
        if self.operation.paginator.as_ref().is_some_and(token) {
            self.set(path, "foreign", json!("bm90IG9mIHRoaXMgc2VydmljZQ"), false)?;
        }
        Ok(())
    }

    fn wrong_type(&mut self, kind: Kind, path: &Path) -> Result<()> {
        let other = match kind {
            Kind::String | Kind::Blob => json!({ "a": 1 }),
            Kind::Structure | Kind::List | Kind::Map | Kind::Boolean => json!("text"),
            Kind::Integer | Kind::Long | Kind::Double | Kind::Timestamp => json!("seven"),
        };
        let mut input = self.input(path, None)?;
        path.set(&mut input, other);
        let name = format!("{path}/type");
        self.push(&name, Body::Input(input), Manner::Usual, SERIALIZATION);
        Ok(())
    }

    fn enumeration(&mut self, shape: &Shape, path: &Path) -> Result<()> {
        for value in &shape.values {
            let mut input = self.input(path, Some(value))?;
            path.set(&mut input, json!(value));
            self.right(&format!("{path}/{value}"), input);
        }
        self.set(path, "enum", json!("NOT_A_VALUE"), false)
    }

    fn text(&mut self, shape: &Shape, full: &Value, path: &Path) -> Result<()> {
        let sample = full.as_str().unwrap_or_default();
        let bounds = [
            ("shortest", shape.min.filter(|min| *min > 0), true),
            ("longest", shape.max, true),
            (
                "short",
                shape.min.filter(|min| *min > 0).map(|min| min - 1),
                false,
            ),
            ("long", shape.max.map(|max| max + 1), false),
        ];
        for (what, length, right) in bounds {
            let Some(length) = length else { continue };
            let length = usize::try_from(length).context("a length is not negative")?;
            if let Some(text) = texts::of_length(shape, sample, length, right)? {
                self.set(path, what, json!(text), right)?;
            }
        }
        if let Some(text) = texts::against_pattern(shape)? {
            self.set(path, "pattern", json!(text), false)?;
        }
        Ok(())
    }

    fn number(&mut self, shape: &Shape, path: &Path) -> Result<()> {
        let bounds = [
            ("least", shape.min, true),
            ("most", shape.max, true),
            ("low", shape.min.map(|min| min - 1), false),
            ("high", shape.max.map(|max| max + 1), false),
        ];
        for (what, number, right) in bounds {
            if let Some(number) = number {
                self.set(path, what, json!(number), right)?;
            }
        }
        Ok(())
    }

    fn blob(&mut self, shape: &Shape, path: &Path) -> Result<()> {
        let mut input = self.input(path, None)?;
        path.set(&mut input, json!("not base64!"));
        let name = format!("{path}/base64");
        self.push(&name, Body::Input(input), Manner::Usual, SERIALIZATION);
        if let Some(max) = shape.max {
            let longest = usize::try_from(max).context("a length is not negative")?;
            self.set(path, "long", json!(texts::base64_of_length(longest + 1)), false)?;
        }
        Ok(())
    }

    fn list(&mut self, shape: &Shape, full: &Value, path: &Path) -> Result<()> {
        let element = shape.member.as_deref().context("a list has elements")?;
        let first = full.get(0).with_context(|| format!("`{path}` is empty"))?;
        let minimal = self.minimal(element, first, &[])?;
        // A form cannot express an empty structure.
        let is_lost = self.is_form() && minimal == json!({});
        let first = if is_lost { first.clone() } else { minimal };
        let bounds = [
            ("fewest", shape.min, true),
            ("most", shape.max, true),
            ("few", shape.min.map(|min| min - 1), false),
            ("many", shape.max.map(|max| max + 1), false),
        ];
        for (what, count, right) in bounds {
            let Some(count) = count.and_then(|count| usize::try_from(count).ok()) else {
                continue;
            };
            let elements = texts::distinct(self.facts, element, &first, count)?;
            self.set(path, what, json!(elements), right)?;
        }
        // A form cannot express an absent element.
        if self.is_form() {
            return Ok(());
        }
        self.set(&path.element(), "null", Value::Null, false)
    }

    /// Adds a request whose input is minimal but for the value at `path`.
    fn set(&mut self, path: &Path, what: &str, value: Value, right: bool) -> Result<()> {
        let mut input = self.input(path, None)?;
        path.set(&mut input, value);
        if right {
            self.right(&format!("{path}/{what}"), input);
        } else {
            self.wrong(path, what, input);
        }
        Ok(())
    }

    /// The smallest valid input with a value at `path`.
    fn input(&self, path: &Path, value: Option<&str>) -> Result<Value> {
        let full = Value::Object(self.sample.input.clone());
        let mut input = self.minimal(&self.operation.input, &full, path.steps())?;
        self.sample.complete(&mut input, &path.to_string(), value);
        Ok(input)
    }

    fn minimal(&self, shape_name: &str, full: &Value, wanted: &[Step]) -> Result<Value> {
        let shape = self.facts.shape(shape_name)?;
        match (shape.kind, full) {
            (Kind::Structure, Value::Object(members)) => {
                let mut kept = Map::new();
                for member in &shape.members {
                    let Some(value) = members.get(&member.name) else {
                        continue;
                    };
                    let inside = match wanted.split_first() {
                        Some((Step::Member(name), rest)) if *name == member.name => Some(rest),
                        _ => None,
                    };
                    let always = member.required || self.samples.keeps(shape_name, &member.name);
                    if always || inside.is_some() {
                        let value = self.minimal(&member.shape, value, inside.unwrap_or_default())?;
                        kept.insert(member.name.clone(), value);
                    }
                }
                Ok(Value::Object(kept))
            }
            (Kind::List, Value::Array(elements)) => {
                let element = shape.member.as_deref().context("a list has elements")?;
                let rest = wanted.split_first().map_or(&[][..], |(_, rest)| rest);
                let first = elements.first().into_iter();
                let first = first.map(|first| self.minimal(element, first, rest));
                Ok(Value::Array(first.collect::<Result<_>>()?))
            }
            _ => Ok(full.clone()),
        }
    }

    fn right(&mut self, what: &str, input: Value) {
        let expected = if self.sample.refuses(what) {
            Expected::ParameterError
        } else {
            Expected::Success
        };
        self.push(what, Body::Input(input), Manner::Usual, expected);
    }

    fn wrong(&mut self, path: &Path, what: &str, input: Value) {
        let name = format!("{path}/{what}");
        self.push(&name, Body::Input(input), Manner::Usual, Expected::ParameterError);
    }

    fn push(&mut self, what: &str, body: Body, manner: Manner, expected: Expected) {
        self.made.push(Variant {
            name: format!("{}/{what}", self.operation.name),
            operation: self.operation.name.clone(),
            body,
            manner,
            expected,
        });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::services::Service;

    fn made() -> Vec<Variant> {
        all(&Service::Ecr.facts().unwrap(), &Service::Ecr.samples().unwrap()).unwrap()
    }

    #[test]
    fn every_operation_has_variants_and_every_variant_a_name_of_its_own() {
        let made = made();
        let names = made.iter().map(|variant| &variant.name).collect::<BTreeSet<_>>();
        assert_eq!(names.len(), made.len());
        let operations = made.iter().map(|variant| &variant.operation);
        // Requests without an operation count as one more.
        assert_eq!(operations.collect::<BTreeSet<_>>().len(), 62 + 1);
    }

    #[test]
    fn what_a_sample_forbids_is_a_variant() {
        let made = made();
        for name in Service::Ecr.samples().unwrap().refused() {
            let variant = made.iter().find(|variant| variant.name == name).unwrap();
            assert_eq!(variant.expected, Expected::ParameterError, "{name}");
        }
    }

    #[test]
    fn each_rule_of_a_member_is_broken_once() {
        let made = made();
        let of = |prefix: &str| {
            let names = made
                .iter()
                .filter_map(|variant| variant.name.strip_prefix(prefix));
            names.collect::<Vec<_>>()
        };
        assert_eq!(
            of("PutImage/imageTag/"),
            ["alone", "type", "shortest", "longest", "short", "long", "pattern"]
        );
        assert_eq!(
            of("ListImages/maxResults/"),
            ["alone", "type", "least", "most", "low", "high"]
        );
        assert_eq!(
            of("BatchGetImage/imageIds/"),
            ["missing", "type", "fewest", "most", "few", "many"]
        );
        assert_eq!(
            of("PutReplicationConfiguration/replicationConfiguration.rules[].destinations[].region/"),
            [
                "missing", "type", "shortest", "longest", "short", "long", "pattern"
            ]
        );
    }

    #[test]
    fn a_query_service_has_variants_of_forms() {
        let made = all(&Service::Sts.facts().unwrap(), &Service::Sts.samples().unwrap()).unwrap();
        let has = |name: &str| made.iter().any(|variant| variant.name == name);
        assert!(has("AssumeRole/Tags[].Key/long") && has("AssumeRole/malformed form"));
        assert!(!has("AssumeRole/malformed JSON") && !has("AssumeRole/Tags[]/null"));
    }

    #[test]
    fn a_member_stands_in_the_smallest_input_that_holds_it() {
        let made = made();
        let input = |name: &str| {
            let variant = made.iter().find(|variant| variant.name == name).unwrap();
            match &variant.body {
                Body::Input(input) => input.clone(),
                Body::Text(text) => panic!("{text}"),
            }
        };
        assert_eq!(
            input("ListImages/filter.tagStatus/UNTAGGED"),
            json!({ "repositoryName": "${shared}", "filter": { "tagStatus": "UNTAGGED" } })
        );
        assert_eq!(
            input("PutImageTagMutability/imageTagMutability/MUTABLE"),
            json!({ "repositoryName": "${fresh}", "imageTagMutability": "MUTABLE" })
        );
    }
}
