//! `shapes.rs`: structures, enumerations and constrained text of the service model.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use proc_macro2::TokenStream;
use quote::quote;

use super::{
    facts::{Facts, Kind, Member, Shape},
    names,
};

pub(super) fn render(facts: &Facts) -> Result<TokenStream> {
    let used: BTreeSet<&str> = facts.in_inputs()?.union(&facts.in_outputs()?).copied().collect();
    let mut items = TokenStream::new();
    for name in used {
        let shape = facts.shape(name)?;
        match shape.kind {
            Kind::Structure => items.extend(structure(facts, name, shape)?),
            Kind::String if !shape.values.is_empty() => items.extend(enumeration(facts, name, shape)?),
            Kind::String if facts.is_newtype(name)? => items.extend(newtype(name)),
            _ => {}
        }
    }
    let text = items.to_string();
    let words = text.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
    let words = words.collect::<BTreeSet<_>>();
    let map = words
        .contains("BTreeMap")
        .then(|| quote! { use std::collections::BTreeMap; });
    let fmt = words.contains("fmt").then(|| quote! { use std::fmt; });
    let rules = words.contains("rules").then(|| quote! { use super::rules; });
    let by_hand = facts.overrides.hand_written.iter().map(String::as_str);
    let by_hand = by_hand.filter(|word| words.contains(word)).map(names::type_name);
    let checks = ["Timestamp", "Violation"]
        .into_iter()
        .filter(|word| words.contains(word));
    let checks = checks.map(names::type_name);
    // The hand-written code beside the types imports everything from this module.
    let (by_hand, words) = if facts.types_apart() {
        (None, by_hand.chain(checks).collect::<BTreeSet<_>>())
    } else {
        (
            Some(by_hand.collect::<Vec<_>>()).filter(|it| !it.is_empty()),
            checks.collect(),
        )
    };
    let by_hand = by_hand.map(|by_hand| quote! { pub use ecru_model::{#(#by_hand,)*}; });
    let vocabulary = facts.vocabulary();
    Ok(quote! {
        #map
        #fmt

        #rules
        use #vocabulary::{#(#words,)*};
        #by_hand

        #items
    })
}

fn structure(facts: &Facts, name: &str, shape: &Shape) -> Result<TokenStream> {
    let rust_name = facts.structure_name(name);
    let doc = documentation(&rust_name, name);
    let ident = names::type_name(&rust_name);
    let default = has_default(facts, shape)?.then(|| quote! { Default, });
    let members = shape
        .members
        .iter()
        .map(|member| member_field(facts, member))
        .collect::<Result<Vec<_>>>()?;
    Ok(quote! {
        #[doc = #doc]
        #[derive(Clone, Debug, #default PartialEq)]
        pub struct #ident { #(#members,)* }
    })
}

fn documentation(rust_name: &str, shape: &str) -> String {
    let operation = rust_name.strip_suffix("Input").map(|it| ("input", it));
    match operation.or_else(|| rust_name.strip_suffix("Output").map(|it| ("output", it))) {
        Some((what, operation)) if rust_name != shape => format!(" The {what} of `{operation}`."),
        _ => format!(" `{shape}` of the service model."),
    }
}

fn member_field(facts: &Facts, member: &Member) -> Result<TokenStream> {
    let name = names::field(&member.name);
    let kind = rust_type(facts, &member.shape)?;
    Ok(if member.required {
        quote! { pub #name: #kind }
    } else {
        quote! { pub #name: Option<#kind> }
    })
}

fn has_default(facts: &Facts, shape: &Shape) -> Result<bool> {
    for member in shape.members.iter().filter(|member| member.required) {
        let kind = facts.shape(&member.shape)?.kind;
        let plain = !matches!(kind, Kind::Structure | Kind::Timestamp | Kind::String);
        let text = kind == Kind::String && rust_type(facts, &member.shape)?.to_string() == "String";
        if !plain && !text {
            return Ok(false);
        }
    }
    Ok(true)
}

pub(super) fn rust_type(facts: &Facts, name: &str) -> Result<TokenStream> {
    let shape = facts.shape(name)?;
    Ok(match shape.kind {
        Kind::Blob => quote! { Vec<u8> },
        Kind::Boolean => quote! { bool },
        Kind::Double => quote! { f64 },
        Kind::Integer => quote! { i32 },
        Kind::Long => quote! { i64 },
        Kind::Timestamp => quote! { Timestamp },
        Kind::List => {
            let element = rust_type(facts, shape.member.as_deref().context("a list has elements")?)?;
            quote! { Vec<#element> }
        }
        Kind::Map if facts.is_hand_written(name) => named(name),
        Kind::Map => {
            let value = rust_type(facts, shape.value.as_deref().context("a map has values")?)?;
            quote! { BTreeMap<String, #value> }
        }
        Kind::Structure => named(&facts.structure_name(name)),
        Kind::String if is_typed_text(facts, name)? => named(name),
        Kind::String => quote! { String },
    })
}

/// Whether a text shape has its own type: an enumeration, or constrained text.
pub(super) fn is_typed_text(facts: &Facts, name: &str) -> Result<bool> {
    let shape = facts.shape(name)?;
    Ok(!shape.values.is_empty() || facts.is_hand_written(name) || facts.is_newtype(name)?)
}

fn named(name: &str) -> TokenStream {
    let ident = names::type_name(name);
    quote! { #ident }
}

fn enumeration(facts: &Facts, name: &str, shape: &Shape) -> Result<TokenStream> {
    let doc = format!(" `{name}` of the service model.");
    let ident = names::type_name(name);
    let variants: Vec<_> = shape.values.iter().map(|value| names::variant(value)).collect();
    let values = &shape.values;
    let sentence = facts.enum_sentence(name)?;
    Ok(quote! {
        #[doc = #doc]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum #ident { #(#variants,)* }

        impl #ident {
            /// Every value, in the model's order.
            pub const ALL: &'static [Self] = &[#(Self::#variants,)*];

            pub fn as_str(self) -> &'static str {
                match self { #(Self::#variants => #values,)* }
            }

            pub fn parse(text: &str) -> Result<Self, Violation> {
                match text {
                    #(#values => Ok(Self::#variants),)*
                    _ => Err(Violation::new(#sentence)),
                }
            }
        }

        impl fmt::Display for #ident {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(self.as_str())
            }
        }
    })
}

fn newtype(name: &str) -> TokenStream {
    let doc = format!(" A text that satisfies the constraints of `{name}`.");
    let ident = names::type_name(name);
    let rule = names::constant(name);
    quote! {
        #[doc = #doc]
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct #ident(String);

        impl #ident {
            pub fn parse(text: impl Into<String>) -> Result<Self, Violation> {
                let text = text.into();
                rules::#rule.check(&text)?;
                Ok(Self(text))
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }

            pub fn into_string(self) -> String {
                self.0
            }
        }

        impl fmt::Display for #ident {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }
    }
}
