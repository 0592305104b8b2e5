//! Policies at `/v2/`: the action of each request, and access to the registry of another account.

use ecru_model::DigestAlgorithm;
use serde_json::{Value, json};

use crate::client::{Registry, Reply};
use crate::content::{Image, bytes, sha256};
use crate::oci_authentication::token;

const OWNER: &str = "000000000000.dkr.ecr.us-east-1.localhost:4566";
const STRANGER: &str = "111122223333";

/// Every kind of request, with the actions that it needs.
fn requests(image: &Image, upload: &str) -> Vec<(&'static str, String, Vec<&'static str>)> {
    let (manifest, layer) = (image.digest(), sha256(&image.blobs[1]));
    let whole = sha256(b"");
    let of = |path: &str| format!("/v2/demo/{path}");
    vec![
        ("GET", "/v2/_catalog".to_owned(), vec!["DescribeRepositories"]),
        ("GET", of("tags/list"), vec!["ListImages"]),
        ("GET", of("manifests/1.0"), vec!["BatchGetImage"]),
        ("HEAD", of("manifests/1.0"), vec!["BatchGetImage"]),
        ("GET", of(&format!("manifests/{manifest}")), vec!["BatchGetImage"]),
        ("GET", of(&format!("referrers/{manifest}")), vec!["BatchGetImage"]),
        (
            "GET",
            of(&format!("blobs/{layer}")),
            vec!["GetDownloadUrlForLayer"],
        ),
        (
            "HEAD",
            of(&format!("blobs/{layer}")),
            vec!["BatchCheckLayerAvailability"],
        ),
        ("POST", of("blobs/uploads/"), vec!["InitiateLayerUpload"]),
        (
            "POST",
            of(&format!("blobs/uploads/?mount={layer}&from=demo")),
            vec!["InitiateLayerUpload"],
        ),
        (
            "POST",
            of(&format!("blobs/uploads/?digest={whole}")),
            vec!["InitiateLayerUpload", "UploadLayerPart", "CompleteLayerUpload"],
        ),
        (
            "GET",
            of(&format!("blobs/uploads/{upload}")),
            vec!["UploadLayerPart"],
        ),
        (
            "PATCH",
            of(&format!("blobs/uploads/{upload}")),
            vec!["UploadLayerPart"],
        ),
        (
            "PUT",
            of(&format!("blobs/uploads/{upload}?digest={layer}")),
            vec!["CompleteLayerUpload", "UploadLayerPart"],
        ),
        (
            "DELETE",
            of("blobs/uploads/00000000-0000-0000-0000-000000000000"),
            vec!["UploadLayerPart"],
        ),
        ("PUT", of("manifests/2.0"), vec!["PutImage"]),
        ("DELETE", of("manifests/absent"), vec!["BatchDeleteImage"]),
        ("DELETE", of(&format!("blobs/{layer}")), vec!["BatchDeleteImage"]),
    ]
}

async fn put_policy(registry: &Registry, statement: Value) {
    let text = json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string();
    registry
        .aws("PutRegistryPolicy", json!({ "policyText": text }))
        .await;
}

async fn set_policy(registry: &Registry, principal: Value, action: Value) {
    let text = json!({ "Version": "2012-10-17", "Statement": [
        { "Effect": "Allow", "Principal": principal, "Action": action },
    ] });
    registry
        .aws(
            "SetRepositoryPolicy",
            json!({ "repositoryName": "demo", "policyText": text.to_string() }),
        )
        .await;
}

impl Reply {
    fn is_denial(&self, action: &str) -> bool {
        // An answer to HEAD has only a status.
        self.status == 403
            && (self.body.is_empty() || self.message().contains(&format!(" perform: ecr:{action} on ")))
    }
}

