//! Repositories of other regions: where development users find them, and the answers to other callers.

use serde_json::json;

use crate::client::Registry;
use crate::content::{Image, MANIFEST, bytes, sha256};
use crate::oci_authentication::token;
use crate::upstream::FakeUpstream;

const WEST: &str = "eu-west-1";

async fn with_repositories(repositories: &[(&str, &str)]) -> Registry {
    let registry = Registry::start().await;
    for (region, name) in repositories {
        registry
            .aws_as(
                "test",
                region,
                "CreateRepository",
                json!({ "repositoryName": name }),
            )
            .await;
    }
    registry
}

async fn count(registry: &Registry, region: &str, name: &str) -> usize {
    let listed = registry
        .aws_as("test", region, "ListImages", json!({ "repositoryName": name }))
        .await;
    listed["imageIds"].as_array().unwrap().len()
}

#[tokio::test]
async fn a_development_user_pushes_and_pulls_where_the_only_repository_of_the_name_is() {
    let registry = with_repositories(&[(WEST, "far"), (WEST, "demo")]).await;
    let image = Image::new(1);
    let digest = registry.push("far", "1.0", &image).await;
    assert_eq!(count(&registry, WEST, "far").await, 1);
    for path in [
        "/v2/far/tags/list".to_owned(),
        "/v2/far/manifests/1.0".to_owned(),
        format!("/v2/far/manifests/{digest}"),
        format!("/v2/far/blobs/{}", sha256(&image.blobs[1])),
        format!("/v2/far/referrers/{digest}"),
    ] {
        registry.get(&path).send().await.is(200);
        registry.head(&path).send().await.is(200);
    }
    // An upload in chunks.
    let blob = bytes(9, 100_000);
    let begun = registry.post("/v2/far/blobs/uploads/").send().await;
    let location = begun.is(202).header("location").unwrap().to_owned();
    registry.patch(&location).body(&*blob).send().await.is(202);
    let close = format!("{location}?digest={}", sha256(&blob));
    registry.put(&close).send().await.is(201);

    // The default region has precedence.
    registry.push("demo", "1.0", &image).await;
    assert_eq!(count(&registry, "us-east-1", "demo").await, 1);
    assert_eq!(count(&registry, WEST, "demo").await, 0);

    let catalog = registry.get("/v2/_catalog").send().await;
    assert_eq!(catalog.json(), json!({ "repositories": ["demo"] }));
    registry
        .delete(&format!("/v2/far/manifests/{digest}"))
        .send()
        .await
        .is(202);
    assert_eq!(count(&registry, WEST, "far").await, 0);
}

#[tokio::test]
async fn a_manifest_of_another_region_is_given_to_nobody_who_asks_for_this_one() {
    let registry = with_repositories(&[(WEST, "far")]).await;
    registry.push("far", "1.0", &Image::new(1)).await;
    let own = token(&registry, "test", "us-east-1").await;
    for _ in 0..3 {
        registry.get("/v2/far/manifests/1.0").send().await.is(200);
        let asked = registry.get("/v2/far/manifests/1.0").user(&own).send().await;
        asked.refuses(404, "NAME_UNKNOWN");
    }
}

#[tokio::test]
async fn a_development_user_is_in_the_region_that_the_host_names() {
    let registry = with_repositories(&[(WEST, "far"), (WEST, "demo")]).await;
    let host = "000000000000.dkr.ecr.eu-west-1.localhost:4566";
    let entered = registry.get("/v2/").host(host).send().await;
    entered.is(200);
    let image = Image::new(1);
    for blob in &image.blobs {
        let begun = registry.post(&format!("/v2/demo/blobs/uploads/?digest={}", sha256(blob)));
        begun.host(host).body(blob.as_slice()).send().await.is(201);
    }
    let put = registry.put("/v2/demo/manifests/1.0").host(host);
    let put = put.header("Content-Type", MANIFEST).body(image.manifest);
    put.send().await.is(201);
    assert_eq!(count(&registry, WEST, "demo").await, 1);
    assert_eq!(count(&registry, "us-east-1", "demo").await, 0);

    let other = registry
        .get("/v2/far/tags/list")
        .host(&host.replace(WEST, "us-east-1"));
    let other = other.send().await;
    other.refuses(404, "NAME_UNKNOWN");
    assert!(
        other.message().contains(&format!("{host}/far")),
        "{}",
        other.message()
    );
}

#[tokio::test]
async fn a_name_of_several_other_regions_is_unknown_and_they_are_listed() {
    let registry = with_repositories(&[(WEST, "far"), ("us-west-2", "far")]).await;
    let port = registry.authority().rsplit_once(':').unwrap().1.to_owned();
    let template = json!({ "prefix": "ROOT", "appliedFor": ["CREATE_ON_PUSH"] });
    registry.aws("CreateRepositoryCreationTemplate", template).await;
    for reply in [
        registry.get("/v2/far/tags/list").send().await,
        registry.get("/v2/far/manifests/1.0").send().await,
        // No repository is created in a third region either.
        registry.post("/v2/far/blobs/uploads/").send().await,
    ] {
        reply.refuses(404, "NAME_UNKNOWN");
        for region in [WEST, "us-west-2"] {
            let address = format!("000000000000.dkr.ecr.{region}.localhost:{port}/far ({region})");
            assert!(reply.message().contains(&address), "{}", reply.message());
        }
        assert!(
            reply.message().contains("exists in other regions: "),
            "{}",
            reply.message()
        );
    }
    // A repository that exists in no region is created in the default region.
    registry.post("/v2/near/blobs/uploads/").send().await.is(202);
    assert_eq!(count(&registry, "us-east-1", "near").await, 0);
}

