//! `print.rs`: writes outputs in any protocol, without absent members.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};
use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

use super::{
    facts::{Facts, Kind, Member, Shape},
    member, names, shapes,
};

pub(super) fn render(facts: &Facts) -> Result<TokenStream> {
    let mut functions = TokenStream::new();
    let mut used = BTreeSet::new();
    for name in facts.in_outputs()? {
        let shape = facts.shape(name)?;
        if shape.kind == Kind::Structure {
            used.insert(names::type_name(&facts.structure_name(name)));
            functions.extend(structure(facts, name, shape)?);
        }
    }
    let shapes = facts.imports("shapes", &used);
    let members = member::imports(&functions);
    Ok(quote! {
        #shapes
        use ecru_platform::wire::{Member, #members Sink};

        #functions
    })
}

pub(super) fn function_name(facts: &Facts, shape: &str) -> Ident {
    names::function(&facts.structure_name(shape))
}

fn structure(facts: &Facts, name: &str, shape: &Shape) -> Result<TokenStream> {
    let function = function_name(facts, name);
    let ident = names::type_name(&facts.structure_name(name));
    let is_output = facts.operations.iter().any(|operation| operation.output == name);
    let visible = is_output.then(|| quote! { pub });
    if shape.members.is_empty() {
        return Ok(quote! {
            #visible fn #function<S: Sink>(sink: &mut S, _: &#ident) {
                sink.object(|_| {});
            }
        });
    }
    let members = shape
        .members
        .iter()
        .map(|member| print_member(facts, name, member))
        .collect::<Result<Vec<_>>>()?;
    Ok(quote! {
        #visible fn #function<S: Sink>(sink: &mut S, value: &#ident) {
            sink.object(|sink| { #(#members)* });
        }
    })
}

/// The expressions for the value to print: by reference, as a copy, and as the receiver of a method.
struct Place {
    reference: TokenStream,
    copy: TokenStream,
    receiver: TokenStream,
}

impl Place {
    fn of_field(field: &Ident) -> Self {
        let owned = quote! { value.#field };
        Self {
            reference: quote! { &#owned },
            copy: owned.clone(),
            receiver: owned,
        }
    }

    /// The expressions for a local that holds a reference.
    fn of_local(local: &str) -> Self {
        let local = format_ident!("{local}");
        Self {
            reference: quote! { #local },
            copy: quote! { *#local },
            receiver: quote! { #local },
        }
    }
}

fn print_member(facts: &Facts, owner: &str, member: &Member) -> Result<TokenStream> {
    let (name, field) = (
        member::reference(facts, owner, member)?,
        names::field(&member.name),
    );
    if member.required {
        let print = print(facts, &member.shape, &Place::of_field(&field))?;
        return Ok(quote! { sink.name(#name); #print; });
    }
    let print = print(facts, &member.shape, &Place::of_local("member"))?;
    Ok(quote! {
        if let Some(member) = &value.#field {
            sink.name(#name);
            #print;
        }
    })
}

/// The statement that prints the value at `place`.
fn print(facts: &Facts, name: &str, place: &Place) -> Result<TokenStream> {
    let shape = facts.shape(name)?;
    let Place {
        reference,
        copy,
        receiver,
    } = place;
    Ok(match shape.kind {
        Kind::Boolean => quote! { sink.boolean(#copy) },
        Kind::Double => quote! { sink.double(#copy) },
        Kind::Integer => quote! { sink.integer(i64::from(#copy)) },
        Kind::Long => quote! { sink.integer(#copy) },
        Kind::Timestamp if shape.timestamp_format.is_none() => quote! { sink.timestamp(#copy) },
        Kind::Timestamp => bail!("`{name}` in an output: the protocols have no word for it"),
        Kind::String if shapes::is_typed_text(facts, name)? => quote! { sink.text(#receiver.as_str()) },
        Kind::String => quote! { sink.text(#reference) },
        Kind::Structure => {
            let function = function_name(facts, name);
            quote! { #function(sink, #reference) }
        }
        Kind::List => {
            let element = shape.member.as_deref().context("a list has elements")?;
            let print = print_element(facts, element, "element")?;
            quote! { sink.list(#reference, #print) }
        }
        Kind::Map if facts.is_hand_written(name) => quote! { sink.json(#receiver.as_str()) },
        Kind::Map => {
            let value = shape.value.as_deref().context("a map has values")?;
            let print = print_element(facts, value, "value")?;
            quote! { sink.map(#reference, #print) }
        }
        Kind::Blob => quote! { sink.blob(#reference) },
    })
}

/// The printer of an element of a list or map: the function of its structure, or a closure.
fn print_element(facts: &Facts, name: &str, local: &str) -> Result<TokenStream> {
    if facts.shape(name)?.kind == Kind::Structure {
        let function = function_name(facts, name);
        return Ok(quote! { #function });
    }
    let print = print(facts, name, &Place::of_local(local))?;
    let local = format_ident!("{local}");
    Ok(quote! { |sink, #local| { #print; } })
}
