//! Authentication at `/v2/`: tokens, development users, and the answers to all others.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::client::{Registry, Reply, Request};
use crate::content::{Image, MANIFEST, sha256};

/// The user and password of a token, in the form of `docker login`.
pub(crate) async fn token(registry: &Registry, account: &str, region: &str) -> String {
    let answer = registry
        .aws_as(account, region, "GetAuthorizationToken", json!({}))
        .await;
    let encoded = answer["authorizationData"][0]["authorizationToken"]
        .as_str()
        .unwrap();
    String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap()
}

#[track_caller]
fn is_challenged(registry: &Registry, reply: &Reply) {
    let challenge = format!(
        "Basic realm=\"http://{}/\",service=\"ecr.amazonaws.com\"",
        registry.authority()
    );
    reply.is(401).has("www-authenticate", &challenge);
}

/// A registry, and a token of its default account.
async fn with_token() -> (Registry, String) {
    let registry = Registry::start().await;
    let own = token(&registry, "test", "us-east-1").await;
    (registry, own)
}

async fn opens_no_other_registry(registry: &Registry, own: &str) {
    for (host, status, code) in [
        (
            "000000000000.dkr.ecr.eu-west-1.amazonaws.com",
            401,
            "UNAUTHORIZED",
        ),
        ("123456789012.dkr.ecr.us-east-1.amazonaws.com", 403, "DENIED"),
    ] {
        let asked = registry.get("/v2/demo/tags/list").user(own).host(host);
        asked.send().await.refuses(status, code);
    }
}

#[tokio::test]
async fn nothing_is_shown_without_credentials() {
    let registry = Registry::start().await;
    let image = Image::new(1);
    let manifest = registry.push("demo", "1.0", &image).await;
    let blob = sha256(&image.blobs[0]);
    let upload = registry.begin_upload().await;
    let upload = upload.rsplit_once('/').unwrap().1.to_owned();

    let paths = [
        "/v2/".to_owned(),
        "/v2".to_owned(),
        "/v2/_catalog".to_owned(),
        "/v2/demo/tags/list".to_owned(),
        "/v2/demo/manifests/1.0".to_owned(),
        format!("/v2/demo/manifests/{manifest}"),
        format!("/v2/demo/blobs/{blob}"),
        format!("/v2/demo/referrers/{manifest}"),
        "/v2/demo/blobs/uploads/".to_owned(),
        format!("/v2/demo/blobs/uploads/?digest={blob}"),
        format!("/v2/demo/blobs/uploads/{upload}"),
        "/v2/nothing/of/this/kind".to_owned(),
        "/v2/UPPER/manifests/1.0".to_owned(),
        "/v2/demo/manifests/%00".to_owned(),
        "/v2/demo/tags/list?n=%zz".to_owned(),
    ];
    for path in &paths {
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
            let reply = registry.ask(method, path).anonymously().send().await;
            is_challenged(&registry, &reply);
            if method != "HEAD" {
                reply.refuses(401, "UNAUTHORIZED");
            }
            // The answers for existing and for absent content are the same.
            let absent = path.replace("demo", "absent");
            let other = registry.ask(method, &absent).anonymously().send().await;
            assert_eq!(other.body, reply.body, "{method} {path}");
            assert_eq!(other.status, 401);
        }
    }
    registry.get("/v2/demo/manifests/1.0").send().await.is(200);
}

#[tokio::test]
async fn a_token_opens_its_registry() {
    let registry = Registry::start().await;
    let image = Image::new(1);
    registry.push("demo", "1.0", &image).await;
    let own = token(&registry, "test", "us-east-1").await;
    assert!(own.starts_with("AWS:"));
    registry.get("/v2/").user(&own).send().await.is(200);
    registry
        .get("/v2/demo/manifests/1.0")
        .user(&own)
        .send()
        .await
        .is(200);

    for (account, region) in [("123456789012", "us-east-1"), ("test", "eu-west-1")] {
        let other = token(&registry, account, region).await;
        registry.get("/v2/").user(&other).send().await.is(200);
        let reply = registry.get("/v2/demo/manifests/1.0").user(&other).send().await;
        reply.refuses(404, "NAME_UNKNOWN");
        let catalog = registry.get("/v2/_catalog").user(&other).send().await;
        assert_eq!(catalog.json(), json!({ "repositories": [] }));
    }
}

