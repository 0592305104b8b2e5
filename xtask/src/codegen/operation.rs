//! `operation.rs`: the operations of the service, the errors each may answer with and how it pages.

use proc_macro2::{Ident, TokenStream};
use quote::quote;

use super::{
    facts::{Facts, Operation, Paginator},
    names,
};

pub(super) fn render(facts: &Facts) -> TokenStream {
    let operations = &facts.operations;
    let idents: Vec<Ident> = operations
        .iter()
        .map(|operation| names::type_name(&operation.name))
        .collect();
    let names: Vec<&str> = operations
        .iter()
        .map(|operation| operation.name.as_str())
        .collect();
    let errors = operations.iter().map(errors);
    let paginators = operations
        .iter()
        .map(|operation| paginator(operation.paginator.as_ref()));
    let (target_prefix, signing_name) = (
        facts.protocol.target_prefix.as_deref().unwrap_or_default(),
        &facts.protocol.signing_name,
    );
    quote! {
        #![expect(clippy::too_many_lines, reason = "one arm for each operation")]

        use std::fmt;

        use crate::{ErrorCode, Paginator};

        /// What stands before the operation's name in `X-Amz-Target`.
        pub const TARGET_PREFIX: &str = #target_prefix;
        /// The service's name in a credential scope.
        pub const SIGNING_NAME: &str = #signing_name;

        /// An operation of the service.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Operation { #(#idents,)* }

        impl Operation {
            pub const ALL: &'static [Self] = &[#(Self::#idents,)*];

            pub fn name(self) -> &'static str {
                match self { #(Self::#idents => #names,)* }
            }

            pub fn from_name(name: &str) -> Option<Self> {
                Some(match name {
                    #(#names => Self::#idents,)*
                    _ => return None,
                })
            }

            /// The modelled errors, in the model's order.
            #[expect(clippy::match_same_arms, reason = "one arm for each operation")]
            pub fn errors(self) -> &'static [ErrorCode] {
                match self { #(Self::#idents => #errors,)* }
            }

            /// How the SDKs page through the answers, where they do.
            #[expect(clippy::match_same_arms, reason = "one arm for each operation")]
            pub fn paginator(self) -> Option<Paginator> {
                match self { #(Self::#idents => #paginators,)* }
            }
        }

        impl fmt::Display for Operation {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(self.name())
            }
        }
    }
}

fn errors(operation: &Operation) -> TokenStream {
    let codes = operation.errors.iter().map(|error| names::type_name(error));
    quote! { &[#(ErrorCode::#codes,)*] }
}

fn paginator(paginator: Option<&Paginator>) -> TokenStream {
    let Some(Paginator {
        input_token,
        output_token,
        limit_key,
        result_keys,
    }) = paginator
    else {
        return quote! { None };
    };
    let limit_key = limit_key.as_deref().unwrap_or_default();
    quote! {
        Some(Paginator {
            input_token: #input_token,
            output_token: #output_token,
            limit_key: #limit_key,
            result_keys: &[#(#result_keys,)*],
        })
    }
}
