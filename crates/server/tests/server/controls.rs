//! Settings that tests change over HTTP: the clock, principals, and jobs to run at once.

use serde_json::{Value, json};

use crate::client::{Answer, Running, start};
use crate::introspection::{create, list, operate, push};

async fn send(server: &Running, method: &str, path: &str, body: &str) -> Answer {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    server.ask(&request).await
}

async fn set(server: &Running, method: &str, path: &str, body: Value) -> Value {
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let answer = send(server, method, path, &body).await;
    assert_eq!(
        answer.status,
        200,
        "{path} {body}: {}",
        String::from_utf8_lossy(&answer.body)
    );
    answer.json()
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).expect(pointer)
}

#[tokio::test]
async fn a_clock_is_frozen_advanced_and_let_go_over_restarts() {
    let server = start().await;
    let frozen = set(
        &server,
        "PUT",
        "/_ecru/clock",
        json!({ "frozen": "2026-01-01T00:00:00Z" }),
    )
    .await;
    assert_eq!(text(&frozen, "/now"), "2026-01-01T00:00:00Z");
    let advanced = set(&server, "PUT", "/_ecru/clock", json!({ "advance": "P1DT12H" })).await;
    assert_eq!(text(&advanced, "/now"), "2026-01-02T12:00:00Z");
    let advanced = set(&server, "PUT", "/_ecru/clock", json!({ "advance": 0.5 })).await;
    assert_eq!(text(&advanced, "/now"), "2026-01-02T12:00:00.5Z");

    let server = server.restarted(|_| {}).await;
    let kept = list(&server, "/_ecru/clock").await;
    assert_eq!(text(&kept, "/now"), "2026-01-02T12:00:00.5Z");
    assert_eq!(text(&kept, "/frozen"), "2026-01-01T00:00:00Z");
    create(&server, "test", "us-east-1", "demo").await;
    let repositories = list(&server, "/_ecru/repositories").await;
    assert_eq!(
        text(&repositories, "/repositories/0/createdAt"),
        "2026-01-02T12:00:00.5Z"
    );

    set(&server, "DELETE", "/_ecru/clock", Value::Null).await;
    let server = server.restarted(|_| {}).await;
    let free = list(&server, "/_ecru/clock").await;
    assert_eq!(free.get("frozen"), None);
    assert_eq!(free.get("aheadMilliseconds"), Some(&json!(0)));
}

#[tokio::test]
async fn a_clock_that_is_not_frozen_runs_ahead_until_a_reset() {
    let server = start().await;
    set(&server, "PUT", "/_ecru/clock", json!({ "advance": "P400D" })).await;
    let clock = list(&server, "/_ecru/clock").await;
    assert!(text(&clock, "/now") > text(&clock, "/machine"));
    set(&server, "POST", "/_ecru/reset?account=123456789012", Value::Null).await;
    let clock = list(&server, "/_ecru/clock").await;
    assert_eq!(clock.get("aheadMilliseconds"), Some(&json!(34_560_000_000_i64)));

    set(&server, "POST", "/_ecru/reset", Value::Null).await;
    let clock = list(&server, "/_ecru/clock").await;
    assert_eq!(clock.get("aheadMilliseconds"), Some(&json!(0)));
}

#[tokio::test]
async fn a_clock_that_is_told_nonsense_stays_as_it_was() {
    let server = start().await;
    set(
        &server,
        "PUT",
        "/_ecru/clock",
        json!({ "frozen": "2026-01-01T00:00:00Z" }),
    )
    .await;
    let before = list(&server, "/_ecru/clock").await;
    for body in [
        "",
        "{}",
        "[]",
        "{\"frozen\": 1}",
        "{\"frozen\": \"yesterday\"}",
        "{\"advance\": \"P1M\"}",
        "{\"advance\": \"soon\"}",
        "{\"advance\": 1e300}",
        "{\"advance\": \"P9999999D\"}",
        "{\"advance\": \"-P80000D\"}",
        "{\"frozen\": \"2026-01-01T00:00:00Z\", \"other\": 1}",
    ] {
        assert_eq!(
            send(&server, "PUT", "/_ecru/clock", body).await.status,
            400,
            "{body}"
        );
    }
    let long = " ".repeat(1024 * 1024 + 1);
    assert_eq!(send(&server, "PUT", "/_ecru/clock", &long).await.status, 413);
    let answer = send(&server, "POST", "/_ecru/clock", "").await;
    assert_eq!(answer.header("allow"), Some("GET, HEAD, PUT, DELETE"));
    assert_eq!(
        text(&list(&server, "/_ecru/clock").await, "/now"),
        text(&before, "/now")
    );
}

#[tokio::test]
async fn a_token_expires_by_the_clock() {
    let server = start().await;
    create(&server, "test", "us-east-1", "demo").await;
    let token = operate(&server, "test", "us-east-1", "GetAuthorizationToken", json!({}))
        .await
        .json();
    let token = text(&token, "/authorizationData/0/authorizationToken").to_owned();
    let enter = format!("GET /v2/ HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic {token}\r\n\r\n");
    assert_eq!(server.ask(&enter).await.status, 200);
    set(&server, "PUT", "/_ecru/clock", json!({ "advance": "PT12H" })).await;
    assert_eq!(server.ask(&enter).await.status, 401);
}

