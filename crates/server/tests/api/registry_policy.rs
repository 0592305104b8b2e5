//! Registry policies: accepted as text, returned in ECR's form.

use ecru_model::ErrorCode;
use serde_json::{Value, json};

use crate::api::{ACCOUNT, Api, OTHER_ACCOUNT};

const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[{"Sid":"Replication","Effect":"Allow",
    "Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":["ecr:CreateRepository","ecr:ReplicateImage"],
    "Resource":"arn:aws:ecr:us-east-1:000000000000:repository/*"}]}"#;

fn text(text: &str) -> Value {
    json!({ "policyText": text })
}

#[tokio::test]
async fn a_policy_comes_back_in_the_form_of_the_service() {
    let api = Api::new();
    let put = api.ok("PutRegistryPolicy", text(POLICY)).await;
    insta::assert_snapshot!(put["policyText"].as_str().unwrap(), @r#"
    {
      "Version" : "2012-10-17",
      "Statement" : [ {
        "Sid" : "Replication",
        "Effect" : "Allow",
        "Principal" : {
          "AWS" : "arn:aws:iam::111122223333:root"
        },
        "Action" : [ "ecr:CreateRepository", "ecr:ReplicateImage" ],
        "Resource" : "arn:aws:ecr:us-east-1:000000000000:repository/*"
      } ]
    }
    "#);
    assert_eq!(put["registryId"], ACCOUNT);
    assert_eq!(api.ok("GetRegistryPolicy", json!({})).await, put);
    for elsewhere in [api.by_account(OTHER_ACCOUNT), api.in_region("eu-west-1")] {
        let answer = elsewhere.call("GetRegistryPolicy", json!({})).await;
        assert_eq!(answer.error(), Some("RegistryPolicyNotFoundException"));
    }
    assert_eq!(api.ok("DeleteRegistryPolicy", json!({})).await, put);
}

#[tokio::test]
async fn a_text_that_is_no_policy_is_refused_and_the_policy_stays() {
    let api = Api::new();
    let before = api.ok("PutRegistryPolicy", text(POLICY)).await;
    for invalid in [
        "",
        "{}",
        "[]",
        r#"{"Statement":[]}"#,
        r#"{"Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:*"}]}"#,
        r#"{"Statement":[{"Effect":"Allow","Principal":"*","Action":"ecr:NoSuchAction"}]}"#,
        r#"{"Statement":[{"Effect":"Allow","Action":"ecr:*"}]}"#,
        r#"{"Statement":[{"Effect":"Deny","Principal":"*","Action":"ecr:*","Condition":{"Near":{"aws:SourceIp":"::1"}}}]}"#,
    ] {
        let answer = api.call("PutRegistryPolicy", text(invalid)).await;
        answer.refuses_parameter("PolicyText", "Invalid registry policy provided");
    }
    let long = api.call("PutRegistryPolicy", text(&" ".repeat(10_241))).await;
    assert_eq!(long.error(), Some("InvalidParameterException"));
    let absent = api.call("PutRegistryPolicy", json!({})).await;
    assert_eq!(absent.error(), Some("InvalidParameterException"));
    assert_eq!(api.ok("GetRegistryPolicy", json!({})).await, before);
}

#[tokio::test]
async fn a_registry_without_a_policy_says_so() {
    let api = Api::new();
    for _ in 0..2 {
        for operation in ["GetRegistryPolicy", "DeleteRegistryPolicy"] {
            api.call(operation, json!({})).await.refuses(
                ErrorCode::RegistryPolicyNotFoundException,
                &format!("Registry policy does not exist in the registry with id '{ACCOUNT}'"),
            );
        }
        api.ok("PutRegistryPolicy", text(POLICY)).await;
        api.ok("DeleteRegistryPolicy", json!({})).await;
    }
}
