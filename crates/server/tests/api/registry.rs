//! The registry as a whole: its description, its account settings, and its authorization tokens.

use crate::api::AtOnce as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ecru_model::{Region, RegistryId, Scope};
use ecru_registry::authorization::{Credentials, enter};
use ecru_registry::layers::mount_blob;
use ecru_registry::{Caller, Context, RepositoryUriShape};
use serde_json::{Value, json};

use crate::api::{ACCOUNT, Api, OTHER_ACCOUNT, endpoint, pretty};

#[tokio::test]
async fn a_registry_describes_itself() {
    let api = Api::new().by_account(OTHER_ACCOUNT);
    let expected = json!({ "registryId": OTHER_ACCOUNT, "replicationConfiguration": { "rules": [] } });
    assert_eq!(api.ok("DescribeRegistry", json!({})).await, expected);
    let expected = json!({
        "registryId": OTHER_ACCOUNT, "scanningConfiguration": { "scanType": "BASIC", "rules": [] },
    });
    assert_eq!(
        api.ok("GetRegistryScanningConfiguration", json!({})).await,
        expected
    );
}

/// Each setting: its default, then its other value.
const SETTINGS: [(&str, &str, &str); 3] = [
    ("BASIC_SCAN_TYPE_VERSION", "AWS_NATIVE", "CLAIR"),
    ("REGISTRY_POLICY_SCOPE", "V2", "V1"),
    ("BLOB_MOUNTING", "DISABLED", "ENABLED"),
];

#[tokio::test]
async fn a_setting_has_its_default_until_it_is_put() {
    let api = Api::new();
    for (name, default, other) in SETTINGS {
        let get = || api.ok("GetAccountSetting", json!({ "name": name }));
        assert_eq!(get().await, json!({ "name": name, "value": default }));
        for value in [other, other, default, other] {
            let setting = json!({ "name": name, "value": value });
            assert_eq!(api.ok("PutAccountSetting", setting.clone()).await, setting);
            assert_eq!(get().await, setting);
        }
        for elsewhere in [api.by_account(OTHER_ACCOUNT), api.in_region("eu-west-1")] {
            let untouched = elsewhere.ok("GetAccountSetting", json!({ "name": name })).await;
            assert_eq!(untouched["value"], default);
        }
    }
}

#[tokio::test]
async fn unknown_settings_and_values_are_refused() {
    let api = Api::new();
    let names =
        "Member must satisfy enum value set: [BASIC_SCAN_TYPE_VERSION, REGISTRY_POLICY_SCOPE, BLOB_MOUNTING]";
    for operation in ["GetAccountSetting", "PutAccountSetting"] {
        for name in ["blob_mounting", "X", "A\u{0}"] {
            let answer = api
                .call(operation, json!({ "name": name, "value": "ENABLED" }))
                .await;
            answer.refuses_parameter("name", names);
        }
        for (name, bound) in [
            ("", "greater than or equal to 1"),
            (&"X".repeat(65), "less than or equal to 64"),
        ] {
            let answer = api
                .call(operation, json!({ "name": name, "value": "ENABLED" }))
                .await;
            answer.refuses_parameter("name", &format!("Member must have length {bound}"));
        }
        let answer = api.call(operation, json!({ "value": "ENABLED" })).await;
        answer.refuses_parameter("name", "Member must not be null");
    }
    for value in ["", "enabled", "V1"] {
        let answer = api
            .call(
                "PutAccountSetting",
                json!({ "name": "BLOB_MOUNTING", "value": value }),
            )
            .await;
        answer.refuses_parameter("value", "Member must satisfy enum value set: [DISABLED, ENABLED]");
    }
    let answer = api
        .call("PutAccountSetting", json!({ "name": "BLOB_MOUNTING" }))
        .await;
    answer.refuses_parameter("value", "Member must not be null");
    let untouched = api
        .ok("GetAccountSetting", json!({ "name": "BLOB_MOUNTING" }))
        .await;
    assert_eq!(untouched["value"], "DISABLED");
}

#[tokio::test]
async fn layers_are_mounted_where_the_setting_allows_it() {
    let api = Api::new();
    for name in ["from", "to"] {
        api.create(name).await;
    }
    let digest = api.push_layer("from", b"layer").await;
    let mount = async || {
        let name = |name: &str| ecru_model::RepositoryName::parse(name).unwrap();
        let digest = ecru_model::Digest::parse(&digest).unwrap();
        mount_blob(&api.context(), &name("to"), &digest, Some(&name("from")))
            .await
            .unwrap()
    };
    assert!(!mount().await);
    api.ok(
        "PutAccountSetting",
        json!({ "name": "BLOB_MOUNTING", "value": "ENABLED" }),
    )
    .await;
    assert!(mount().await);
    let layers = json!({ "repositoryName": "to", "layerDigests": [digest] });
    let checked = api.ok("BatchCheckLayerAvailability", layers).await;
    assert_eq!(checked["layers"][0]["layerAvailability"], "AVAILABLE");
}

async fn tokens(api: &Api, input: Value) -> Vec<Value> {
    let answer = api.ok("GetAuthorizationToken", input).await;
    answer["authorizationData"].as_array().unwrap().clone()
}

