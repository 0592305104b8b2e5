//! Aliases: made, moved, listed and removed.

use serde_json::{Value, json};

use super::{ARN, DEFAULT_KEY, error};
use crate::api::Api;

fn names(page: &Value) -> Vec<&str> {
    let aliases = page["Aliases"].as_array().unwrap();
    aliases
        .iter()
        .map(|alias| alias["AliasName"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn an_alias_is_made_moved_and_removed() {
    let api = Api::new();
    let (one, two) = (api.symmetric_key().await, api.symmetric_key().await);
    api.kms_ok(
        "CreateAlias",
        json!({ "AliasName": "alias/x", "TargetKeyId": one }),
    )
    .await;
    assert_eq!(
        api.kms_refused(
            "CreateAlias",
            json!({ "AliasName": "alias/x", "TargetKeyId": two })
        )
        .await,
        error(
            "AlreadyExistsException",
            format!("An alias with the name {ARN}alias/x already exists")
        )
    );
    api.advance(1_000);
    api.kms_ok(
        "UpdateAlias",
        json!({ "AliasName": "alias/x", "TargetKeyId": two }),
    )
    .await;
    let listed = api.kms_ok("ListAliases", json!({ "KeyId": two })).await;
    assert_eq!(
        listed["Aliases"],
        json!([{
            "AliasName": "alias/x",
            "AliasArn": format!("{ARN}alias/x"),
            "TargetKeyId": two,
            "CreationDate": 1_767_225_600.5,
            "LastUpdatedDate": 1_767_225_601.5,
        }])
    );
    assert_eq!(
        names(&api.kms_ok("ListAliases", json!({ "KeyId": one })).await).len(),
        0
    );
    let signing = api.signing_key().await;
    let (code, _) = api
        .kms_refused(
            "UpdateAlias",
            json!({ "AliasName": "alias/x", "TargetKeyId": signing }),
        )
        .await;
    assert_eq!(code, "ValidationException");
    api.kms_ok("DeleteAlias", json!({ "AliasName": "alias/x" })).await;
    let gone = error("NotFoundException", format!("Alias {ARN}alias/x is not found."));
    assert_eq!(
        api.kms_refused("DeleteAlias", json!({ "AliasName": "alias/x" }))
            .await,
        gone
    );
    assert_eq!(
        api.kms_refused(
            "UpdateAlias",
            json!({ "AliasName": "alias/x", "TargetKeyId": two })
        )
        .await,
        gone
    );
}

#[tokio::test]
async fn aliases_are_listed_in_pages_with_that_of_the_default_key() {
    let api = Api::new();
    let key = api.symmetric_key().await;
    for name in ["alias/b", "alias/Z", "alias/aa", "alias/team/c"] {
        api.kms_ok("CreateAlias", json!({ "AliasName": name, "TargetKeyId": key }))
            .await;
    }
    let sorted = ["alias/Z", "alias/aa", "alias/aws/ecr", "alias/b", "alias/team/c"];
    assert_eq!(names(&api.kms_ok("ListAliases", json!({})).await), sorted);
    for limit in 1..5 {
        let mut found = Vec::new();
        let mut input = json!({ "Limit": limit });
        loop {
            let page = api.kms_ok("ListAliases", input.clone()).await;
            found.extend(names(&page).into_iter().map(str::to_owned));
            if page["Truncated"] == false {
                break;
            }
            input["Marker"] = page["NextMarker"].clone();
        }
        assert_eq!(found, sorted, "pages of {limit}");
    }
    let default = api.kms_ok("ListAliases", json!({ "KeyId": DEFAULT_KEY })).await;
    assert_eq!(names(&default), ["alias/aws/ecr"]);
}

#[tokio::test]
async fn names_that_are_no_aliases_of_customers_are_refused() {
    let api = Api::new();
    let key = api.symmetric_key().await;
    for (name, code, message) in [
        (
            "demo",
            "ValidationException",
            "Alias must start with the prefix \"alias/\". Please see \
             https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html",
        ),
        (
            "alias/aws/mine",
            "InvalidAliasNameException",
            "Alias name must not begin with alias/aws/, which is reserved for AWS",
        ),
        (
            "alias/",
            "InvalidAliasNameException",
            "alias/ is not the name of an alias",
        ),
    ] {
        for operation in ["CreateAlias", "UpdateAlias", "DeleteAlias"] {
            let input = match operation {
                "DeleteAlias" => json!({ "AliasName": name }),
                _ => json!({ "AliasName": name, "TargetKeyId": key }),
            };
            assert_eq!(api.kms_refused(operation, input).await, error(code, message));
        }
    }
}
