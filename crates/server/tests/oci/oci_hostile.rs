//! Invalid input: refused in the specification's form, without a change or a lasting effect.

use serde_json::Value;

use crate::client::{Registry, Reply};
use crate::content::{Image, sha256};

/// The state that a client can read.
async fn seen(registry: &Registry) -> Vec<Value> {
    let mut seen = Vec::new();
    for path in ["/v2/_catalog", "/v2/demo/tags/list"] {
        seen.push(registry.get(path).send().await.json());
    }
    seen
}

#[tokio::test]
async fn names_that_are_none_are_refused_on_every_path() {
    let registry = Registry::start().await;
    let digest = sha256(b"x");
    let before = seen(&registry).await;
    for name in [
        "..",
        "../etc",
        "demo/..",
        "demo//x",
        "demo/",
        ".hidden",
        "-x",
        "_x",
        "x-",
        "x..y",
        "x___y",
        "UPPER",
        "a%20b",
        "a%5Cb",
        "a%2e%2e%2fb",
        "%c3%a9",
        "a:b",
        "a@b",
        "a&b",
        "%3Cscript%3E",
        &"x".repeat(257),
        &"x".repeat(3000),
    ] {
        for (method, rest) in [
            ("GET", "manifests/latest".to_owned()),
            ("PUT", "manifests/latest".to_owned()),
            ("DELETE", "manifests/latest".to_owned()),
            ("GET", format!("blobs/{digest}")),
            ("DELETE", format!("blobs/{digest}")),
            ("POST", "blobs/uploads/".to_owned()),
            (
                "PATCH",
                "blobs/uploads/01234567-89ab-4cde-8f01-23456789abcd".to_owned(),
            ),
            ("GET", "tags/list".to_owned()),
            ("GET", format!("referrers/{digest}")),
        ] {
            let reply = registry.ask(method, &format!("/v2/{name}/{rest}")).send().await;
            reply.refuses(400, "NAME_INVALID");
        }
    }
    assert_eq!(seen(&registry).await, before);
}

#[tokio::test]
async fn a_path_that_cannot_be_decoded_is_refused() {
    let registry = Registry::start().await;
    for path in [
        "/v2/%zz/manifests/latest",
        "/v2/demo/manifests/%00",
        "/v2/demo%0d%0a/tags/list",
        "/v2/%ff/tags/list",
    ] {
        registry.get(path).send().await.refuses(400, "NAME_INVALID");
    }
}

#[tokio::test]
async fn a_value_of_a_query_that_cannot_be_decoded_is_refused_where_it_is_needed() {
    let registry = Registry::start().await;
    let absent = format!("sha256:{}", "0".repeat(64));
    for (method, path, status, code) in [
        ("GET", "/v2/demo/tags/list?n=%zz", 400, "UNSUPPORTED"),
        ("GET", "/v2/_catalog?last=%00", 400, "UNSUPPORTED"),
        ("GET", "/v2/demo/tags/list?last=%ff", 400, "UNSUPPORTED"),
        (
            "POST",
            "/v2/demo/blobs/uploads/?digest=%ff",
            400,
            "DIGEST_INVALID",
        ),
        (
            "PUT",
            &format!("/v2/demo/manifests/{absent}?tag=%ff"),
            400,
            "TAG_INVALID",
        ),
    ] {
        registry.ask(method, path).send().await.refuses(status, code);
    }
    // The server ignores these parameters.
    for path in [
        "/v2/",
        "/v2/_catalog?ns=%ff",
        "/v2/demo/tags/list?ns=%zz&%ff=1&n=5",
        &format!("/v2/demo/referrers/{absent}?artifactType=%ff"),
    ] {
        registry.get(path).send().await.is(200);
    }
}

#[tokio::test]
async fn a_path_of_no_route_is_not_found() {
    let registry = Registry::start().await;
    for path in [
        "/v2/demo",
        "/v2/demo/",
        "/v2/demo/tags",
        "/v2/demo/manifests/",
        "/v2/demo/blobs/",
        "/v2/demo/referrers/",
        "/v2/_catalog//",
        "/v2/_oci/ext/discover",
        "/v2/demo/blobs/uploads/a/b",
        "/v2//manifests/latest",
    ] {
        registry.get(path).send().await.refuses(404, "UNSUPPORTED");
    }
}

