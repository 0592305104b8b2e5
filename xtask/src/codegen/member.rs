//! The description of a member that generated code hands to `Fields` and `Sink`.

use anyhow::{Result, bail};
use proc_macro2::TokenStream;
use quote::quote;

use super::facts::{Facts, Member};

/// A reference to the member of `owner`, evaluated at compile time.
pub(super) fn reference(facts: &Facts, owner: &str, member: &Member) -> Result<TokenStream> {
    let (name, path) = (wire_name(member), facts.path_name(owner, &member.name));
    let place = place(facts, owner, member)?;
    let list = list(facts, member)?;
    Ok(quote! { const { &Member::new(#name, #path) #place #list } })
}

fn wire_name(member: &Member) -> &str {
    match (&member.location, &member.location_name) {
        (None, Some(name)) => name,
        _ => &member.name,
    }
}

fn place(facts: &Facts, owner: &str, member: &Member) -> Result<Option<TokenStream>> {
    if facts.shape(owner)?.payload.as_ref() == Some(&member.name) {
        return Ok(Some(quote! { .at(Place::Payload) }));
    }
    let name = member.location_name.as_deref().unwrap_or(&member.name);
    Ok(Some(match member.location.as_deref() {
        None => return Ok(None),
        Some("uri") => quote! { .at(Place::Path(#name)) },
        Some("querystring") => quote! { .at(Place::Query(#name)) },
        Some("header") => {
            let name = name.to_ascii_lowercase();
            quote! { .at(Place::Header(#name)) }
        }
        Some("statusCode") => quote! { .at(Place::Status) },
        Some(other) => bail!("`{owner}.{}`: the wire has no place `{other}`", member.name),
    }))
}

fn list(facts: &Facts, member: &Member) -> Result<Option<TokenStream>> {
    let shape = facts.shape(&member.shape)?;
    let element = shape.member_name.as_deref().unwrap_or("member");
    let flattened = shape.flattened || member.flattened;
    if shape.member.is_none() || (element == "member" && !flattened) {
        return Ok(None);
    }
    Ok(Some(
        quote! { .listed(List { element: #element, flattened: #flattened }) },
    ))
}

/// The names from `ecru_platform::wire` that descriptions use.
pub(super) fn imports(functions: &TokenStream) -> TokenStream {
    let text = functions.to_string();
    let place = text.contains("Place ::").then(|| quote! { Place, });
    let list = text.contains("List {").then(|| quote! { List, });
    quote! { #place #list }
}