#[tokio::test]
async fn a_bound_key_acts_as_its_principal_also_over_a_restart() {
    let server = start().await;
    let arn = "arn:aws:iam::111122223333:user/alice";
    let binding = json!({ "accessKeyId": "AKIAALICE", "arn": arn });
    assert_eq!(
        set(&server, "PUT", "/_ecru/principals", binding.clone()).await,
        binding
    );
    let server = server.restarted(|_| {}).await;
    create(&server, "AKIAALICE", "us-east-1", "demo").await;
    let repositories = list(&server, "/_ecru/repositories").await;
    assert_eq!(text(&repositories, "/repositories/0/registryId"), "111122223333");

    let second = json!({ "accessKeyId": "BOB", "arn": "arn:aws:sts::111122223333:assumed-role/ci/x" });
    set(&server, "PUT", "/_ecru/principals", second.clone()).await;
    let first = list(&server, "/_ecru/principals?limit=1").await;
    assert_eq!(
        first,
        json!({ "principals": [binding.clone()], "next": "AKIAALICE" })
    );
    let rest = list(&server, "/_ecru/principals?limit=1&after=AKIAALICE").await;
    assert_eq!(rest, json!({ "principals": [second] }));

    set(
        &server,
        "DELETE",
        "/_ecru/principals?accessKeyId=AKIAALICE",
        Value::Null,
    )
    .await;
    let again = send(&server, "DELETE", "/_ecru/principals?accessKeyId=AKIAALICE", "").await;
    assert_eq!(again.status, 404);
    create(&server, "AKIAALICE", "us-east-1", "mine").await;
    let repositories = list(&server, "/_ecru/repositories").await;
    assert_eq!(text(&repositories, "/repositories/1/registryId"), "000000000000");

    for reset in ["/_ecru/reset?service=kms", "/_ecru/reset"] {
        set(&server, "PUT", "/_ecru/principals", binding.clone()).await;
        set(&server, "POST", reset, Value::Null).await;
        assert_eq!(
            list(&server, "/_ecru/principals").await,
            json!({ "principals": [] }),
            "{reset}"
        );
    }
}

#[tokio::test]
async fn what_is_no_principal_is_refused() {
    let server = start().await;
    for body in [
        json!({}),
        json!({ "accessKeyId": "A" }),
        json!({ "accessKeyId": "", "arn": "arn:aws:iam::111122223333:root" }),
        json!({ "accessKeyId": "a/b", "arn": "arn:aws:iam::111122223333:root" }),
        json!({ "accessKeyId": "A", "arn": "alice" }),
        json!({ "accessKeyId": "A", "arn": "arn:aws-xxx:iam::111122223333:root" }),
        json!({ "accessKeyId": "A", "arn": "arn:aws:iam::111122223333:root", "x": 1 }),
    ] {
        let answer = send(&server, "PUT", "/_ecru/principals", &body.to_string()).await;
        assert_eq!(answer.status, 400, "{body}");
    }
    assert_eq!(send(&server, "DELETE", "/_ecru/principals", "").await.status, 400);
    assert_eq!(
        list(&server, "/_ecru/principals").await,
        json!({ "principals": [] })
    );
}

#[tokio::test]
async fn what_is_due_is_done_when_the_answer_comes() {
    let server = start().await;
    create(&server, "test", "us-east-1", "demo").await;
    push(&server, "demo", "one").await;
    operate(
        &server,
        "test",
        "us-east-1",
        "DeleteRepository",
        json!({ "repositoryName": "demo", "force": true }),
    )
    .await;
    let ran = set(&server, "POST", "/_ecru/run-due", Value::Null).await;
    let kinds = ran.get("ran").and_then(Value::as_array).expect("a list").iter();
    assert!(
        kinds.clone().any(|run| text(run, "/kind") == "housekeeping"),
        "{ran}"
    );
    assert_eq!(list(&server, "/_ecru/blobs").await, json!({ "blobs": [] }));

    let jobs = list(&server, "/_ecru/jobs").await;
    assert_eq!(text(&jobs, "/jobs/0/kind"), "housekeeping");
    assert_eq!(jobs.get("jobs").and_then(Value::as_array).map(Vec::len), Some(1));
    assert_eq!(server.get("/_ecru/run-due").await.header("allow"), Some("POST"));
}

#[tokio::test]
async fn the_loop_does_what_is_due_by_itself() {
    let server = start().await;
    create(&server, "test", "us-east-1", "demo").await;
    push(&server, "demo", "one").await;
    operate(
        &server,
        "test",
        "us-east-1",
        "DeleteRepository",
        json!({ "repositoryName": "demo", "force": true }),
    )
    .await;
    let gone = async {
        while list(&server, "/_ecru/blobs").await != json!({ "blobs": [] }) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), gone)
        .await
        .expect("the repository is removed");
}
