//! `service.rs`: the facts about the service and its operations that the wire needs.

use anyhow::{Context, Result};
use ecru_facts::{ProtocolName, Style};
use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

use super::{
    facts::{Facts, Operation},
    names,
};

pub(super) fn render(facts: &Facts) -> Result<TokenStream> {
    let protocol = &facts.protocol;
    let name = format_ident!(
        "{}",
        match protocol.name {
            ProtocolName::Json => "Json",
            ProtocolName::Query => "Query",
            ProtocolName::RestJson => "RestJson",
        }
    );
    let json_version = protocol.json_version.as_deref().unwrap_or_default();
    let target_prefix = protocol.target_prefix.as_deref().unwrap_or_default();
    let namespace = protocol.xml_namespace.as_deref().unwrap_or_default();
    let (api_version, signing_name) = (&protocol.api_version, &protocol.signing_name);
    let operations = facts
        .operations
        .iter()
        .map(|operation| self::operation(facts, operation))
        .collect::<Result<Vec<_>>>()?;
    let operations = quote! { &[#(#operations,)*] };
    let text = operations.to_string();
    let violations = text.contains("Violations").then(|| quote! { Violations, });
    let http = text.contains("Http {").then(|| quote! { Http, });
    let operation = facts.import("operation", "Operation");
    Ok(quote! {
        use ecru_platform::wire::{#http OperationFacts, ProtocolName, ServiceFacts, #violations};

        use #operation;

        use super::codes;

        pub static FACTS: ServiceFacts = ServiceFacts {
            protocol: ProtocolName::#name,
            api_version: #api_version,
            json_version: #json_version,
            signing_name: #signing_name,
            target_prefix: #target_prefix,
            xml_namespace: #namespace,
            operations: #operations,
            find: |name| Operation::from_name(name).map(|operation| operation as usize),
        };
    })
}

fn operation(facts: &Facts, operation: &Operation) -> Result<TokenStream> {
    let name = &operation.name;
    let violation = violation(facts, operation)?;
    let mut unusual = TokenStream::new();
    if facts.overrides.violations.style == Style::First {
        unusual.extend(quote! { violations: Violations::First, });
    }
    let limit = facts.overrides.limits.get(name);
    if let Some(bytes) = limit.and_then(|limit| limit.body_bytes) {
        let bytes = names::number(i64::try_from(bytes)?);
        unusual.extend(quote! { body_bytes_max: #bytes, });
    }
    if let Some(member) = limit.and_then(|limit| limit.streamed.as_deref()) {
        unusual.extend(quote! { streamed: Some(#member), });
    }
    if operation.unsigned {
        unusual.extend(quote! { unsigned: true, });
    }
    if operation.answers_nothing {
        unusual.extend(quote! { answers_nothing: true, });
    }
    if let Some(wrapper) = &operation.result_wrapper {
        unusual.extend(quote! { result_wrapper: #wrapper, });
    }
    let http = &operation.http;
    if (
        http.method.as_str(),
        http.request_uri.as_str(),
        http.response_code,
    ) != ("POST", "/", 200)
    {
        let (method, path) = (&http.method, &http.request_uri);
        let status = names::number(i64::from(http.response_code));
        unusual.extend(quote! { http: Http { method: #method, path: #path, status: #status }, });
    }
    let usual = quote! { OperationFacts::new(#name, &codes::#violation) };
    Ok(if unusual.is_empty() {
        usual
    } else {
        quote! { OperationFacts { #unusual ..#usual } }
    })
}

/// The code for invalid input: the first of the service's list that the operation has.
fn violation(facts: &Facts, operation: &Operation) -> Result<Ident> {
    let codes = &facts.overrides.violations.codes;
    let known = codes.iter().find(|code| operation.errors.contains(code));
    let code = known
        .or(codes.first())
        .context("the overrides name no code for invalid input")?;
    Ok(names::constant(code))
}
