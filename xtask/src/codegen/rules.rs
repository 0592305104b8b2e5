//! `rules.rs`: the constraints of texts, and the error sentence for each.

use anyhow::Result;
use proc_macro2::TokenStream;
use quote::quote;

use super::{
    facts::{Facts, TextRule},
    names,
};

pub(super) fn render(facts: &Facts) -> Result<TokenStream> {
    let mut items = TokenStream::new();
    for name in facts.in_inputs()? {
        if let Some(rule) = facts.text_rule(name)? {
            items.extend(constant(name, &rule));
        }
    }
    let text = items.to_string();
    let pattern = text.contains("Pattern ::").then(|| quote! { Pattern, });
    let imports = if facts.types_apart() {
        quote! { use crate::rule::{Pattern, TextRule}; }
    } else {
        quote! { use ecru_model::{#pattern TextRule}; }
    };
    Ok(quote! {
        #imports
        #items
    })
}

fn constant(name: &str, rule: &TextRule) -> TokenStream {
    let doc = format!(" What `{name}` must meet.");
    let ident = names::constant(name);
    let min = limit(rule.min.as_ref());
    let max = limit(rule.max.as_ref());
    let pattern = rule
        .pattern
        .as_ref()
        .map_or(quote! { None }, |(pattern, sentence)| {
            quote! { Some(Pattern::new(#pattern, #sentence)) }
        });
    quote! {
        #[doc = #doc]
        pub static #ident: TextRule = TextRule::new(#min, #max, #pattern);
    }
}

fn limit(limit: Option<&(i64, String)>) -> TokenStream {
    limit.map_or(quote! { None }, |(limit, sentence)| {
        let limit = names::number(*limit);
        quote! { Some((#limit, #sentence)) }
    })
}
