//! `dispatch.rs`: reads the input of an operation, calls its function in the service, and prints the output.

use proc_macro2::TokenStream;
use quote::quote;

use super::{
    facts::{Facts, Operation},
    names, parse, print,
};

pub(super) fn render(facts: &Facts) -> TokenStream {
    let arms = facts.operations.iter().map(|operation| arm(facts, operation));
    let handlers = facts.operations.iter().map(|operation| handler(facts, operation));
    let operation = facts.import("operation", "Operation");
    let shapes = facts.operations.iter().flat_map(|operation| {
        [&operation.input, &operation.output].map(|shape| names::type_name(&facts.structure_name(shape)))
    });
    let shapes = facts.imports("shapes", &shapes.collect());
    quote! {
        use std::pin::Pin;

        use ecru_platform::wire::{OperationFacts, Protocol, ServiceError};
        use #operation;
        #shapes

        use super::{parse, print};
        use crate::{Context, Error, operations};

        /// An operation that runs. It is boxed here, so that it is compiled with the service and not with each protocol.
        type Running<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

        /// Reads the input, runs the operation and prints its output.
        pub async fn dispatch<P: Protocol>(
            ctx: &Context,
            number: usize,
            facts: &'static OperationFacts,
            given: P::Given,
        ) -> Result<P::Answer, ServiceError> {
            match Operation::ALL.get(number) {
                #(#arms)*
                None => Err(ServiceError::internal("the service has no such operation")),
            }
        }

        #(#handlers)*
    }
}

fn arm(facts: &Facts, operation: &Operation) -> TokenStream {
    let ident = names::type_name(&operation.name);
    let function = names::function(&operation.name);
    let parse = parse::function_name(facts, &operation.input);
    let print = print::function_name(facts, &operation.output);
    quote! {
        Some(Operation::#ident) => {
            let input = P::read(facts, given, parse::#parse).await?;
            let output = #function(ctx, input).await?;
            Ok(P::write(facts, &output, print::#print))
        }
    }
}

fn handler(facts: &Facts, operation: &Operation) -> TokenStream {
    let function = names::function(&operation.name);
    let input = names::type_name(&facts.structure_name(&operation.input));
    let output = names::type_name(&facts.structure_name(&operation.output));
    quote! {
        fn #function(ctx: &Context, input: #input) -> Running<'_, #output> {
            Box::pin(operations::#function(ctx, input))
        }
    }
}