#[tokio::test]
async fn each_request_is_one_of_the_actions_and_no_other() {
    let registry = Registry::start().await;
    let image = Image::new(1);
    registry.push("demo", "1.0", &image).await;
    let upload = registry.begin_upload().await;
    let upload = upload.rsplit_once('/').unwrap().1.to_owned();

    for (method, target, actions) in requests(&image, &upload) {
        let ask = || {
            let request = registry.ask(method, &target);
            if target.contains("/manifests/2.0") {
                request.body(image.manifest.clone())
            } else {
                request
            }
        };
        for action in &actions {
            let deny = json!({ "Effect": "Deny", "Principal": "*", "Action": format!("ecr:{action}") });
            put_policy(&registry, deny).await;
            let reply = ask().send().await;
            assert!(
                reply.is_denial(action),
                "{method} {target}: {} {}",
                reply.status,
                reply.text()
            );
            if method != "HEAD" {
                reply.refuses(403, "DENIED");
            }
        }
        let needed = actions
            .iter()
            .map(|action| format!("ecr:{action}"))
            .collect::<Vec<_>>();
        let deny_all_else = json!({ "Effect": "Deny", "Principal": "*", "NotAction": needed });
        put_policy(&registry, deny_all_else).await;
        let reply = ask().send().await;
        assert_ne!(reply.status, 403, "{method} {target}: {}", reply.text());
    }
}

#[tokio::test]
async fn what_was_pulled_again_and_again_still_follows_every_change_at_once() {
    let registry = Registry::start().await;
    let images = [Image::new(1), Image::new(2)];
    let again = async |status: u16| {
        let mut last = None;
        for _ in 0..3 {
            let head = registry.head("/v2/demo/manifests/latest").send().await;
            let reply = registry.get("/v2/demo/manifests/latest").send().await;
            assert_eq!((head.status, reply.status), (status, status));
            last = Some(reply.body);
        }
        last
    };

    for image in &images {
        registry.push("demo", "latest", image).await;
        assert_eq!(again(200).await.as_ref(), Some(&image.manifest));
    }

    let deny = json!({ "Effect": "Deny", "Principal": "*", "Action": "ecr:BatchGetImage" });
    put_policy(&registry, deny).await;
    again(403).await;
    registry.aws("DeleteRegistryPolicy", json!({})).await;
    again(200).await;

    let repository = json!({ "repositoryName": "demo", "force": true });
    registry.aws("DeleteRepository", repository).await;
    again(404).await;
    registry.create("demo").await;
    registry.push("demo", "latest", &images[0]).await;
    assert_eq!(again(200).await.as_ref(), Some(&images[0].manifest));
    let stranger = token(&registry, STRANGER, "us-east-1").await;
    let asked = registry
        .get("/v2/demo/manifests/latest")
        .user(&stranger)
        .host(OWNER);
    asked.send().await.refuses(403, "DENIED");
}

