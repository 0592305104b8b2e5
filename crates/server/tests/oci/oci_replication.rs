//! An image that was pushed in one region can be pulled in another, byte for byte.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::client::Registry;
use crate::content::{Image, index, sha256};

const ACCOUNT: &str = "000000000000";
const WEST: &str = "eu-west-1";

impl Registry {
    async fn replicate_to(&self, account: &str, region: &str) {
        let destination = json!({ "region": region, "registryId": account });
        let rules = json!([{ "destinations": [destination] }]);
        self.aws(
            "PutReplicationConfiguration",
            json!({ "replicationConfiguration": { "rules": rules } }),
        )
        .await;
    }

    async fn run_due(&self) {
        let reply = self.post("/_ecru/run-due").anonymously().send().await;
        assert_eq!(reply.status, 200, "{}", reply.text());
    }

    /// The credentials for `docker login` of this account in this region.
    async fn login(&self, account: &str, region: &str) -> String {
        let answer = self
            .aws_as(account, region, "GetAuthorizationToken", json!({}))
            .await;
        let token: &Value = &answer["authorizationData"][0]["authorizationToken"];
        String::from_utf8(STANDARD.decode(token.as_str().unwrap()).unwrap()).unwrap()
    }

    async fn pulls(&self, user: &str, reference: &str, image: &Image) {
        let target = format!("/v2/demo/manifests/{reference}");
        let manifest = self.get(&target).user(user).send().await;
        assert_eq!(manifest.is(200).body, image.manifest);
        for blob in &image.blobs {
            let target = format!("/v2/demo/blobs/{}", sha256(blob));
            let got = self.get(&target).user(user).send().await;
            assert_eq!(got.is(200).body, *blob);
        }
    }
}

#[tokio::test]
async fn a_push_is_pulled_in_another_region() {
    let registry = Registry::start().await;
    registry.replicate_to(ACCOUNT, WEST).await;
    let mut image = Image::new(1);
    // This layer is large enough to be stored as a separate file.
    let layer = crate::content::bytes(2, 300_000);
    let mut manifest: Value = serde_json::from_slice(&image.manifest).unwrap();
    let large = crate::content::descriptor(crate::content::LAYER, &sha256(&layer), layer.len());
    manifest["layers"].as_array_mut().unwrap().push(large);
    image.manifest = manifest.to_string().into_bytes();
    image.blobs.push(layer);
    registry.push("demo", "1.0", &image).await;

    let west = registry.login("test", WEST).await;
    registry.run_due().await;
    registry.pulls(&west, "1.0", &image).await;
    registry.pulls(&west, &image.digest(), &image).await;

    // The copy remains after its source is deleted.
    let whole = json!({ "repositoryName": "demo", "force": true });
    registry.aws("DeleteRepository", whole).await;
    registry.run_due().await;
    registry.pulls(&west, "1.0", &image).await;
}

#[tokio::test]
async fn an_index_is_pulled_in_another_region_with_its_children() {
    let registry = Registry::start().await;
    let children = [Image::new(1), Image::new(2)];
    for child in &children {
        registry.push("demo", &child.digest(), child).await;
    }
    registry.replicate_to(ACCOUNT, WEST).await;
    let list = index(&children.each_ref().map(Image::descriptor));
    registry.put_manifest("demo", "multi", &list).await.is(201);

    registry.run_due().await;
    let west = registry.login("test", WEST).await;
    let got = registry.get("/v2/demo/manifests/multi").user(&west).send().await;
    assert_eq!(got.is(200).body, list);
    for child in &children {
        registry.pulls(&west, &child.digest(), child).await;
    }
}
