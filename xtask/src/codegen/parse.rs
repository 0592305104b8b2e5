//! `parse.rs`: converts values of any protocol to inputs that are valid by type.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};
use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

use super::{
    facts::{Facts, Kind, Member, Shape, fill, length_sentence, value_sentence},
    member, names, shapes,
};

pub(super) fn render(facts: &Facts) -> Result<TokenStream> {
    let mut functions = TokenStream::new();
    for name in facts.in_inputs()? {
        functions.extend(function(facts, name)?);
    }
    let shapes = facts.imports("shapes", &imports(facts)?);
    let text = functions.to_string();
    let used = |name: &str| text.contains(name).then(|| names::type_name(name));
    let rules = text.contains("rules ::").then(|| {
        if facts.types_apart() {
            quote! { use ecru_model::rules; }
        } else {
            quote! { use super::rules; }
        }
    });
    let words = ["LengthRule", "ValueRule"].into_iter().filter_map(used);
    let members = member::imports(&functions);
    let vocabulary = text
        .contains("Timestamp")
        .then(|| quote! { use ecru_model::Timestamp; });
    let map = text
        .contains("BTreeMap")
        .then(|| quote! { use std::collections::BTreeMap; });
    Ok(quote! {
        #map

        #vocabulary
        #rules
        #shapes
        use ecru_platform::wire::{Fields, #(#words,)* Member, #members Refused};

        #functions
    })
}

fn imports(facts: &Facts) -> Result<BTreeSet<Ident>> {
    let mut used = BTreeSet::new();
    for name in facts.in_inputs()? {
        let kind = facts.shape(name)?.kind;
        if kind == Kind::Structure {
            used.insert(names::type_name(&facts.structure_name(name)));
        } else if kind == Kind::String && shapes::is_typed_text(facts, name)? {
            used.insert(names::type_name(name));
        }
    }
    Ok(used)
}

/// One function for each structure, and for each plain value or list that has a constraint.
fn function(facts: &Facts, name: &str) -> Result<Option<TokenStream>> {
    let shape = facts.shape(name)?;
    let body = match shape.kind {
        Kind::Structure => return structure(facts, name, shape).map(Some),
        Kind::List => list(facts, name, shape)?,
        Kind::String => text(facts, name, shape)?,
        Kind::Integer => number(shape, "integer"),
        Kind::Long => number(shape, "long"),
        Kind::Blob => blob(shape),
        Kind::Boolean => quote! { fields.boolean(value) },
        Kind::Double => quote! { fields.double(value) },
        Kind::Timestamp if shape.timestamp_format.is_none() => quote! { fields.timestamp(value) },
        Kind::Map if !facts.is_hand_written(name) => map(facts, shape)?,
        Kind::Map | Kind::Timestamp => bail!("`{name}` in an input: the protocols have no word for it"),
    };
    let function = function_name(facts, name);
    let kind = shapes::rust_type(facts, name)?;
    Ok(Some(quote! {
        fn #function<F: Fields>(fields: &mut F, value: F::Value) -> Result<#kind, Refused> {
            #body
        }
    }))
}

pub(super) fn function_name(facts: &Facts, shape: &str) -> Ident {
    names::function(&facts.structure_name(shape))
}

fn structure(facts: &Facts, name: &str, shape: &Shape) -> Result<TokenStream> {
    let function = function_name(facts, name);
    let ident = names::type_name(&facts.structure_name(name));
    let is_input = facts.operations.iter().any(|operation| operation.input == name);
    let visible = is_input.then(|| quote! { pub });
    if shape.members.is_empty() {
        return Ok(quote! {
            #visible fn #function<F: Fields>(fields: &mut F, value: F::Value) -> Result<#ident, Refused> {
                fields.members(value)?;
                Ok(#ident {})
            }
        });
    }
    let locals: Vec<Ident> = shape
        .members
        .iter()
        .map(|member| names::field(&member.name))
        .collect();
    let reads = shape
        .members
        .iter()
        .map(|member| read_member(facts, name, member))
        .collect::<Result<Vec<_>>>()?;
    Ok(quote! {
        #visible fn #function<F: Fields>(fields: &mut F, value: F::Value) -> Result<#ident, Refused> {
            let mut members = fields.members(value)?;
            #(let #locals = #reads;)*
            Ok(#ident { #(#locals: #locals?,)* })
        }
    })
}