#[tokio::test]
async fn a_stranger_pulls_from_another_accounts_registry_what_its_policy_allows() {
    let registry = Registry::start().await;
    let image = Image::new(1);
    registry.push("demo", "1.0", &image).await;
    let layer = sha256(&image.blobs[1]);
    let stranger = token(&registry, STRANGER, "us-east-1").await;
    let ask = |target: &str| registry.get(target).user(&stranger).host(OWNER);
    let blob = format!("/v2/demo/blobs/{layer}");

    // Any token may log in. The answers for existing and for absent content are the same.
    ask("/v2/").send().await.is(200);
    for target in [
        "/v2/demo/manifests/1.0",
        "/v2/absent/manifests/1.0",
        &blob,
        "/v2/_catalog",
    ] {
        ask(target).send().await.refuses(403, "DENIED");
    }
    set_policy(
        &registry,
        json!({ "AWS": format!("arn:aws:iam::{STRANGER}:root") }),
        json!(["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]),
    )
    .await;
    assert_eq!(
        ask("/v2/demo/manifests/1.0").send().await.is(200).body,
        image.manifest
    );
    assert_eq!(ask(&blob).send().await.is(200).body, image.blobs[1]);
    ask("/v2/demo/tags/list").send().await.refuses(403, "DENIED");
    let push = registry
        .post("/v2/demo/blobs/uploads/")
        .user(&stranger)
        .host(OWNER);
    push.send().await.refuses(403, "DENIED");

    // The caller's own registry is a different one.
    let own = registry
        .get("/v2/demo/manifests/1.0")
        .user(&stranger)
        .send()
        .await;
    own.refuses(404, "NAME_UNKNOWN");
}

#[tokio::test]
async fn a_token_for_another_registry_opens_it_as_far_as_its_policies_allow() {
    let registry = Registry::start().await;
    registry.push("demo", "1.0", &Image::new(1)).await;
    let given = registry
        .aws_as(
            STRANGER,
            "us-east-1",
            "GetAuthorizationToken",
            json!({ "registryIds": ["000000000000"] }),
        )
        .await;
    let encoded = given["authorizationData"][0]["authorizationToken"]
        .as_str()
        .unwrap();
    let ask = || {
        registry
            .get("/v2/demo/manifests/1.0")
            .anonymously()
            .header("Authorization", &format!("Basic {encoded}"))
    };
    let refused = ask().send().await;
    refused.refuses(403, "DENIED");
    assert!(
        refused
            .message()
            .starts_with(&format!("User: arn:aws:iam::{STRANGER}:root is not "))
    );
    set_policy(&registry, json!({ "AWS": STRANGER }), json!("ecr:*")).await;
    ask().send().await.is(200);
}

#[tokio::test]
async fn a_stranger_pushes_where_it_is_allowed_to() {
    let registry = Registry::start().await;
    let stranger = token(&registry, STRANGER, "us-east-1").await;
    set_policy(
        &registry,
        json!({ "AWS": STRANGER }),
        json!([
            "ecr:InitiateLayerUpload",
            "ecr:UploadLayerPart",
            "ecr:CompleteLayerUpload",
            "ecr:PutImage"
        ]),
    )
    .await;
    let image = Image::digested(DigestAlgorithm::Sha256, 7, |_| {});
    for blob in &image.blobs {
        registry
            .post(&format!("/v2/demo/blobs/uploads/?digest={}", sha256(blob)))
            .user(&stranger)
            .host(OWNER)
            .body(blob.clone())
            .send()
            .await
            .is(201);
    }
    let put = registry.put("/v2/demo/manifests/1.0").user(&stranger).host(OWNER);
    put.body(image.manifest.clone()).send().await.is(201);
    registry.get("/v2/demo/manifests/1.0").send().await.is(200);
    let pull = registry.get("/v2/demo/manifests/1.0").user(&stranger).host(OWNER);
    pull.send().await.refuses(403, "DENIED");
}

#[tokio::test]
async fn a_policy_knows_where_a_request_comes_from() {
    let registry = Registry::start().await;
    for (operator, network, status) in [
        ("IpAddress", "127.0.0.0/8", 403),
        ("NotIpAddress", "127.0.0.0/8", 200),
        ("IpAddress", "10.0.0.0/8", 200),
    ] {
        put_policy(
            &registry,
            json!({
                "Effect": "Deny", "Principal": "*", "Action": "ecr:ListImages",
                "Condition": { operator: { "aws:SourceIp": network }, "Bool": { "aws:SecureTransport": "true" } },
            }),
        )
        .await;
        registry.get("/v2/demo/tags/list").send().await.is(status);
    }
}

#[tokio::test]
async fn an_upload_is_not_completed_against_a_policy_that_came_in_between() {
    let registry = Registry::start().await;
    let blob = bytes(5, 300);
    let location = registry.begin_upload().await;
    registry.patch(&location).body(blob.clone()).send().await.is(202);
    put_policy(
        &registry,
        json!({ "Effect": "Deny", "Principal": "*", "Action": "ecr:CompleteLayerUpload" }),
    )
    .await;
    let target = format!("{location}?digest={}", sha256(&blob));
    registry.put(&target).send().await.refuses(403, "DENIED");
    registry.aws("DeleteRegistryPolicy", json!({})).await;
    registry.put(&target).send().await.is(201);
}
