//! Invalid input for every operation: refused in the right format, without a change or a lasting effect.

use ecru_model::{ErrorCode, Operation};
use serde_json::{Value, json};

use crate::api::{ACCOUNT, Answer, Api, OTHER_ACCOUNT};
use crate::content::{Image, MEBIBYTE};
use crate::inputs::valid;

/// `demo` with an image, a policy, a resource tag, an account setting and an open upload.
async fn registry() -> Api {
    let api = Api::new();
    api.create("demo").await;
    api.push("demo", Some("v1"), &Image::new(7)).await;
    api.begin_upload("demo").await;
    for operation in [
        Operation::SetRepositoryPolicy,
        Operation::TagResource,
        Operation::PutAccountSetting,
    ] {
        api.ok(operation.name(), valid(operation)).await;
    }
    api
}

/// All state that requests can change, as text.
fn state(api: &Api) -> Vec<Option<String>> {
    const TABLES: [&str; 6] = [
        "SELECT group_concat(quote(id) || name || deleted || tag_mutability || quote(exclusion_filters) || scan_on_push
                 || quote(policy)) FROM repositories",
        "SELECT group_concat(hex(digest) || repository_id || tagged) FROM images",
        "SELECT group_concat(repository_id || tag || image_id) FROM tags",
        "SELECT group_concat(name || value) FROM registry_settings",
        "SELECT group_concat(repository_id || key || value) FROM resource_tags",
        "SELECT group_concat(hex(id) || synced_offset || part_count) FROM uploads",
    ];
    TABLES.map(|sql| api.text(sql)).to_vec()
}

/// Checks that a refusal changed nothing, and that no input caused an internal error.
#[track_caller]
fn check_harmless(api: &Api, before: &[Option<String>], answer: &Answer, sent: &str) {
    let unbuilt = answer.error() == Some("NotImplementedException");
    assert!(answer.status < 500 || unbuilt, "{sent}: {}", answer.body);
    if answer.status != 200 {
        assert_eq!(state(api), before, "{sent} was refused and changed something");
    }
}

#[tokio::test]
async fn no_body_is_an_input_without_members() {
    for operation in Operation::ALL {
        let absent = Api::new().send(operation.name(), "").await;
        let without = Api::new().send(operation.name(), "{}").await;
        assert_eq!(
            (absent.status, absent.error()),
            (without.status, without.error()),
            "{operation}"
        );
        assert_ne!(absent.error(), Some("SerializationException"), "{operation}");
    }
    let api = registry().await;
    let listed = api.send("DescribeRepositories", "").await;
    assert_eq!(listed.body["repositories"].as_array().map(Vec::len), Some(1));
    api.send("ListImages", "")
        .await
        .refuses_parameter("repositoryName", "must not be null");
}

