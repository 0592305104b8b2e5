//! What is shown of the store, and the way back to nothing.

use serde_json::{Value, json};

use crate::client::{Answer, Running, start, start_with};

const DIGEST_OF_EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

pub(crate) async fn operate(
    server: &Running,
    account: &str,
    region: &str,
    operation: &str,
    input: Value,
) -> Answer {
    let answer = try_to_operate(server, account, region, operation, input).await;
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    answer
}

/// Whatever the answer is.
pub(crate) async fn try_to_operate(
    server: &Running,
    account: &str,
    region: &str,
    operation: &str,
    input: Value,
) -> Answer {
    let body = input.to_string();
    server
        .ask(&format!(
            "POST / HTTP/1.1\r\nHost: localhost:4566\r\nContent-Type: application/x-amz-json-1.1\r\n\
             X-Amz-Target: AmazonEC2ContainerRegistry_V20150921.{operation}\r\n\
             Authorization: AWS4-HMAC-SHA256 Credential={account}/20260101/{region}/ecr/aws4_request, \
             SignedHeaders=host, Signature={}\r\nContent-Length: {}\r\n\r\n{body}",
            "0".repeat(64),
            body.len(),
        ))
        .await
}

pub(crate) async fn create(server: &Running, account: &str, region: &str, name: &str) {
    let input = json!({
        "repositoryName": name,
        "imageTagMutability": "IMMUTABLE",
        "tags": [{ "Key": "team", "Value": "a" }],
    });
    operate(server, account, region, "CreateRepository", input).await;
}

/// An image of an empty layer in a repository of the default account in us-east-1.
pub(crate) async fn push(server: &Running, name: &str, tag: &str) {
    let put = |path: String, media_type: &str, body: &str| {
        format!(
            "{path} HTTP/1.1\r\nHost: localhost:4566\r\nAuthorization: Basic dGVzdDp0ZXN0\r\n\
             Content-Type: {media_type}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let blob = put(
        format!("POST /v2/{name}/blobs/uploads/?digest={DIGEST_OF_EMPTY}"),
        "application/octet-stream",
        "",
    );
    assert_eq!(server.ask(&blob).await.status, 201);

    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": DIGEST_OF_EMPTY, "size": 0 },
        "layers": [],
        "annotations": { "tag": tag },
    });
    let manifest = put(
        format!("PUT /v2/{name}/manifests/{tag}"),
        media_type,
        &manifest.to_string(),
    );
    assert_eq!(server.ask(&manifest).await.status, 201);
}

pub(crate) async fn list(server: &Running, path: &str) -> Value {
    let answer = server
        .ask(&format!("GET {path} HTTP/1.1\r\nHost: localhost:4566\r\n\r\n"))
        .await;
    assert_eq!(answer.status, 200, "{path}");
    answer.json()
}

/// The values under `member` of every entry of `list`.
fn each(list: &Value, name: &str, member: &str) -> Vec<Value> {
    let entries = list.get(name).and_then(Value::as_array).expect("a list");
    entries
        .iter()
        .map(|entry| entry.get(member).cloned().unwrap_or_default())
        .collect()
}

#[tokio::test]
async fn repositories_of_every_account_and_region_are_shown() {
    let server = start().await;
    create(&server, "test", "us-east-1", "demo").await;
    create(&server, "123456789012", "eu-west-1", "team/demo").await;

    let mut shown = list(&server, "/_ecru/repositories").await;
    let times = each(&shown, "repositories", "createdAt");
    assert!(
        times
            .iter()
            .all(|time| time.as_str().is_some_and(|time| time.ends_with('Z')))
    );
    let second = shown
        .pointer_mut("/repositories/1")
        .expect("a second")
        .as_object_mut()
        .expect("an object");
    second.remove("createdAt");
    assert_eq!(
        Value::Object(second.clone()),
        json!({
            "repositoryName": "team/demo",
            "repositoryArn": "arn:aws:ecr:eu-west-1:123456789012:repository/team/demo",
            "registryId": "123456789012",
            "region": "eu-west-1",
            "repositoryUri": "localhost:4566/team/demo",
            "imageTagMutability": "IMMUTABLE",
            "scanOnPush": false,
            "tags": [{ "key": "team", "value": "a" }],
            "hasPolicy": false,
            "hasLifecyclePolicy": false,
            "imageCount": 0,
            "layerCount": 0,
        })
    );

    let helpers = list(&server, "/_fakecloud/ecr/repositories").await;
    assert_eq!(
        each(&helpers, "repositories", "repositoryName"),
        ["demo", "team/demo"]
    );
    assert_eq!(
        list(&server, "/_fakecloud/ecr/pull-through-rules").await,
        json!({ "rules": [] })
    );
}

#[tokio::test]
async fn images_and_blobs_are_shown_with_what_holds_them() {
    let server = start().await;
    for name in ["aa", "team/b"] {
        create(&server, "test", "us-east-1", name).await;
        push(&server, name, "one").await;
    }
    push(&server, "team/b", "two").await;

    for family in ["/_ecru", "/_fakecloud/ecr"] {
        let images = list(&server, &format!("{family}/images")).await;
        assert_eq!(
            each(&images, "images", "imageTags"),
            [json!(["one"]), json!(["one"]), json!(["two"])]
        );
        let of_one = list(&server, &format!("{family}/images?repository=team%2Fb")).await;
        assert_eq!(each(&of_one, "images", "repositoryName"), ["team/b", "team/b"]);
    }

    let blobs = list(&server, "/_fakecloud/ecr/blobs").await;
    let empty = json!({ "digest": DIGEST_OF_EMPTY, "size": 0, "repositories": ["aa", "team/b"] });
    assert_eq!(blobs, json!({ "blobs": [empty] }));
    let repositories = list(&server, "/_ecru/repositories").await;
    assert_eq!(each(&repositories, "repositories", "imageCount"), [1, 2]);
    assert_eq!(each(&repositories, "repositories", "layerCount"), [1, 1]);
}