#[tokio::test]
async fn a_method_that_a_path_has_not_is_told_those_it_has() {
    let registry = Registry::start().await;
    let digest = sha256(b"x");
    let id = "01234567-89ab-4cde-8f01-23456789abcd";
    for (path, allowed) in [
        ("/v2/".to_owned(), "GET, HEAD"),
        ("/v2/_catalog".to_owned(), "GET, HEAD"),
        ("/v2/demo/tags/list".to_owned(), "GET, HEAD"),
        (format!("/v2/demo/referrers/{digest}"), "GET, HEAD"),
        ("/v2/demo/manifests/latest".to_owned(), "GET, HEAD, PUT, DELETE"),
        (format!("/v2/demo/blobs/{digest}"), "GET, HEAD, DELETE"),
        ("/v2/demo/blobs/uploads/".to_owned(), "POST"),
        (
            format!("/v2/demo/blobs/uploads/{id}"),
            "GET, HEAD, PATCH, PUT, DELETE",
        ),
    ] {
        let known = allowed.split(", ").collect::<Vec<_>>();
        for method in [
            "GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND",
        ] {
            if !known.contains(&method) {
                let reply = registry.ask(method, &path).send().await;
                reply.refuses(405, "UNSUPPORTED").has("allow", allowed);
            }
        }
    }
}

#[tokio::test]
async fn answers_show_no_markup_to_a_browser() {
    let registry = Registry::start().await;
    let reply = registry
        .get("/v2/%3Cscript%3Ealert(1)%3C%2Fscript%3E/tags/list")
        .send()
        .await;
    reply
        .is(400)
        .has("content-type", "application/json; charset=utf-8");
    let blob = b"<script>alert(1)</script>";
    let digest = registry.push_blob("demo", blob).await;
    let reply = registry.get(&format!("/v2/demo/blobs/{digest}")).send().await;
    reply
        .has("content-type", "application/octet-stream")
        .has("x-content-type-options", "nosniff");
}

#[tokio::test]
async fn a_manifest_that_breaks_off_is_not_stored() {
    let registry = Registry::start().await;
    let image = Image::new(1);
    registry.push("demo", "there", &image).await;
    let head = format!(
        "PUT /v2/demo/manifests/cut HTTP/1.1\r\nHost: localhost\r\nAuthorization: Basic dGVzdDp0ZXN0\r\n\
         Content-Type: application/vnd.oci.image.manifest.v1+json\r\nContent-Length: {}\r\n\r\n",
        image.manifest.len() + 1
    );
    let said = registry.cut(&[head.as_bytes(), &image.manifest].concat()).await;
    if !said.is_empty() {
        assert!((400..500).contains(&Reply::parse(&said, "PUT").status));
    }
    registry
        .get("/v2/demo/manifests/cut")
        .send()
        .await
        .refuses(404, "MANIFEST_UNKNOWN");
}

#[tokio::test]
async fn a_body_that_is_refused_does_not_keep_the_client_from_its_answer() {
    let registry = Registry::start().await;
    let body = vec![b'x'; 3_000_000];
    let digest = sha256(&body);
    for request in [
        registry.put("/v2/demo/manifests/latest").anonymously(),
        registry
            .post(&format!("/v2/demo/blobs/uploads/?digest={digest}"))
            .anonymously(),
    ] {
        request.body(&*body).send().await.refuses(401, "UNAUTHORIZED");
    }
    let absent = registry.post(&format!("/v2/absent/blobs/uploads/?digest={digest}"));
    absent.body(&*body).send().await.refuses(404, "NAME_UNKNOWN");
}

#[tokio::test]
async fn a_client_that_waits_to_send_is_told_of_the_refusal_first() {
    let registry = Registry::start().await;
    let head = "PUT /v2/demo/manifests/latest HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n\
                Content-Type: application/vnd.oci.image.manifest.v1+json\r\nContent-Length: 1000\r\n\r\n";
    let said = registry.raw(head.as_bytes()).await;
    assert!(
        said.starts_with(b"HTTP/1.1 401 "),
        "{}",
        String::from_utf8_lossy(&said)
    );
}
