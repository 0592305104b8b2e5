//! `error_code.rs`: every error that the service or ecru can return.

use anyhow::{Result, ensure};
use proc_macro2::{Ident, Literal, TokenStream};
use quote::quote;

use super::{facts::Facts, names, same_arms};

pub(super) struct Code {
    /// The name of its shape in the model.
    pub(super) shape: String,
    pub(super) name: String,
    pub(super) shown: bool,
    pub(super) status: u16,
    pub(super) modelled: Option<String>,
    doc: String,
}

pub(super) fn render(facts: &Facts) -> Result<TokenStream> {
    let codes = codes(facts)?;
    let idents: Vec<Ident> = codes.iter().map(|code| names::type_name(&code.shape)).collect();
    let docs = codes.iter().map(|code| &code.doc);
    let names = codes.iter().map(|code| &code.name);
    let statuses = codes.iter().map(|code| Literal::u16_unsuffixed(code.status));
    let modelled = codes.iter().zip(&idents).filter_map(|(code, ident)| {
        let target = code.modelled.as_deref().map(names::type_name)?;
        Some(quote! { Self::#ident => Self::#target })
    });
    let modelled = modelled.collect::<Vec<_>>();
    let modelled = if modelled.is_empty() {
        quote! { self }
    } else {
        quote! { match self { #(#modelled,)* code => code, } }
    };
    let same_statuses = same_arms(
        &codes
            .iter()
            .map(|code| code.status.to_string())
            .collect::<Vec<_>>(),
    );
    Ok(quote! {
        use std::fmt;

        /// The name of an error, as clients read it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ErrorCode { #(#[doc = #docs] #idents,)* }

        impl ErrorCode {
            pub const ALL: &'static [Self] = &[#(Self::#idents,)*];

            pub fn name(self) -> &'static str {
                match self { #(Self::#idents => #names,)* }
            }

            #same_statuses
            pub fn http_status(self) -> u16 {
                match self { #(Self::#idents => #statuses,)* }
            }

            /// Whether the fault is ours rather than the client's.
            pub fn is_fault(self) -> bool {
                self.http_status() >= 500
            }

            /// The code of the service model for the same case, for the names that are ours.
            #[must_use]
            pub fn modelled(self) -> Self {
                #modelled
            }
        }

        impl fmt::Display for ErrorCode {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(self.name())
            }
        }
    })
}

pub(super) fn codes(facts: &Facts) -> Result<Vec<Code>> {
    let mut codes: Vec<Code> = Vec::new();
    for (name, shape) in facts.shapes.iter().filter(|(_, shape)| shape.exception) {
        let status = shape.status.unwrap_or(if shape.fault { 500 } else { 400 });
        codes.push(Code {
            shape: name.clone(),
            name: shape.code.clone().unwrap_or_else(|| name.clone()),
            shown: false,
            status,
            modelled: None,
            doc: " In the service model.".to_owned(),
        });
    }
    for error in &facts.overrides.errors {
        ensure!(
            !facts.shapes.contains_key(&error.name),
            "`{}` is in the model already",
            error.name
        );
        let (name, modelled) = (error.name.clone(), error.modelled.clone());
        codes.push(Code {
            shape: name.clone(),
            name,
            shown: error.shown,
            status: error.status,
            modelled,
            doc: " Beside the service model.".to_owned(),
        });
    }
    codes.sort_by(|left, right| left.shape.cmp(&right.shape));
    Ok(codes)
}
