//! `dispatch.rs`: from an operation and its body to the function in the registry and back to JSON.

use proc_macro2::TokenStream;
use quote::quote;

use super::{
    facts::{Facts, Operation},
    names, parse, print,
};

pub(super) fn render(facts: &Facts) -> TokenStream {
    let arms = facts.operations.iter().map(|operation| arm(facts, operation));
    quote! {
        #![expect(clippy::too_many_lines, reason = "one arm for each operation")]

        use ecru_model::Operation;
        use ecru_registry::{Context, Error, operations};

        use super::{parse, print};
        use crate::{document::Document, reader, writer};

        /// Reads the input, does the operation and prints its output.
        pub(crate) async fn dispatch(ctx: &Context, operation: Operation, document: Document) -> Result<Vec<u8>, Error> {
            match operation { #(#arms)* }
        }
    }
}

fn arm(facts: &Facts, operation: &Operation) -> TokenStream {
    let ident = names::type_name(&operation.name);
    let function = names::function(&operation.name);
    let parse = parse::function_name(facts, &operation.input);
    let print = print::function_name(facts, &operation.output);
    quote! {
        Operation::#ident => {
            let input = reader::read(operation, document, parse::#parse).await?;
            let output = Box::pin(operations::#function(ctx, input)).await?;
            Ok(writer::write(&output, print::#print))
        }
    }
}
