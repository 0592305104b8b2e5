//! The facts of a service, with the Rust names and the sentences that follow from them.

use std::{borrow::Cow, collections::BTreeSet, fs, ops::Deref, path::Path};

use anyhow::{Context, Result, bail};

use ecru_facts::{Sentences, Style};
use proc_macro2::{Ident, TokenStream};
use quote::quote;

use super::names;
pub(super) use ecru_facts::{Kind, Member, Operation, Paginator, Shape};

pub(super) struct Facts {
    facts: ecru_facts::Facts,
    /// Whether the types are in `ecru-model`, apart from the code of the wire.
    types_apart: bool,
}

impl Deref for Facts {
    type Target = ecru_facts::Facts;

    fn deref(&self) -> &Self::Target {
        &self.facts
    }
}

/// The constraints of a text, with the error sentence for each.
pub(super) struct TextRule {
    pub(super) min: Option<(i64, String)>,
    pub(super) max: Option<(i64, String)>,
    /// The regular expression, and its error sentence.
    pub(super) pattern: Option<(String, String)>,
}

impl Facts {
    /// Loads the folder of a service.
    pub(super) fn load(folder: &Path, types_apart: bool) -> Result<Self> {
        let facts = ecru_facts::Facts::parse(
            &read(&folder.join("model.json"))?,
            &read(&folder.join("overrides.json"))?,
        );
        let facts = facts.with_context(|| folder.display().to_string())?;
        Ok(Self { facts, types_apart })
    }

    /// The path by which generated code imports an item of `module`.
    pub(super) fn import(&self, module: &str, item: &str) -> TokenStream {
        let (module, item) = (names::function(module), names::type_name(item));
        if self.types_apart {
            quote! { ecru_model::#item }
        } else {
            quote! { super::#module::#item }
        }
    }

    pub(super) fn imports(&self, module: &str, items: &BTreeSet<Ident>) -> TokenStream {
        let module = names::function(module);
        if self.types_apart {
            quote! { use ecru_model::{#(#items,)*}; }
        } else {
            quote! { use super::#module::{#(#items,)*}; }
        }
    }

    /// The crate with the shared vocabulary, as the types name it.
    pub(super) fn vocabulary(&self) -> TokenStream {
        if self.types_apart {
            quote! { crate }
        } else {
            quote! { ecru_model }
        }
    }

    pub(super) fn types_apart(&self) -> bool {
        self.types_apart
    }

    /// Whether error sentences show the value.
    pub(super) fn shows_values(&self) -> bool {
        self.overrides.violations.style == Style::Counted
    }

    /// The Rust name of a structure. Inputs and outputs are named after their operation.
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

    /// Whether a text gets its own type: constrained text that a request may carry does. Text listed under
    /// `text` does not, because only the wire checks it, and a room decides about its meaning.
    pub(super) fn is_newtype(&self, shape: &str) -> Result<bool> {
        let otherwise = self.is_hand_written(shape) || self.overrides.text.contains(shape);
        Ok(!otherwise && self.text_rule(shape)?.is_some() && self.in_inputs()?.contains(shape))
    }

    /// The name of a member in error sentences.
    pub(super) fn path_name<'a>(&'a self, owner: &str, member: &'a str) -> Cow<'a, str> {
        match self.overrides.paths.get(&format!("{owner}.{member}")) {
            Some(path) => Cow::Borrowed(path),
            None if self.shows_values() => Cow::Owned(names::uncapitalised(member)),
            None => Cow::Borrowed(member),
        }
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
                (
                    shape.matched_by.clone().unwrap_or_else(|| it.clone()),
                    fill(sentence, "{pattern}", &it),
                )
            }),
        }))
    }

    /// The sentence for a list in which an element, a plain value, violates a constraint. It lists all
    /// constraints of the element.
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

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("reading `{}`", path.display()))
}