/// The password in an authorization token.
fn password(data: &Value) -> String {
    let token = STANDARD
        .decode(data["authorizationToken"].as_str().unwrap())
        .unwrap();
    let token = String::from_utf8(token).unwrap();
    let (user, password) = token.split_once(':').unwrap();
    assert_eq!(user, "AWS");
    assert!(!password.contains(':'), "clients split at every colon");
    password.to_owned()
}

fn entered(api: &Api, password: &str, host: Option<Scope>) -> Option<Context> {
    let credentials = Credentials::Basic {
        user: "AWS",
        password,
    };
    enter(api.service(), b"", credentials, host, endpoint())
        .at_once()
        .ok()
}

fn scope(account: &str, region: &str) -> Scope {
    Scope {
        registry_id: RegistryId::parse(account).unwrap(),
        region: Region::parse(region).unwrap(),
    }
}

#[tokio::test]
async fn a_token_opens_the_registry_of_its_caller_for_twelve_hours() {
    let api = Api::new();
    let data = tokens(&api, json!({})).await;
    insta::assert_snapshot!(pretty(&json!(data), &["authorizationToken"]), @r#"
    [
      {
        "authorizationToken": "<authorizationToken>",
        "expiresAt": 1767268800.5,
        "proxyEndpoint": "http://localhost:4566"
      }
    ]
    "#);
    let password = password(&data[0]);
    let wrapping = STANDARD.decode(&password).unwrap();
    let wrapping: Value = serde_json::from_slice(&wrapping).unwrap();
    assert_eq!(wrapping["version"], "2");
    assert_eq!(wrapping["type"], "DATA_KEY");
    assert_eq!(wrapping["expiration"], 1_767_225_600 + 12 * 60 * 60);
    assert!(wrapping["payload"].is_string() && wrapping["datakey"].is_string());

    let context = entered(&api, &password, None).unwrap();
    assert_eq!(context.scope, scope(ACCOUNT, "us-east-1"));
    assert_eq!(context.caller, Caller::root(&scope(ACCOUNT, "us-east-1")));
    assert!(entered(&api, &password, Some(scope(ACCOUNT, "eu-west-1"))).is_none());
    api.service().clock.advance(12 * 60 * 60 * 1000 - 1);
    assert!(entered(&api, &password, None).is_some());
    api.service().clock.advance(1);
    assert!(entered(&api, &password, None).is_none());
}

#[tokio::test]
async fn each_registry_that_is_named_gets_a_token_that_keeps_its_caller() {
    let api = Api::new().in_region("eu-west-1");
    let data = tokens(&api, json!({ "registryIds": [OTHER_ACCOUNT, ACCOUNT] })).await;
    assert_eq!(data.len(), 2);
    for (data, account) in data.iter().zip([OTHER_ACCOUNT, ACCOUNT]) {
        assert_eq!(data["proxyEndpoint"], "http://localhost:4566");
        let context = entered(&api, &password(data), None).unwrap();
        assert_eq!(context.scope, scope(account, "eu-west-1"));
        assert_eq!(context.caller.registry_id.as_str(), ACCOUNT);
    }
}

#[tokio::test]
async fn a_token_that_was_changed_opens_nothing() {
    let api = Api::new();
    let password = password(&tokens(&api, json!({})).await[0]);
    assert!(
        entered(&Api::new(), &password, None).is_none(),
        "keys are of one store"
    );
    for at in 0..password.len() {
        let other = if &password[at..=at] == "A" { "B" } else { "A" };
        let changed = [&password[..at], other, &password[at + 1..]].concat();
        assert!(entered(&api, &changed, None).is_none(), "byte {at}");
    }
    for changed in [
        "",
        &password[1..],
        &password[..password.len() - 1],
        &password.repeat(2),
    ] {
        assert!(entered(&api, changed, None).is_none());
    }
}

#[tokio::test]
async fn the_endpoint_has_the_shape_that_was_configured() {
    for (region, expected) in [
        (
            "eu-west-1",
            "https://000000000000.dkr.ecr.eu-west-1.amazonaws.com:4566",
        ),
        (
            "cn-north-1",
            "https://000000000000.dkr.ecr.cn-north-1.amazonaws.com.cn:4566",
        ),
    ] {
        let api = Api::with(|configuration| configuration.repository_uri = RepositoryUriShape::Aws);
        let data = tokens(&api.in_region(region), json!({})).await;
        assert_eq!(data[0]["proxyEndpoint"], expected);
    }
}

#[tokio::test]
async fn registries_to_open_are_checked() {
    let api = Api::new();
    let ids = |ids: &[&str]| json!({ "registryIds": ids });
    let malformed = api.call("GetAuthorizationToken", ids(&[ACCOUNT, "12"])).await;
    malformed.refuses_parameter(
        "registryIds",
        "Member must satisfy constraint: [Member must satisfy regular expression pattern: [0-9]{12}]",
    );
    let none = api.call("GetAuthorizationToken", ids(&[])).await;
    none.refuses_parameter(
        "registryIds",
        "Member must have length greater than or equal to 1",
    );
    let many = api.call("GetAuthorizationToken", ids(&[ACCOUNT; 11])).await;
    many.refuses_parameter("registryIds", "Member must have length less than or equal to 10");
}
