//! The committed facts: the service model and what stands beside it by hand, read as one.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Facts {
    pub(super) protocol: Protocol,
    pub(super) operations: Vec<Operation>,
    pub(super) shapes: BTreeMap<String, Shape>,
    #[serde(skip)]
    pub(super) overrides: Overrides,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Protocol {
    pub(super) signing_name: String,
    pub(super) target_prefix: String,
}

#[derive(Deserialize)]
pub(super) struct Operation {
    pub(super) name: String,
    pub(super) input: String,
    pub(super) output: String,
    pub(super) errors: Vec<String>,
    pub(super) paginator: Option<Paginator>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Paginator {
    pub(super) input_token: String,
    pub(super) output_token: String,
    pub(super) limit_key: String,
    pub(super) result_keys: Vec<String>,
}

#[derive(Deserialize)]
pub(super) struct Shape {
    #[serde(rename = "type")]
    pub(super) kind: Kind,
    pub(super) min: Option<i64>,
    pub(super) max: Option<i64>,
    pub(super) pattern: Option<String>,
    #[serde(default, rename = "enum")]
    pub(super) values: Vec<String>,
    #[serde(default)]
    pub(super) members: Vec<Member>,
    /// The element of a list.
    pub(super) member: Option<String>,
    /// The value of a map; its keys are text.
    pub(super) value: Option<String>,
    #[serde(default)]
    pub(super) exception: bool,
    #[serde(default)]
    pub(super) fault: bool,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq, Debug)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
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
pub(super) struct Member {
    pub(super) name: String,
    pub(super) shape: String,
    #[serde(default)]
    pub(super) required: bool,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Overrides {
    constraints: BTreeMap<String, PatternOverride>,
    shapes: BTreeMap<String, Shape>,
    members: BTreeMap<String, String>,
    hand_written: BTreeSet<String>,
    text: BTreeSet<String>,
    sentences: BTreeMap<String, Sentences>,
    enum_order: BTreeMap<String, EnumOrder>,
    paths: BTreeMap<String, String>,
    pub(super) errors: Vec<ErrorOverride>,
}

#[derive(Deserialize)]
struct PatternOverride {
    pattern: String,
}

#[derive(Default, Deserialize)]
struct Sentences {
    null: Option<String>,
    min: Option<String>,
    max: Option<String>,
    pattern: Option<String>,
}

#[derive(Deserialize)]
struct EnumOrder {
    values: Vec<String>,
}

#[derive(Deserialize)]
pub(super) struct ErrorOverride {
    pub(super) name: String,
    pub(super) status: u16,
    /// The modelled name for the same case, where the name is ours.
    pub(super) modelled: Option<String>,
}

/// What a constrained text may violate, with the sentence for each.
pub(super) struct TextRule {
    pub(super) min: Option<(i64, String)>,
    pub(super) max: Option<(i64, String)>,
    pub(super) pattern: Option<(String, String)>,
}

impl Facts {
    pub(super) fn load(folder: &Path) -> Result<Self> {
        let mut facts: Facts = read(&folder.join("ecr-model.json"))?;
        facts.overrides = read(&folder.join("overrides.json"))?;
        facts.apply_overrides()?;
        facts.refuse_recursion()?;
        Ok(facts)
    }

    fn apply_overrides(&mut self) -> Result<()> {
        let shapes = std::mem::take(&mut self.overrides.shapes);
        for (name, shape) in shapes {
            ensure!(
                self.shapes.insert(name.clone(), shape).is_none(),
                "`{name}` is in the model already"
            );
        }
        for (name, constraint) in &self.overrides.constraints {
            let shape = self
                .shapes
                .get_mut(name)
                .with_context(|| format!("no shape `{name}`"))?;
            shape.pattern = Some(constraint.pattern.clone());
        }
        for (member, shape) in &self.overrides.members {
            let (owner, name) = member
                .split_once('.')
                .context("a member is named `Shape.member`")?;
            let owner = self
                .shapes
                .get_mut(owner)
                .with_context(|| format!("no shape `{owner}`"))?;
            let found = owner.members.iter_mut().find(|candidate| candidate.name == name);
            found
                .with_context(|| format!("no member `{member}`"))?
                .shape
                .clone_from(shape);
        }
        Ok(())
    }

    /// Parsing and printing recurse over shapes, so a shape inside itself would need a limit of its own.
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