#[tokio::test]
async fn a_body_that_is_no_document_of_its_own_is_refused_by_every_operation() {
    let api = registry().await;
    let before = state(&api);
    let deep = |depth: usize| format!("{{\"x\":{}{}}}", "[".repeat(depth), "]".repeat(depth)).into_bytes();
    let many = format!("{{\"x\":[{}0]}}", "0,".repeat(100_001)).into_bytes();
    let bodies = [
        b"{".to_vec(),
        b"}".to_vec(),
        b"nul".to_vec(),
        b"null".to_vec(),
        b"[]".to_vec(),
        b"1".to_vec(),
        b"\"x\"".to_vec(),
        b"{\"a\":}".to_vec(),
        b"{'a':1}".to_vec(),
        b"{}{}".to_vec(),
        b"{} x".to_vec(),
        b"{\"a\":1,}".to_vec(),
        b"{\"a\":1e999}".to_vec(),
        b"{\"a\":\"\\ud800\"}".to_vec(),
        b"{\"a\":\"\n\"}".to_vec(),
        b"{\"a\":\"\xff\"}".to_vec(),
        b"\xef\xbb\xbf{}".to_vec(),
        b"{}\0".to_vec(),
        b"\0".to_vec(),
        b"repositoryName=demo".to_vec(),
        b"<xml/>".to_vec(),
        deep(64),
        deep(10_000),
        many,
    ];
    for operation in Operation::ALL {
        for body in &bodies {
            let answer = api.send(operation.name(), body.clone()).await;
            let shown = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
            assert_eq!(
                answer.error(),
                Some("SerializationException"),
                "{operation} with {shown}: {}",
                answer.body
            );
        }
    }
    assert_eq!(state(&api), before);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_by_every_operation() {
    let api = registry().await;
    let before = state(&api);
    let large = format!("{{\"x\":\"{}\"}}", "x".repeat(MEBIBYTE));
    for operation in Operation::ALL {
        let answer = api.send(operation.name(), large.clone()).await;
        match operation {
            Operation::PutImage | Operation::UploadLayerPart => {
                answer.refuses_parameter("repositoryName", "must not be null");
            }
            _ => {
                answer.refuses(
                    ErrorCode::RequestEntityTooLargeException,
                    "the body is larger than 1048576 bytes",
                );
            }
        }
    }
    assert_eq!(state(&api), before);
}

/// The path of every value within an input.
fn places(value: &Value, at: &str) -> Vec<String> {
    let below = |(name, value): (String, &Value)| {
        let place = format!("{at}/{name}");
        [vec![place.clone()], places(value, &place)].concat()
    };
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (name.clone(), value))
            .flat_map(below)
            .collect(),
        Value::Array(elements) => {
            let elements = elements.iter().enumerate();
            elements
                .map(|(at, value)| (at.to_string(), value))
                .flat_map(below)
                .collect()
        }
        _ => Vec::new(),
    }
}

fn replaced(input: &Value, place: &str, value: Value) -> Value {
    let mut input = input.clone();
    *input.pointer_mut(place).unwrap() = value;
    input
}

#[tokio::test]
async fn a_value_of_another_type_is_refused_wherever_it_stands() {
    let api = registry().await;
    let before = state(&api);
    let values = [
        json!(1),
        json!(1.5),
        json!(true),
        json!("x"),
        json!([]),
        json!([null]),
        json!([[]]),
        json!({}),
        json!({ "x": {} }),
    ];
    for operation in Operation::ALL {
        let input = valid(*operation);
        for place in places(&input, "") {
            let original = input.pointer(&place).unwrap();
            for value in &values {
                if std::mem::discriminant(value) == std::mem::discriminant(original) {
                    continue;
                }
                let answer = api
                    .call(operation.name(), replaced(&input, &place, value.clone()))
                    .await;
                assert_eq!(
                    answer.error(),
                    Some("SerializationException"),
                    "{operation} with {value} at {place}: {}",
                    answer.body
                );
            }
        }
    }
    assert_eq!(state(&api), before);
}

#[tokio::test]
async fn texts_that_mean_something_elsewhere_do_no_harm() {
    let api = registry().await;
    let long = "a".repeat(200_000);
    let texts = [
        "",
        "\u{0}",
        "demo\u{0}",
        "demo\r\nX-Injected: 1",
        "..",
        "../../../etc/passwd",
        "demo/../other",
        "%2e%2e%2f",
        "..\\..",
        "/",
        "'; DROP TABLE repositories; --",
        "\" OR 1=1",
        "<script>alert(1)</script>",
        "${jndi:x}",
        "\u{202e}omed",
        "🦀",
        "demo\u{300}",
        &long,
    ];
    for operation in Operation::ALL {
        let input = valid(*operation);
        for place in places(&input, "") {
            if !input.pointer(&place).unwrap().is_string() {
                continue;
            }
            for text in texts {
                let before = state(&api);
                let answer = api
                    .call(operation.name(), replaced(&input, &place, json!(text)))
                    .await;
                let shown = text.chars().take(40).collect::<String>();
                check_harmless(
                    &api,
                    &before,
                    &answer,
                    &format!("{operation} with {shown:?} at {place}"),
                );
            }
        }
    }
    // Only the value of a tag may hold such text.
    assert_eq!(
        api.count("SELECT count(*) FROM repositories WHERE name <> 'demo'"),
        0
    );
    assert_eq!(api.count("SELECT count(*) FROM images"), 1);
}

