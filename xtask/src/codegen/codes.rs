//! `codes.rs`: every error code in the form that the wire sends.

use anyhow::Result;
use proc_macro2::{Ident, Literal, TokenStream};
use quote::quote;

use super::{
    error_code::{Code, codes},
    facts::Facts,
    names,
};

pub(super) fn render(facts: &Facts) -> Result<TokenStream> {
    let codes = codes(facts)?;
    let constants: Vec<Ident> = codes.iter().map(|code| names::constant(&code.shape)).collect();
    let variants = codes.iter().map(|code| names::type_name(&code.shape));
    let items = codes.iter().map(constant);
    let error_code = facts.import("error_code", "ErrorCode");
    Ok(quote! {
        use ecru_platform::wire::Code;
        use #error_code;

        #(#items)*

        /// The code as the wire prints it.
        pub fn code(code: ErrorCode) -> &'static Code {
            match code { #(ErrorCode::#variants => &#constants,)* }
        }
    })
}

fn constant(code: &Code) -> TokenStream {
    let ident = names::constant(&code.shape);
    let (name, status) = (&code.name, Literal::u16_unsuffixed(code.status));
    let shown = code.shown.then(|| quote! { .shown() });
    let modelled = code.modelled.as_deref().map(|modelled| {
        let modelled = names::constant(modelled);
        quote! { .standing_for(&#modelled) }
    });
    quote! {
        pub static #ident: Code = Code::new(#name, #status) #shown #modelled;
    }
}