    pub(super) fn shape(&self, name: &str) -> Result<&Shape> {
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

    pub(super) fn in_inputs(&self) -> Result<BTreeSet<&str>> {
        self.reachable(
            self.operations
                .iter()
                .map(|operation| operation.input.as_str())
                .collect(),
        )
    }

    pub(super) fn in_outputs(&self) -> Result<BTreeSet<&str>> {
        self.reachable(
            self.operations
                .iter()
                .map(|operation| operation.output.as_str())
                .collect(),
        )
    }

    /// The Rust name of a structure: requests and responses are called after their operation.
    pub(super) fn structure_name(&self, shape: &str) -> String {
        for operation in &self.operations {
            if operation.input == shape {
                return format!("{}Input", operation.name);
            }
            if operation.output == shape {
                return format!("{}Output", operation.name);
            }
        }
        shape.to_owned()
    }

    pub(super) fn is_hand_written(&self, shape: &str) -> bool {
        self.overrides.hand_written.contains(shape)
    }

    /// Constrained text that a request may carry is a type of its own, unless it is listed under `text`:
    /// that is checked on the wire, while rooms answer for what it means.
    pub(super) fn is_newtype(&self, shape: &str) -> Result<bool> {
        let otherwise = self.is_hand_written(shape) || self.overrides.text.contains(shape);
        Ok(!otherwise && self.text_rule(shape)?.is_some() && self.in_inputs()?.contains(shape))
    }

    /// The name by which error sentences call a member.
    pub(super) fn path_name<'a>(&'a self, owner: &str, member: &'a str) -> &'a str {
        self.overrides
            .paths
            .get(&format!("{owner}.{member}"))
            .map_or(member, String::as_str)
    }

    pub(super) fn null_sentence(&self, shape: &str) -> &str {
        self.sentences(shape)
            .and_then(|it| it.null.as_deref())
            .unwrap_or("Member must not be null")
    }

    pub(super) fn enum_sentence(&self, name: &str) -> Result<String> {
        let shape = self.shape(name)?;
        let values = match self.overrides.enum_order.get(name) {
            Some(order) if sorted(&order.values) == sorted(&shape.values) => &order.values,
            Some(_) => bail!("the order of `{name}` does not hold the model's values"),
            None => &shape.values,
        };
        Ok(format!(
            "Member must satisfy enum value set: [{}]",
            values.join(", ")
        ))
    }

    pub(super) fn text_rule(&self, name: &str) -> Result<Option<TextRule>> {
        let shape = self.shape(name)?;
        let constrained =
            shape.min.is_some_and(|min| min > 0) || shape.max.is_some() || shape.pattern.is_some();
        if shape.kind != Kind::String || !shape.values.is_empty() || !constrained {
            return Ok(None);
        }
        let said = self.sentences(name);
        let own = |pick: fn(&Sentences) -> &Option<String>| said.and_then(|it| pick(it).as_deref());
        let min = shape.min.filter(|min| *min > 0);
        let (min_default, max_default) = (length_sentence("greater"), length_sentence("less"));
        Ok(Some(TextRule {
            min: min.map(|it| {
                (
                    it,
                    fill(
                        own(|s| &s.min).unwrap_or(&min_default),
                        "{limit}",
                        &it.to_string(),
                    ),
                )
            }),
            max: shape.max.map(|it| {
                (
                    it,
                    fill(
                        own(|s| &s.max).unwrap_or(&max_default),
                        "{limit}",
                        &it.to_string(),
                    ),
                )
            }),
            pattern: shape.pattern.clone().map(|it| {
                let sentence = own(|s| &s.pattern)
                    .unwrap_or("Member must satisfy regular expression pattern: {pattern}");
                (it.clone(), fill(sentence, "{pattern}", &it))
            }),
        }))
    }

    /// What is said of a list whose element, a plain value, violates something: all that an element must meet.
    pub(super) fn element_sentence(&self, element: &str) -> Result<Option<String>> {
        let shape = self.shape(element)?;
        let mut parts = Vec::new();
        if shape.kind == Kind::String && shape.values.is_empty() {
            parts.extend(
                shape
                    .max
                    .map(|max| fill(&length_sentence("less"), "{limit}", &max.to_string())),
            );
            parts.extend(
                shape
                    .min
                    .map(|min| fill(&length_sentence("greater"), "{limit}", &min.to_string())),
            );
            parts.extend(
                shape
                    .pattern
                    .as_ref()
                    .map(|it| format!("Member must satisfy regular expression pattern: {it}")),
            );
        } else if shape.kind == Kind::String {
            parts.push(self.enum_sentence(element)?);
        }
        Ok((!parts.is_empty()).then(|| format!("Member must satisfy constraint: [{}]", parts.join(", "))))
    }

    fn sentences(&self, shape: &str) -> Option<&Sentences> {
        self.overrides.sentences.get(shape)
    }
}

pub(super) fn length_sentence(direction: &str) -> String {
    format!("Member must have length {direction} than or equal to {{limit}}")
}

pub(super) fn value_sentence(direction: &str) -> String {
    format!("Member must have value {direction} than or equal to {{limit}}")
}

pub(super) fn fill(sentence: &str, slot: &str, value: &str) -> String {
    sentence.replace(slot, value)
}

fn sorted(values: &[String]) -> Vec<&String> {
    let mut sorted: Vec<&String> = values.iter().collect();
    sorted.sort();
    sorted
}

fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<T> {
    let text = fs::read_to_string(path).with_context(|| format!("reading `{}`", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("parsing `{}`", path.display()))
}