#[tokio::test]
async fn numbers_outside_their_range_are_refused() {
    let api = registry().await;
    let before = state(&api);
    let numbers = [
        "-1",
        "0",
        "99999999999",
        "9223372036854775808",
        "1e3",
        "1.0",
        "-9223372036854775809",
    ];
    for (operation, member) in [
        ("ListImages", "maxResults"),
        ("DescribeImages", "maxResults"),
        ("DescribeRepositories", "maxResults"),
        ("ListImageReferrers", "maxResults"),
        ("UploadLayerPart", "partFirstByte"),
        ("UploadLayerPart", "partLastByte"),
    ] {
        let mut input = valid(Operation::from_name(operation).unwrap());
        input[member] = json!("NUMBER");
        for number in numbers {
            let body = input.to_string().replace("\"NUMBER\"", number);
            let answer = api.send(operation, body).await;
            assert_eq!(answer.status, 400, "{operation} with {number}: {}", answer.body);
        }
    }
    assert_eq!(state(&api), before);
}

#[tokio::test]
async fn members_that_are_unknown_given_twice_or_null_do_no_harm() {
    let api = registry().await;
    for operation in Operation::ALL {
        let plain = valid(*operation);
        let text = plain.to_string();
        let expected = Api::new().call(operation.name(), plain.clone()).await;
        let unknown = text.replacen('{', "{\"unknownMember\":{\"a\":[1,{\"b\":null}]},", 1);
        let unknown = unknown.replacen(",}", "}", 1);
        let answer = Api::new().send(operation.name(), unknown).await;
        assert_eq!(
            (answer.status, answer.error()),
            (expected.status, expected.error()),
            "{operation}"
        );

        let Some((member, value)) = plain.as_object().unwrap().iter().next() else {
            continue;
        };
        let before = state(&api);
        let wrong_first = text.replacen('{', &format!("{{\"{member}\":\"../x\","), 1);
        let answer = api.send(operation.name(), wrong_first).await;
        check_harmless(
            &api,
            &before,
            &answer,
            &format!("{operation} with {member} given twice"),
        );
        let before = state(&api);
        let wrong_last = format!("{{\"{member}\":{value},\"{member}\":[[[]]]}}");
        let answer = api.send(operation.name(), wrong_last).await;
        assert_eq!(answer.status, 400, "{operation}: {}", answer.body);
        check_harmless(&api, &before, &answer, operation.name());
        let null = api.send(operation.name(), format!("{{\"{member}\":null}}")).await;
        check_harmless(&api, &before, &null, operation.name());
    }
}

#[tokio::test]
async fn of_a_member_that_is_given_twice_the_last_value_counts() {
    let api = Api::new();
    let body = r#"{"repositoryName":"first","repositoryName":"last","imageTagMutability":7,"imageTagMutability":"IMMUTABLE",
        "imageScanningConfiguration":{"scanOnPush":true},"imageScanningConfiguration":{"scanOnPush":true,"scanOnPush":false}}"#;
    let answer = api.send("CreateRepository", body).await;
    let created = &answer.body["repository"];
    assert_eq!(created["repositoryName"], "last", "{}", answer.body);
    assert_eq!(created["imageTagMutability"], "IMMUTABLE");
    assert_eq!(created["imageScanningConfiguration"]["scanOnPush"], false);
    let described = api.ok("DescribeRepositories", json!({})).await;
    assert_eq!(described["repositories"].as_array().unwrap().len(), 1);

    // Access is decided by the same value of a repeated member that the operation uses.
    let stranger = api.by_account(OTHER_ACCOUNT);
    let list = |first: &str, last: &str| {
        format!(r#"{{"repositoryName":"last","registryId":"{first}","registryId":"{last}"}}"#)
    };
    let denied = stranger.send("ListImages", list(OTHER_ACCOUNT, ACCOUNT)).await;
    denied.refuses_code(ErrorCode::AccessDeniedException);
    let absent = stranger.send("ListImages", list(ACCOUNT, OTHER_ACCOUNT)).await;
    absent.refuses_code(ErrorCode::RepositoryNotFoundException);
}