#[tokio::test]
async fn a_token_is_good_for_its_twelve_hours_alone_and_not_after_the_clock_was_moved_back() {
    let registry = Registry::start().await;
    registry.freeze("2030-01-01T12:00:00Z").await;
    let user = token(&registry, "test", "us-east-1").await;
    for (at, status) in [
        ("2030-01-01T12:00:00Z", 200),
        ("2030-01-01T23:59:59.999Z", 200),
        ("2030-01-02T00:00:00Z", 401),
        ("2030-01-01T11:59:59.999Z", 401),
        ("2029-01-01T12:00:00Z", 401),
        ("1970-01-01T00:00:00Z", 401),
        ("2030-01-01T13:00:00Z", 200),
    ] {
        registry.freeze(at).await;
        let reply = registry.get("/v2/").user(&user).send().await;
        assert_eq!(reply.status, status, "{at}: {}", reply.text());
    }
}

#[tokio::test]
async fn a_token_that_was_touched_opens_nothing() {
    let (registry, own) = with_token().await;
    let password = own.strip_prefix("AWS:").unwrap();

    let mut touched = vec![
        String::new(),
        format!("{password}{password}"),
        format!("{password}="),
        format!(" {password}"),
        password[1..].to_owned(),
        password[..password.len() - 1].to_owned(),
        password[..password.len() / 2].to_owned(),
        password.chars().rev().collect(),
        "a".repeat(4000),
    ];
    for at in (0..password.len()).step_by(7) {
        let mut bytes = password.as_bytes().to_vec();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        touched.push(String::from_utf8(bytes).unwrap());
    }
    for password in touched {
        let reply = registry.get("/v2/").user(&format!("AWS:{password}")).send().await;
        is_challenged(&registry, &reply);
        reply.refuses(401, "UNAUTHORIZED");
    }
    for user in [
        &format!("aws:{password}"),
        &format!("root:{password}"),
        password,
        &format!(":{password}"),
    ] {
        is_challenged(&registry, &registry.get("/v2/").user(user).send().await);
    }
    registry.get("/v2/").user(&own).send().await.is(200);
}

#[tokio::test]
async fn a_token_that_was_used_before_still_ends_by_the_clock() {
    let (registry, own) = with_token().await;
    let enter = async || registry.get("/v2/demo/tags/list").user(&own).send().await;
    for _ in 0..3 {
        enter().await.is(200);
    }

    let later = json!({ "advance": "PT13H" }).to_string();
    let set = registry.put("/_ecru/clock").body(later).send().await;
    assert_eq!(set.status, 200, "{}", set.text());
    for _ in 0..2 {
        let reply = enter().await;
        is_challenged(&registry, &reply);
        assert!(reply.text().contains("Your authorization token has expired"));
    }
    let reset = registry.delete("/_ecru/clock").send().await;
    assert_eq!(reset.status, 200, "{}", reset.text());
    enter().await.is(200);
}

#[tokio::test]
async fn a_token_that_was_used_before_opens_only_what_its_host_allows() {
    let (registry, own) = with_token().await;
    for _ in 0..2 {
        registry.get("/v2/demo/tags/list").user(&own).send().await.is(200);
        opens_no_other_registry(&registry, &own).await;
    }
    let twice = registry
        .get("/v2/")
        .user(&own)
        .header("Authorization", "Basic AAAA");
    is_challenged(&registry, &twice.send().await);
    registry.post("/_ecru/reset").send().await;
    registry.get("/v2/").user(&own).send().await.is(200);
}

#[tokio::test]
async fn credentials_in_another_form_open_nothing() {
    let registry = Registry::start().await;
    let encoded = STANDARD.encode("test:test");
    for value in [
        format!("Bearer {encoded}"),
        encoded.clone(),
        "Basic".to_owned(),
        "Basic ".to_owned(),
        "Basic !!!".to_owned(),
        format!("Basic {}", STANDARD.encode("test")),
        format!("Basic {}", STANDARD.encode([0xff, 0xfe, b':', 0xff])),
        "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/ecr/aws4_request".to_owned(),
    ] {
        let reply = registry
            .get("/v2/")
            .anonymously()
            .header("Authorization", &value)
            .send()
            .await;
        is_challenged(&registry, &reply);
    }
    let twice = registry
        .get("/v2/")
        .header("Authorization", &format!("Basic {encoded}"))
        .send()
        .await;
    is_challenged(&registry, &twice);
    registry
        .get("/v2/")
        .anonymously()
        .header("Authorization", &format!("basic {encoded}"))
        .send()
        .await
        .is(200);
}