#[tokio::test]
async fn a_client_that_may_reach_no_host_of_ecrs_form_gets_the_regions_alone() {
    let registry = with_repositories(&[(WEST, "far"), (WEST, "both"), ("us-west-2", "both")]).await;
    let own = token(&registry, "test", "us-east-1").await;
    for host in ["ecru:4566", "192.168.0.7:4566", "host.docker.internal:4566"] {
        for (name, hint) in [
            (
                "far",
                "exists in another region: eu-west-1; log in with the password of `aws ecr get-login-password \
                 --region eu-west-1` to use it",
            ),
            (
                "both",
                "exists in other regions: eu-west-1, us-west-2; log in with the password of `aws ecr \
                 get-login-password --region <region>` to use it",
            ),
        ] {
            let list = format!("/v2/{name}/tags/list");
            let reply = registry.get(&list).host(host).user(&own).send().await;
            reply.refuses(404, "NAME_UNKNOWN");
            assert!(reply.message().ends_with(hint), "{host}: {}", reply.message());
            // A login as the hint suggests works.
            let there = token(&registry, "test", WEST).await;
            registry.get(&list).host(host).user(&there).send().await.is(200);
        }
    }
    let own_form = "000000000000.dkr.ecr.us-east-1.registry.test:4566";
    let reply = registry
        .get("/v2/far/tags/list")
        .host(own_form)
        .user(&own)
        .send()
        .await;
    let address = "another region: 000000000000.dkr.ecr.eu-west-1.registry.test:4566/far (eu-west-1)";
    assert!(reply.message().ends_with(address), "{}", reply.message());
}

#[tokio::test]
async fn an_unknown_name_is_said_to_be_in_another_region_of_the_own_account_only() {
    let registry = with_repositories(&[(WEST, "far")]).await;
    let own = token(&registry, "test", "us-east-1").await;
    let reply = registry.get("/v2/far/tags/list").user(&own).send().await;
    reply.refuses(404, "NAME_UNKNOWN");
    assert!(
        reply.message().contains(".dkr.ecr.eu-west-1."),
        "{}",
        reply.message()
    );
    let nowhere = registry.get("/v2/nowhere/tags/list").user(&own).send().await;
    assert!(!nowhere.message().contains("region"), "{}", nowhere.message());

    let other = token(&registry, "111122223333", "us-east-1").await;
    let reply = registry.get("/v2/far/tags/list").user(&other).send().await;
    reply.refuses(404, "NAME_UNKNOWN");
    assert!(!reply.message().contains(WEST), "{}", reply.message());

    // A caller that may not see it cannot tell that it exists.
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [{ "Effect": "Deny", "Principal": "*", "Action": "ecr:DescribeRepositories" }],
    });
    let denied = json!({ "repositoryName": "far", "policyText": policy.to_string(), "force": true });
    registry.aws_as("test", WEST, "SetRepositoryPolicy", denied).await;
    let reply = registry.get("/v2/far/tags/list").user(&own).send().await;
    assert!(!reply.message().contains(WEST), "{}", reply.message());
}

#[tokio::test]
async fn the_cache_fills_a_repository_of_another_region_by_the_rule_of_that_region() {
    let (hub, mirror) = (FakeUpstream::start().await, FakeUpstream::start().await);
    let image = Image::new(1);
    mirror.push("app", "1.0", &image);
    let address = mirror.url().trim_start_matches("http://").to_owned();
    let allowed = address.clone();
    let registry = hub
        .cached_with(|options| options.upstreams.allowed.push(allowed))
        .await;
    let rule = json!({ "ecrRepositoryPrefix": "far", "upstreamRegistryUrl": address });
    for (operation, input) in [
        ("CreatePullThroughCacheRule", rule),
        ("CreateRepository", json!({ "repositoryName": "far/app" })),
    ] {
        registry.aws_as("test", WEST, operation, input).await;
    }
    for _ in 0..2 {
        let pulled = registry.get("/v2/far/app/manifests/1.0").send().await;
        pulled.is(200).has("docker-content-digest", &image.digest());
        let layer = format!("/v2/far/app/blobs/{}", sha256(&image.blobs[1]));
        registry.get(&layer).send().await.is(200);
        registry.settle().await;
    }
    assert_eq!(count(&registry, WEST, "far/app").await, 1);
    let catalog = registry.get("/v2/_catalog").send().await;
    assert_eq!(catalog.json(), json!({ "repositories": ["demo"] }));
}