fn read_member(facts: &Facts, owner: &str, member: &Member) -> Result<TokenStream> {
    let parse = function_name(facts, &member.shape);
    let described = member::reference(facts, owner, member)?;
    if !member.required {
        return Ok(quote! { fields.optional(&mut members, #described, #parse) });
    }
    let null = facts.null_sentence(&member.shape);
    Ok(quote! { fields.required(&mut members, #described, #null, #parse) })
}

fn map(facts: &Facts, shape: &Shape) -> Result<TokenStream> {
    let value = shape.value.as_deref().context("a map has values")?;
    let parse = function_name(facts, value);
    let map = quote! { fields.map(value, #parse) };
    Ok(match length_rule(shape) {
        Some(rule) => quote! {
            let map = #map?;
            fields.check_length(map.len(), &#rule)?;
            Ok(map)
        },
        None => map,
    })
}

fn list(facts: &Facts, name: &str, shape: &Shape) -> Result<TokenStream> {
    let element = shape
        .member
        .as_deref()
        .with_context(|| format!("`{name}` has elements"))?;
    let parse = function_name(facts, element);
    let rule = length_rule(shape);
    let read = facts.element_sentence(element)?.map_or_else(
        || quote! { fields.list(value, #parse) },
        |sentence| quote! { fields.plain_list(value, #sentence, #parse) },
    );
    Ok(match rule {
        Some(rule) => quote! {
            let list = #read?;
            fields.check_length(list.len(), &#rule)?;
            Ok(list)
        },
        None => read,
    })
}

fn text(facts: &Facts, name: &str, shape: &Shape) -> Result<TokenStream> {
    let ident = names::type_name(name);
    let typed = shapes::is_typed_text(facts, name)?;
    if !typed && facts.text_rule(name)?.is_none() {
        return Ok(quote! { fields.text(value) });
    }
    let shows = facts.shows_values();
    let accept = |checked: TokenStream| {
        if shows {
            quote! { fields.accept_shown(#checked, &text) }
        } else {
            quote! { fields.accept(#checked) }
        }
    };
    let rest = if !shape.values.is_empty() {
        accept(quote! { #ident::parse(&text) })
    } else if typed && shows {
        accept(quote! { #ident::parse(text.as_str()) })
    } else if typed {
        accept(quote! { #ident::parse(text) })
    } else {
        let rule = names::constant(name);
        let accepted = accept(quote! { rules::#rule.check(&text) });
        quote! { #accepted?; Ok(text) }
    };
    Ok(quote! {
        let text = fields.text(value)?;
        #rest
    })
}

fn number(shape: &Shape, word: &str) -> TokenStream {
    let read = format_ident!("{word}");
    let Some(rule) = value_rule(shape) else {
        return quote! { fields.#read(value) };
    };
    let wide = if shape.kind == Kind::Long {
        quote! { number }
    } else {
        quote! { i64::from(number) }
    };
    quote! {
        let number = fields.#read(value)?;
        fields.check_value(#wide, &#rule)?;
        Ok(number)
    }
}

fn blob(shape: &Shape) -> TokenStream {
    let Some(rule) = length_rule(shape) else {
        return quote! { fields.blob(value) };
    };
    quote! {
        let bytes = fields.blob(value)?;
        fields.check_length(bytes.len(), &#rule)?;
        Ok(bytes)
    }
}

fn length_rule(shape: &Shape) -> Option<TokenStream> {
    let min = limit(shape.min.filter(|min| *min > 0), &length_sentence("greater"));
    let max = limit(shape.max, &length_sentence("less"));
    let bounded = shape.min.is_some_and(|min| min > 0) || shape.max.is_some();
    bounded.then(|| quote! { LengthRule { min: #min, max: #max } })
}

fn value_rule(shape: &Shape) -> Option<TokenStream> {
    let min = limit(shape.min, &value_sentence("greater"));
    let max = limit(shape.max, &value_sentence("less"));
    (shape.min.is_some() || shape.max.is_some()).then(|| quote! { ValueRule { min: #min, max: #max } })
}

fn limit(limit: Option<i64>, sentence: &str) -> TokenStream {
    let Some(limit) = limit else {
        return quote! { None };
    };
    let sentence = fill(sentence, "{limit}", &limit.to_string());
    let limit = names::number(limit);
    quote! { Some((#limit, #sentence)) }
}
