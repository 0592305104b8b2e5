//! Key policies and tags: stored and returned.

use serde_json::{Value, json};

use super::error;
use crate::api::Api;

const POLICY: &str = r#"{ "Version": "2012-10-17",
  "Statement": {"Effect":"Allow","Principal":{"AWS":"*"},"Action":"kms:*","Resource":"*"} }"#;

#[tokio::test]
async fn a_key_begins_with_the_default_policy() {
    let api = Api::new();
    let key = api.symmetric_key().await;
    let policy = api.kms_ok("GetKeyPolicy", json!({ "KeyId": key })).await;
    assert_eq!(policy["PolicyName"], "default");
    let document: Value = serde_json::from_str(policy["Policy"].as_str().unwrap()).unwrap();
    assert_eq!(
        document,
        json!({
            "Version": "2012-10-17",
            "Id": "key-default-1",
            "Statement": [{
                "Sid": "Enable IAM User Permissions",
                "Effect": "Allow",
                "Principal": { "AWS": "arn:aws:iam::000000000000:root" },
                "Action": "kms:*",
                "Resource": "*",
            }],
        })
    );
    let names = api.kms_ok("ListKeyPolicies", json!({ "KeyId": key })).await;
    assert_eq!(names, json!({ "PolicyNames": ["default"], "Truncated": false }));
}

#[tokio::test]
async fn a_policy_comes_back_as_it_was_put() {
    let api = Api::new();
    let key = api.key(json!({ "Policy": POLICY })).await;
    let get = json!({ "KeyId": key, "PolicyName": "default" });
    assert_eq!(api.kms_ok("GetKeyPolicy", get.clone()).await["Policy"], POLICY);
    let other = POLICY.replace("Allow", "Deny");
    api.kms_ok("PutKeyPolicy", json!({ "KeyId": key, "Policy": other }))
        .await;
    assert_eq!(api.kms_ok("GetKeyPolicy", get).await["Policy"], other);

    for (policy, code) in [
        ("{".to_owned(), "MalformedPolicyDocumentException"),
        ("{}".to_owned(), "MalformedPolicyDocumentException"),
        (
            format!("{POLICY}{}", " ".repeat(32 * 1024)),
            "LimitExceededException",
        ),
    ] {
        let (found, _) = api
            .kms_refused("PutKeyPolicy", json!({ "KeyId": key, "Policy": policy }))
            .await;
        assert_eq!(found, code);
        let (found, _) = api.kms_refused("CreateKey", json!({ "Policy": policy })).await;
        assert_eq!(found, code);
    }
    for (operation, input) in [
        ("GetKeyPolicy", json!({ "KeyId": key, "PolicyName": "other" })),
        (
            "PutKeyPolicy",
            json!({ "KeyId": key, "PolicyName": "other", "Policy": POLICY }),
        ),
    ] {
        let refused = api.kms_refused(operation, input).await;
        assert_eq!(refused, error("NotFoundException", "No such policy exists"));
    }
}

#[tokio::test]
async fn tags_are_added_listed_and_removed() {
    let api = Api::new();
    let tag = |name: &str, value: &str| json!({ "TagKey": name, "TagValue": value });
    let key = api.key(json!({ "Tags": [tag("b", "1")] })).await;
    api.kms_ok(
        "TagResource",
        json!({ "KeyId": key, "Tags": [tag("a", "2"), tag("b", "3")] }),
    )
    .await;
    let listed = api.kms_ok("ListResourceTags", json!({ "KeyId": key })).await;
    assert_eq!(
        listed,
        json!({ "Tags": [tag("a", "2"), tag("b", "3")], "Truncated": false })
    );
    let page = api
        .kms_ok("ListResourceTags", json!({ "KeyId": key, "Limit": 1 }))
        .await;
    assert_eq!(
        (&page["Tags"], &page["Truncated"]),
        (&json!([tag("a", "2")]), &json!(true))
    );
    let next = json!({ "KeyId": key, "Limit": 1, "Marker": page["NextMarker"] });
    assert_eq!(
        api.kms_ok("ListResourceTags", next).await["Tags"],
        json!([tag("b", "3")])
    );
    api.kms_ok("UntagResource", json!({ "KeyId": key, "TagKeys": ["a", "none"] }))
        .await;
    assert_eq!(
        api.kms_ok("ListResourceTags", json!({ "KeyId": key })).await["Tags"],
        json!([tag("b", "3")])
    );

    for tags in [json!([tag("aws:x", "1")]), json!([tag("c", "1"), tag("c", "2")])] {
        let (code, _) = api
            .kms_refused("TagResource", json!({ "KeyId": key, "Tags": tags }))
            .await;
        assert_eq!(code, "TagException");
    }
    let many = (0..50)
        .map(|number| tag(&format!("t{number}"), ""))
        .collect::<Vec<_>>();
    let (code, _) = api
        .kms_refused("TagResource", json!({ "KeyId": key, "Tags": many }))
        .await;
    assert_eq!(code, "LimitExceededException");
}
