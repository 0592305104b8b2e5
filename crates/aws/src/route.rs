//! Finds the service and the operation of a request: by target, else by the signed service name, else by
//! form, else by path.

use std::sync::Arc;

use ecru_model::percent::decode_form;
use ecru_platform::wire::{OperationFacts, ProtocolName, ServiceFacts};
use http::{HeaderMap, Method, Uri, header, request::Parts};

use crate::{answer::Spoken, credentials, form::Form, mount::Mounted, rest};

const TARGET: &str = "x-amz-target";
const FORM: &str = "application/x-www-form-urlencoded";

pub(crate) type Services = [Arc<dyn Mounted>];

/// One operation of one service.
#[derive(Clone, Copy)]
pub(crate) struct Route<'s> {
    pub(crate) service: &'s dyn Mounted,
    pub(crate) number: usize,
    pub(crate) operation: &'static OperationFacts,
}

pub(crate) enum Found<'s> {
    Operation(Route<'s>),
    /// The body names the operation. The service is known if the signature names it.
    InForm(Option<&'s dyn Mounted>),
    /// No operation matches. Holds the protocol of the response, and the message.
    Nothing(Spoken, &'static str),
}

const NO_TARGET: &str = "the target names no operation of this service";
const NO_PATH: &str = "no operation has this method and path";

/// Finds the operation by the head of a request.
pub(crate) fn find<'s>(services: &'s Services, parts: &Parts) -> Found<'s> {
    if let Some(target) = parts.headers.get(TARGET) {
        let target = target.to_str().unwrap_or_default();
        return by_target(services, parts, target);
    }
    let named = credentials::service(&parts.headers, &parts.uri).and_then(|name| {
        let mut services = services.iter();
        services.find(|service| service.facts().signing_name == name)
    });
    if let Some(service) = named {
        return of_service(service.as_ref(), parts);
    }
    if is_form(parts) {
        return Found::InForm(None);
    }
    let rest = services
        .iter()
        .filter(|service| service.facts().protocol == ProtocolName::RestJson);
    let by_path =
        rest.filter_map(|service| Some((service, rest::find(service.facts(), &parts.method, &parts.uri)?)));
    match by_path.into_iter().next() {
        Some((service, number)) => numbered(service.as_ref(), number),
        None => Found::Nothing(Spoken::unknown(ProtocolName::Json, "1.1"), NO_TARGET),
    }
}

fn by_target<'s>(services: &'s Services, parts: &Parts, target: &str) -> Found<'s> {
    let (prefix, name) = target.rsplit_once('.').unwrap_or_default();
    let named = |facts: &ServiceFacts| facts.protocol == ProtocolName::Json && facts.target_prefix == prefix;
    let Some(service) = services.iter().find(|service| named(service.facts())) else {
        return Found::Nothing(
            Spoken::unknown(ProtocolName::Json, json_version(&parts.headers)),
            NO_TARGET,
        );
    };
    match service.facts().find(name) {
        Some(number) if parts.method == Method::POST => numbered(service.as_ref(), number),
        _ => Found::Nothing(Spoken::by(service.facts()), NO_TARGET),
    }
}

/// The JSON version to answer a request for an unknown service in.
fn json_version(headers: &HeaderMap) -> &'static str {
    if media_type(headers).eq_ignore_ascii_case("application/x-amz-json-1.0") {
        "1.0"
    } else {
        "1.1"
    }
}

fn of_service<'s>(service: &'s dyn Mounted, parts: &Parts) -> Found<'s> {
    let facts = service.facts();
    match facts.protocol {
        ProtocolName::Json => Found::Nothing(Spoken::by(facts), NO_TARGET),
        ProtocolName::Query => Found::InForm(Some(service)),
        ProtocolName::RestJson => match rest::find(facts, &parts.method, &parts.uri) {
            Some(number) => numbered(service, number),
            None => Found::Nothing(Spoken::by(facts), NO_PATH),
        },
    }
}

fn numbered(service: &dyn Mounted, number: usize) -> Found<'_> {
    match service.facts().operations.get(number) {
        Some(operation) => Found::Operation(Route {
            service,
            number,
            operation,
        }),
        None => Found::Nothing(Spoken::by(service.facts()), NO_TARGET),
    }
}

/// Finds the operation that a form names. The error is the message for the client.
pub(crate) fn by_form<'s>(
    services: &'s Services,
    service: Option<&'s dyn Mounted>,
    form: &Form,
) -> Result<Route<'s>, (Spoken, String)> {
    let (action, version) = (form.get("Action"), form.get("Version"));
    let (action, version) = (action.unwrap_or_default(), version.unwrap_or_default());
    let queried = services
        .iter()
        .map(AsRef::as_ref)
        .filter(|service| service.facts().protocol == ProtocolName::Query);
    let mut candidates = queried.filter(|candidate| match service {
        Some(service) => candidate.facts().signing_name == service.facts().signing_name,
        None => candidate.facts().api_version == version,
    });
    let found = candidates.find_map(|candidate| Some((candidate, candidate.facts().find(action)?)));
    let spoken = service.map_or(Spoken::unknown(ProtocolName::Query, ""), |service| {
        Spoken::by(service.facts())
    });
    let unknown = || {
        (
            spoken,
            format!("Could not find operation {action} for version {version}"),
        )
    };
    let (service, number) = found.ok_or_else(unknown)?;
    let operation = service.facts().operations.get(number).ok_or_else(unknown)?;
    Ok(Route {
        service,
        number,
        operation,
    })
}

/// Whether the request is a form, either as the body or as the query of a GET.
fn is_form(parts: &Parts) -> bool {
    (parts.method == Method::GET && names_action(&parts.uri)) || is_form_content(&parts.headers)
}

fn names_action(uri: &Uri) -> bool {
    let pairs = uri.query().unwrap_or_default().split('&');
    let mut keys = pairs.filter_map(|pair| pair.split_once('=')).map(|(key, _)| key);
    keys.any(|key| decode_form(key).is_some_and(|key| key == "Action"))
}

/// Whether a request, which has no target and no form in its body, is for one of the services.
pub(crate) fn claims(services: &Services, method: &Method, uri: &Uri) -> bool {
    services.iter().any(|service| match service.facts().protocol {
        ProtocolName::Json => false,
        ProtocolName::Query => *method == Method::GET && uri.path() == "/" && names_action(uri),
        ProtocolName::RestJson => rest::find(service.facts(), method, uri).is_some(),
    })
}

pub(crate) fn is_form_content(headers: &HeaderMap) -> bool {
    media_type(headers).eq_ignore_ascii_case(FORM)
}

/// The media type without its parameters.
pub(crate) fn media_type(headers: &HeaderMap) -> &str {
    let content_type = headers.get(header::CONTENT_TYPE);
    let content_type = content_type.map(|value| value.to_str().unwrap_or_default());
    let media_type = content_type.unwrap_or_default().split(';').next();
    media_type.unwrap_or_default().trim()
}
