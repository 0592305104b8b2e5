//! Repositories that accept only signed images: the setting, and the answer to a push.

use rcgen::KeyPair;
use serde_json::{Value, json};

use crate::client::{Answer, Running, start};

const DIGEST_OF_EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const KMS_KEY: &str = "arn:aws:kms:eu-west-1:123456789012:key/demo";

async fn ask(server: &Running, line: &str, headers: &str, body: &str) -> Answer {
    let length = body.len();
    server
        .ask(&format!(
            "{line} HTTP/1.1\r\nHost: localhost:4566\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        ))
        .await
}

async fn create(server: &Running, account: &str, region: &str, name: &str) {
    let headers = format!(
        "X-Amz-Target: AmazonEC2ContainerRegistry_V20150921.CreateRepository\r\n\
         Content-Type: application/x-amz-json-1.1\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential={account}/20260101/{region}/ecr/aws4_request, \
         SignedHeaders=host, Signature=00\r\n"
    );
    let input = json!({ "repositoryName": name }).to_string();
    assert_eq!(ask(server, "POST /", &headers, &input).await.status, 200);
}

async fn put(server: &Running, body: &Value) -> Answer {
    ask(server, "PUT /_ecru/verification", "", &body.to_string()).await
}

#[track_caller]
fn says(answer: &Answer, status: u16, words: &str) {
    let said = answer.json();
    let message = said.get("message").and_then(Value::as_str).unwrap_or_default();
    assert_eq!(answer.status, status, "{message}");
    assert!(message.contains(words), "{message}");
}

#[tokio::test]
async fn a_requirement_is_shown_until_it_is_deleted() {
    let server = start().await;
    create(&server, "test", "us-east-1", "demo").await;
    create(&server, "123456789012", "eu-west-1", "team/demo").await;
    let pem = KeyPair::generate()
        .expect("a key")
        .public_key_pem()
        .replace('\r', "");
    let shown = |pem: &str| json!({ "registryId": "000000000000", "region": "us-east-1", "repositoryName": "demo", "publicKeyPem": pem });
    let theirs = json!({
        "registryId": "123456789012",
        "region": "eu-west-1",
        "repositoryName": "team/demo",
        "kmsKeyArn": KMS_KEY,
    });

    let answer = put(&server, &json!({ "repositoryName": "demo", "publicKeyPem": pem })).await;
    assert_eq!((answer.status, answer.json()), (200, shown(&pem)));
    assert_eq!(put(&server, &theirs).await.json(), theirs);

    let all = server.get("/_ecru/verification").await.json();
    assert_eq!(all, json!({ "verification": [shown(&pem), theirs] }));
    let first = server.get("/_ecru/verification?limit=1").await.json();
    let next = first["next"].as_str().expect("a second page").to_owned();
    let second = server
        .get(&format!("/_ecru/verification?after={next}"))
        .await
        .json();
    assert_eq!(second, json!({ "verification": [theirs] }));

    let path = "/_ecru/verification?repository=team/demo&registryId=123456789012&region=eu-west-1";
    assert_eq!(server.get(path).await.json(), theirs);
    let deleted = ask(&server, &format!("DELETE {path}"), "", "").await;
    assert_eq!(
        (deleted.status, deleted.json()),
        (
            200,
            json!({ "registryId": "123456789012", "region": "eu-west-1", "repositoryName": "team/demo" })
        )
    );
    let again = ask(&server, &format!("DELETE {path}"), "", "").await;
    says(&again, 404, "requires no signatures");
    says(&server.get(path).await, 404, "requires no signatures");
    assert_eq!(
        server.get("/_ecru/verification?repository=demo").await.status,
        200
    );
}

#[tokio::test]
async fn what_cannot_be_required_is_refused() {
    let server = start().await;
    create(&server, "test", "us-east-1", "demo").await;
    let pem = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384)
        .expect("a key")
        .public_key_pem();
    let cases = [
        (json!({ "repositoryName": "demo" }), 400, "exactly one"),
        (
            json!({ "repositoryName": "demo", "publicKeyPem": pem, "kmsKeyArn": KMS_KEY }),
            400,
            "exactly one",
        ),
        (
            json!({ "repositoryName": "demo", "publicKeyPem": pem }),
            400,
            "P-256",
        ),
        (
            json!({ "repositoryName": "demo", "publicKeyPem": "x" }),
            400,
            "PEM",
        ),
        (json!({ "repositoryName": "demo", "kmsKeyArn": "x" }), 400, "ARN"),
        (
            json!({ "repositoryName": "demo", "kmsKeyArn": KMS_KEY.replace("arn:aws:", "arn:aws-cn:") }),
            400,
            "partition",
        ),
        (
            json!({ "repositoryName": "demo", "kmsKeyARN": KMS_KEY }),
            400,
            "kmsKeyARN",
        ),
        (
            json!({ "repositoryName": "UPPER", "kmsKeyArn": KMS_KEY }),
            400,
            "repository",
        ),
        (
            json!({ "repositoryName": "demo", "registryId": "1", "kmsKeyArn": KMS_KEY }),
            400,
            "12 digits",
        ),
        (
            json!({ "repositoryName": "demo", "region": "/", "kmsKeyArn": KMS_KEY }),
            400,
            "region",
        ),
        (
            json!({ "repositoryName": "other", "kmsKeyArn": KMS_KEY }),
            404,
            "does not exist",
        ),
        (json!([]), 400, "read"),
    ];
    for (body, status, words) in cases {
        says(&put(&server, &body).await, status, words);
    }
    says(
        &server.get("/_ecru/verification?repository=demo").await,
        404,
        "requires no signatures",
    );
    assert_eq!(ask(&server, "POST /_ecru/verification", "", "").await.status, 405);
    assert_eq!(
        ask(&server, "DELETE /_ecru/verification", "", "").await.status,
        400
    );
}

#[tokio::test]
async fn a_push_of_an_unsigned_image_under_a_tag_is_denied() {
    let server = start().await;
    create(&server, "test", "us-east-1", "demo").await;
    let pem = KeyPair::generate().expect("a key").public_key_pem();
    put(&server, &json!({ "repositoryName": "demo", "publicKeyPem": pem })).await;

    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let headers = format!("Authorization: Basic dGVzdDp0ZXN0\r\nContent-Type: {media_type}\r\n");
    let blob = format!("POST /v2/demo/blobs/uploads/?digest={DIGEST_OF_EMPTY}");
    assert_eq!(ask(&server, &blob, &headers, "").await.status, 201);
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": DIGEST_OF_EMPTY, "size": 0 },
        "layers": [],
    });
    let refused = ask(
        &server,
        "PUT /v2/demo/manifests/v1",
        &headers,
        &manifest.to_string(),
    )
    .await;
    assert_eq!(refused.status, 403);
    assert_eq!(refused.json()["errors"][0]["code"], "DENIED");
    let message = refused.json()["errors"][0]["message"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    assert!(message.contains("holds no signature of it"), "{message}");
}