#[tokio::test]
async fn pages_follow_one_another_to_the_end() {
    let server = start().await;
    for name in ["aa", "bb", "cc"] {
        create(&server, "test", "us-east-1", name).await;
    }
    let first = list(&server, "/_ecru/repositories?limit=2").await;
    assert_eq!(each(&first, "repositories", "repositoryName"), ["aa", "bb"]);
    let next = first.get("next").and_then(Value::as_str).expect("more");
    let second = list(&server, &format!("/_ecru/repositories?limit=2&after={next}")).await;
    assert_eq!(each(&second, "repositories", "repositoryName"), ["cc"]);
    assert_eq!(second.get("next"), None);

    for query in ["limit=0", "limit=-1", "limit=x", "after=x", "limit=%ff"] {
        assert_eq!(
            server.get(&format!("/_ecru/repositories?{query}")).await.status,
            400,
            "{query}"
        );
    }
    assert_eq!(server.get("/_ecru/images?repository=%2e%2e").await.status, 400);
}

#[tokio::test]
async fn a_reset_takes_away_all_or_what_one_account_has() {
    let post = |path: &str| format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
    let left = async |server: &Running| {
        each(
            &list(server, "/_ecru/repositories").await,
            "repositories",
            "repositoryName",
        )
    };
    let server = start().await;
    for path in [
        "/_ecru/reset",
        "/_ecru/reset?service=ecr",
        "/_fakecloud/reset",
        "/_fakecloud/reset/ecr",
    ] {
        create(&server, "test", "us-east-1", "aa").await;
        push(&server, "aa", "one").await;
        assert_eq!(server.ask(&post(path)).await.status, 200, "{path}");
        assert!(left(&server).await.is_empty(), "{path}");
        assert_eq!(
            list(&server, "/_fakecloud/ecr/blobs").await,
            json!({ "blobs": [] }),
            "{path}"
        );
    }

    create(&server, "test", "us-east-1", "aa").await;
    create(&server, "123456789012", "us-east-1", "bb").await;
    for path in [
        "/_ecru/reset?service=s3",
        "/_fakecloud/reset/s3",
        "/_ecru/reset?account=1",
    ] {
        assert_eq!(server.ask(&post(path)).await.status, 400, "{path}");
    }
    assert_eq!(server.get("/_ecru/reset").await.header("allow"), Some("POST"));
    assert_eq!(
        server
            .ask(&post("/_ecru/reset?account=123456789012"))
            .await
            .status,
        200
    );
    assert_eq!(left(&server).await, ["aa"]);
}

#[tokio::test]
async fn introspection_can_be_switched_off() {
    let server = start_with(|options| options.introspection = false).await;
    for path in ["/_ecru/repositories", "/_fakecloud/ecr/blobs", "/_ecru/reset"] {
        assert_eq!(server.get(path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_lifecycle_policy_is_explained_image_by_image() {
    let server = start().await;
    let path = "/_ecru/lifecycle/explain?repository=demo";
    let missing = server.get(path).await;
    assert_eq!(missing.status, 404);
    create(&server, "000000000000", "us-east-1", "demo").await;
    let missing = server.get(path).await;
    assert_eq!(missing.status, 404);
    assert!(
        missing.json()["message"]
            .as_str()
            .unwrap()
            .starts_with("Lifecycle policy does not exist")
    );

    let policy = json!({ "rules": [{
        "rulePriority": 3,
        "selection": { "tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 5 },
        "action": { "type": "expire" },
    }] });
    let input = json!({ "repositoryName": "demo", "lifecyclePolicyText": policy.to_string() });
    operate(&server, "000000000000", "us-east-1", "PutLifecyclePolicy", input).await;
    push(&server, "demo", "v1").await;
    push(&server, "demo", "v2").await;

    let first = server.get(&format!("{path}&limit=1")).await.json();
    assert_eq!(first["images"][0]["imageTags"], json!(["v1"]));
    assert_eq!(
        first["images"][0]["rules"],
        json!([{
            "rulePriority": 3,
            "verdict": "KEPT",
            "reason": "it is number 2 from the newest, and the limit is 5",
        }])
    );
    assert_eq!(first["registryId"], "000000000000");
    let next = first["next"].as_str().unwrap();
    let last = server
        .get(&format!(
            "{path}&registryId=000000000000&region=us-east-1&after={next}"
        ))
        .await
        .json();
    assert_eq!(last["images"][0]["imageTags"], json!(["v2"]));
    assert_eq!(last["next"], Value::Null);

    for (query, status) in [
        ("", 400),
        ("?repository=demo&region=eu-west-1", 404),
        ("?repository=demo&registryId=1", 400),
    ] {
        assert_eq!(
            server
                .get(&format!("/_ecru/lifecycle/explain{query}"))
                .await
                .status,
            status,
            "{query}"
        );
    }
}
