//! The accepted content types, and the operation that a target names.

use ecru_platform::wire::{AwsService, Protocol, ServiceFacts};
use ecru_registry::generated::service::FACTS;

use super::*;

/// ECR without operations.
struct Empty;

impl AwsService for Empty {
    const FACTS: &'static ServiceFacts = &FACTS;

    async fn call<P: Protocol>(&self, _: Call, _: P::Given) -> Result<P::Answer, ServiceError> {
        Err(ServiceError::internal("there is nothing here"))
    }
}

#[track_caller]
fn check_target(method: Method, target: &str, expected: Option<&str>) {
    let request = Request::builder()
        .method(method)
        .header("X-Amz-Target", target)
        .body(())
        .unwrap();
    let services = [crate::json(Empty)];
    let found = match route::find(&services, &request.into_parts().0) {
        Found::Operation(route) => Some(route.operation.name),
        Found::InForm(_) => panic!("a target is no form"),
        Found::Nothing(spoken, _) => {
            assert_eq!(
                (spoken.protocol, spoken.json_version),
                (ProtocolName::Json, "1.1")
            );
            None
        }
    };
    assert_eq!(found, expected, "{target}");
}

#[test]
fn the_target_names_the_operation() {
    for operation in FACTS.operations {
        let target = format!("AmazonEC2ContainerRegistry_V20150921.{}", operation.name);
        check_target(Method::POST, &target, Some(operation.name));
        check_target(Method::PUT, &target, None);
    }
}

#[test]
fn other_services_versions_and_names_are_unknown() {
    for target in [
        "",
        "ListImages",
        "AmazonEC2ContainerRegistry_V20150921",
        "AmazonEC2ContainerRegistry_V20150921.",
        "AmazonEC2ContainerRegistry_V20150921.listImages",
        "AmazonEC2ContainerRegistry_V20150921.ListImages ",
        "AmazonEC2ContainerRegistry_V20150921ListImages",
        "AmazonEC2ContainerRegistry_V20160921.ListImages",
    ] {
        check_target(Method::POST, target, None);
    }
}

#[track_caller]
fn check(headers: &[(&'static str, &'static str)], expected: Option<&str>) {
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| (name.parse().unwrap(), http::HeaderValue::from_static(value)))
        .collect();
    let refused = check_content(Spoken::by(&FACTS), &headers).err();
    assert_eq!(refused.map(|error| error.code.name), expected, "{headers:?}");
}

#[test]
fn only_plain_json_of_the_protocols_version_is_taken() {
    let unknown = Some("UnknownOperationException");
    let json = ("content-type", "application/x-amz-json-1.1");
    check(&[json], None);
    check(
        &[("content-type", "Application/X-Amz-Json-1.1; charset=utf-8")],
        None,
    );
    check(&[json, ("content-encoding", "identity")], None);
    check(&[], unknown);
    check(&[("content-type", "application/x-amz-json-1.0")], unknown);
    check(&[("content-type", "text/plain")], unknown);
    for encoding in ["gzip", "", "identity, gzip"] {
        check(
            &[json, ("content-encoding", encoding)],
            Some("SerializationException"),
        );
    }
}
