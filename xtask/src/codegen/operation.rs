//! `operation.rs`: the operations of the service, the errors of each, and its pagination.

use proc_macro2::{Ident, TokenStream};
use quote::quote;

use super::{
    facts::{Facts, Operation, Paginator},
    names, same_arms,
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
    let errors = operations.iter().map(errors).collect::<Vec<_>>();
    let paginators = operations
        .iter()
        .map(|operation| paginator(operation.paginator.as_ref()))
        .collect::<Vec<_>>();
    let [same_errors, same_paginators] = [&errors, &paginators]
        .map(|arms| same_arms(&arms.iter().map(ToString::to_string).collect::<Vec<_>>()));
    let signing_name = &facts.protocol.signing_name;
    let target_prefix = facts.protocol.target_prefix.as_deref().map(|prefix| {
        quote! {
            /// What stands before the operation's name in `X-Amz-Target`.
            pub const TARGET_PREFIX: &str = #prefix;
        }
    });
    let imports = if facts.types_apart() {
        quote! { use crate::{ErrorCode, Paginator}; }
    } else {
        quote! {
            use super::error_code::ErrorCode;
            use ecru_model::Paginator;
        }
    };
    quote! {
        use std::fmt;

        #imports

        #target_prefix
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
            #same_errors
            pub fn errors(self) -> &'static [ErrorCode] {
                match self { #(Self::#idents => #errors,)* }
            }

            /// How the SDKs page through the answers, where they do.
            #same_paginators
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