#[tokio::test]
async fn a_development_user_enters_with_any_password_unless_told_otherwise() {
    let registry = Registry::start().await;
    for user in ["test:test", "test:", "tester:x:y", "test-1:z"] {
        registry.get("/v2/demo/tags/list").user(user).send().await.is(200);
    }
    // A password need not be UTF-8.
    let binary = format!("Basic {}", STANDARD.encode(b"test:\xff\xfe:\x00"));
    let entered = registry.get("/v2/demo/tags/list").anonymously();
    entered.header("Authorization", &binary).send().await.is(200);
    for user in ["Test:test", "admin:test", ":", "tes:test"] {
        is_challenged(&registry, &registry.get("/v2/").user(user).send().await);
    }

    let strict = Registry::start_with(|options| options.dev_users = false).await;
    is_challenged(&strict, &strict.get("/v2/").send().await);
    let own = token(&strict, "test", "us-east-1").await;
    strict.get("/v2/demo/tags/list").user(&own).send().await.is(200);
}

#[tokio::test]
async fn the_host_names_the_registry() {
    let (registry, own) = with_token().await;
    let ask = |host: &str| registry.get("/v2/demo/tags/list").user(&own).host(host);

    ask("000000000000.dkr.ecr.us-east-1.amazonaws.com")
        .send()
        .await
        .is(200);
    ask("000000000000.dkr.ecr.us-east-1.localhost:4566")
        .send()
        .await
        .is(200);
    // The host names no registry, so the token decides.
    ask("registry.example").send().await.is(200);
    opens_no_other_registry(&registry, &own).await;
}

#[tokio::test]
async fn addresses_in_answers_begin_with_the_host_that_was_asked() {
    let registry = Registry::start().await;
    let host = "000000000000.dkr.ecr.us-east-1.localhost:4566";
    let begun = registry.post("/v2/demo/blobs/uploads/").host(host).send().await;
    let location = begun.is(202).header("location").unwrap();
    assert!(
        location.starts_with(&format!("http://{host}/v2/demo/blobs/uploads/")),
        "{location}"
    );

    let challenged = registry.get("/v2/").host(host).anonymously().send().await;
    challenged.is(401).has(
        "www-authenticate",
        &format!("Basic realm=\"http://{host}/\",service=\"ecr.amazonaws.com\""),
    );
}

/// The request in the form that a proxy forwards.
fn by_proxy<'r>(request: Request<'r>, host: &str, (name, value): (&str, &str)) -> Request<'r> {
    request.host(host).header(name, value)
}

#[tokio::test]
async fn addresses_are_https_where_the_client_asked_a_proxy_by_https() {
    let registry = Registry::start().await;
    let host = "registry.example:8443";
    registry.push("demo", "1.0", &Image::new(1)).await;
    registry.push("demo", "2.0", &Image::new(2)).await;
    for (name, value) in [
        ("X-Forwarded-Proto", "https"),
        ("Forwarded", "for=192.0.2.1;proto=https"),
    ] {
        let by_proxy = |request| by_proxy(request, host, (name, value));
        let own = format!("https://{host}/v2/");

        let begun = by_proxy(registry.post("/v2/demo/blobs/uploads/")).send().await;
        let location = begun.is(202).header("location").unwrap().to_owned();
        assert!(location.starts_with(&own), "{location}");
        let listed = by_proxy(registry.get("/v2/demo/tags/list?n=1")).send().await;
        let next = listed.is(200).next_page().unwrap();
        assert!(next.starts_with(&own), "{next}");
        let pushed = by_proxy(
            registry
                .put("/v2/demo/manifests/3.0")
                .header("Content-Type", MANIFEST),
        )
        .body(Image::new(1).manifest)
        .send()
        .await;
        let location = pushed.is(201).header("location").unwrap().to_owned();
        assert!(location.starts_with(&own), "{location}");
        let challenged = by_proxy(registry.get("/v2/")).anonymously().send().await;
        challenged.is(401).has(
            "www-authenticate",
            &format!("Basic realm=\"https://{host}/\",service=\"ecr.amazonaws.com\""),
        );

        let token = by_proxy(registry.aws_request("test", "us-east-1", "GetAuthorizationToken", &json!({})));
        let token = token.send().await.json();
        assert_eq!(
            token["authorizationData"][0]["proxyEndpoint"],
            format!("https://{host}")
        );
        let download = json!({ "repositoryName": "demo", "layerDigest": sha256(&Image::new(1).blobs[1]) });
        let grant = by_proxy(registry.aws_request("test", "us-east-1", "GetDownloadUrlForLayer", &download));
        let url = grant.send().await.json()["downloadUrl"]
            .as_str()
            .unwrap()
            .to_owned();
        assert!(url.starts_with(&own), "{url}");
    }
    let plain = registry.post("/v2/demo/blobs/uploads/").host(host).send().await;
    let location = plain.is(202).header("location").unwrap().to_owned();
    assert!(location.starts_with(&format!("http://{host}/")), "{location}");
}
