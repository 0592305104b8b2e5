//! The OpenAPI document of the control API: it is served, and each read in it is answered.

use serde_json::{Value, json};

use crate::client::start;
use crate::introspection::{create, list, operate, push};

#[tokio::test]
async fn every_read_in_the_document_is_answered_as_it_says() {
    let server = start().await;
    create(&server, "test", "us-east-1", "demo").await;
    push(&server, "demo", "v1").await;
    let policy = json!({ "rules": [{
        "rulePriority": 1,
        "selection": { "tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 5 },
        "action": { "type": "expire" },
    }] });
    let input = json!({ "repositoryName": "demo", "lifecyclePolicyText": policy.to_string() });
    operate(&server, "test", "us-east-1", "PutLifecyclePolicy", input).await;

    let document = list(&server, "/_ecru/openapi.json").await;
    assert_eq!(document["openapi"], "3.1.0");
    let mut count = 0;
    for (path, operations) in document["paths"].as_object().expect("paths") {
        let Some(operation) = operations.get("get") else {
            let answer = server.get(path).await;
            assert_eq!(answer.status, 405, "{path}");
            continue;
        };
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let required = parameters.filter(|parameter| parameter["required"] == true);
        let query = required.map(|parameter| {
            let example = parameter["schema"]["examples"][0].as_str().expect("an example");
            format!("{}={example}", parameter["name"].as_str().expect("a name"))
        });
        let query = query.collect::<Vec<_>>().join("&");
        let answer = list(&server, &format!("{path}?{query}")).await;
        let schema = &operation["responses"]["200"]["content"]["application/json"]["schema"];
        check(&document, schema, &answer, path);
        count += 1;
    }
    assert!(count > 12, "{count} reads");
}

#[tokio::test]
async fn a_refusal_is_a_problem_with_the_message_that_older_clients_read() {
    let server = start().await;
    for (path, status, title, detail) in [
        (
            "/_ecru/repositories?limit=0",
            400,
            "Bad Request",
            "`limit` is a number from 1 up",
        ),
        (
            "/_ecru/principals?after=%ff",
            400,
            "Bad Request",
            "the query is not percent-encoded UTF-8",
        ),
        (
            "/_ecru/lifecycle/explain",
            400,
            "Bad Request",
            "missing field `repository`",
        ),
        ("/_ecru/nothing", 404, "Not Found", "no API has this path"),
        ("/nothing", 404, "Not Found", "no API has this path"),
        (
            "/_ecru/run-due",
            405,
            "Method Not Allowed",
            "this path does not support this method",
        ),
    ] {
        let answer = server.get(path).await;
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json"),
            "{path}"
        );
        assert_eq!(
            answer.json(),
            json!({ "type": "about:blank", "title": title, "status": status, "detail": detail, "message": detail }),
            "{path}"
        );
        assert_eq!(answer.status, status, "{path}");
    }
}

#[tokio::test]
async fn every_list_has_pages() {
    let server = start().await;
    let document = list(&server, "/_ecru/openapi.json").await;
    for (path, operations) in document["paths"].as_object().expect("paths") {
        let operation = &operations["get"];
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let names = parameters
            .filter_map(|parameter| parameter["name"].as_str())
            .collect::<Vec<_>>();
        let is_list = operation["summary"]
            .as_str()
            .is_some_and(|summary| summary.starts_with("List"));
        assert_eq!(
            names.contains(&"limit") && names.contains(&"after"),
            is_list,
            "{path}"
        );
    }
}

/// Required members are there, and no member is unknown. The tests with real clients check the rest.
#[track_caller]
fn check(document: &Value, schema: &Value, value: &Value, at: &str) {
    let schema = match schema["$ref"].as_str() {
        Some(reference) => document
            .pointer(reference.trim_start_matches('#'))
            .expect(reference),
        None => schema,
    };
    if let Value::Array(items) = value {
        for item in items {
            check(document, &schema["items"], item, at);
        }
    }
    if let (Value::Object(members), Some(properties)) = (value, schema["properties"].as_object()) {
        for required in schema["required"].as_array().into_iter().flatten() {
            assert!(
                members.contains_key(required.as_str().expect("a name")),
                "{at}: {required} of {value}"
            );
        }
        for (name, member) in members {
            let property = properties
                .get(name)
                .unwrap_or_else(|| panic!("{at}: `{name}` of {value}"));
            check(document, property, member, &format!("{at} {name}"));
        }
    }
}
