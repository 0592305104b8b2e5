//! `parse.rs`: JSON values to inputs that cannot be invalid, by the reader's few words.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};
use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

use super::{
    facts::{Facts, Kind, Member, Shape, fill, length_sentence, value_sentence},
    names, shapes,
};

pub(super) fn render(facts: &Facts) -> Result<TokenStream> {
    let mut functions = TokenStream::new();
    for name in facts.in_inputs()? {
        functions.extend(function(facts, name)?);
    }
    let used = imports(facts)?;
    Ok(quote! {
        #![expect(clippy::too_many_lines, reason = "some lines for each member")]

        use ecru_model::{rules, #(#used,)*};
        use serde_json::Value;

        use crate::reader::{LengthRule, Member, Reader, Refused, ValueRule};

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

/// One function for each structure and for each plain value or list that has a rule.
fn function(facts: &Facts, name: &str) -> Result<Option<TokenStream>> {
    let shape = facts.shape(name)?;
    let body = match shape.kind {
        Kind::Structure => return Ok(Some(structure(facts, name, shape))),
        Kind::List => list(facts, name, shape)?,
        Kind::String => text(facts, name, shape)?,
        Kind::Integer => number(shape, "integer"),
        Kind::Long => number(shape, "long"),
        Kind::Blob => blob(shape),
        Kind::Boolean => quote! { reader.boolean(value) },
        Kind::Double | Kind::Map | Kind::Timestamp => {
            bail!("`{name}` in an input: the reader has no word for it")
        }
    };
    let function = function_name(facts, name);
    let kind = shapes::rust_type(facts, name)?;
    Ok(Some(quote! {
        fn #function(reader: &mut Reader, value: Value) -> Result<#kind, Refused> {
            #body
        }
    }))
}

pub(super) fn function_name(facts: &Facts, shape: &str) -> Ident {
    names::function(&facts.structure_name(shape))
}

fn structure(facts: &Facts, name: &str, shape: &Shape) -> TokenStream {
    let function = function_name(facts, name);
    let ident = names::type_name(&facts.structure_name(name));
    let is_input = facts.operations.iter().any(|operation| operation.input == name);
    let visible = is_input.then(|| quote! { pub(crate) });
    if shape.members.is_empty() {
        return quote! {
            #visible fn #function(reader: &mut Reader, value: Value) -> Result<#ident, Refused> {
                reader.object(value)?;
                Ok(#ident {})
            }
        };
    }
    let fields: Vec<Ident> = shape
        .members
        .iter()
        .map(|member| names::field(&member.name))
        .collect();
    let reads = shape
        .members
        .iter()
        .map(|member| read_member(facts, name, member));
    quote! {
        #visible fn #function(reader: &mut Reader, value: Value) -> Result<#ident, Refused> {
            let mut members = reader.object(value)?;
            #(let #fields = #reads;)*
            Ok(#ident { #(#fields: #fields?,)* })
        }
    }
}

fn read_member(facts: &Facts, owner: &str, member: &Member) -> TokenStream {
    let parse = function_name(facts, &member.shape);
    let name = &member.name;
    let path = facts.path_name(owner, name);
    if !member.required {
        return quote! { reader.optional(&mut members, Member::new(#name, #path), #parse) };
    }
    let null = facts.null_sentence(&member.shape);
    quote! { reader.required(&mut members, Member::new(#name, #path), #null, #parse) }
}

fn list(facts: &Facts, name: &str, shape: &Shape) -> Result<TokenStream> {
    let element = shape
        .member
        .as_deref()
        .with_context(|| format!("`{name}` has elements"))?;
    let parse = function_name(facts, element);
    let rule = length_rule(shape);
    let read = facts.element_sentence(element)?.map_or_else(
        || quote! { reader.list(value, #parse) },
        |sentence| quote! { reader.plain_list(value, #sentence, #parse) },
    );
    Ok(match rule {
        Some(rule) => quote! {
            let list = #read?;
            reader.check_length(list.len(), &#rule)?;
            Ok(list)
        },
        None => read,
    })
}

fn text(facts: &Facts, name: &str, shape: &Shape) -> Result<TokenStream> {
    let ident = names::type_name(name);
    if !shape.values.is_empty() {
        return Ok(quote! {
            let text = reader.text(value)?;
            reader.accept(#ident::parse(&text))
        });
    }
    if shapes::is_typed_text(facts, name)? {
        return Ok(quote! {
            let text = reader.text(value)?;
            reader.accept(#ident::parse(text))
        });
    }
    if facts.text_rule(name)?.is_none() {
        return Ok(quote! { reader.text(value) });
    }
    let rule = names::constant(name);
    Ok(quote! {
        let text = reader.text(value)?;
        reader.accept(rules::#rule.check(&text))?;
        Ok(text)
    })
}

fn number(shape: &Shape, word: &str) -> TokenStream {
    let read = format_ident!("{word}");
    let Some(rule) = value_rule(shape) else {
        return quote! { reader.#read(value) };
    };
    let wide = if shape.kind == Kind::Long {
        quote! { number }
    } else {
        quote! { i64::from(number) }
    };
    quote! {
        let number = reader.#read(value)?;
        reader.check_value(#wide, &#rule)?;
        Ok(number)
    }
}

fn blob(shape: &Shape) -> TokenStream {
    let Some(rule) = length_rule(shape) else {
        return quote! { reader.blob(value) };
    };
    quote! {
        let bytes = reader.blob(value)?;
        reader.check_length(bytes.len(), &#rule)?;
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
