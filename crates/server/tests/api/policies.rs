//! Repository policies: accepted as text, returned in ECR's form.

use ecru_model::ErrorCode;
use serde_json::{Value, json};

use crate::api::{ACCOUNT, Api};
use crate::repositories::absent;

fn named(name: &str) -> Value {
    json!({ "repositoryName": name })
}

fn set(text: &str) -> Value {
    json!({ "repositoryName": "demo", "policyText": text })
}

fn statement(statement: &Value) -> String {
    json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string()
}

fn allow() -> Value {
    json!({ "Effect": "Allow", "Principal": "*", "Action": "ecr:BatchGetImage" })
}

async fn demo() -> Api {
    let api = Api::new();
    api.create("demo").await;
    api
}

#[tokio::test]
async fn a_policy_is_taken_although_its_own_form_is_longer_than_may_be_sent() {
    let api = demo().await;
    let statements = vec![allow(); 130];
    let text = json!({ "Version": "2012-10-17", "Statement": statements }).to_string();
    assert!(text.len() < 10_240);
    let answer = api.ok("SetRepositoryPolicy", set(&text)).await;
    assert!(answer["policyText"].as_str().unwrap().len() > 10_240);
    let stored = api.ok("GetRepositoryPolicy", named("demo")).await;
    assert_eq!(stored["policyText"], answer["policyText"]);
}

#[tokio::test]
async fn a_policy_comes_back_in_the_form_of_the_service() {
    let api = demo().await;
    let text = r#"{"Statement":[{"Condition":{"StringLike":{"aws:SourceArn":["a","b"]}},
        "Action":["ecr:BatchGetImage","ecr:GetDownloadUrlForLayer"],"Principal":
        {"AWS":"arn:aws:iam::123456789012:role/a","Service":["lambda.amazonaws.com"]},"Effect":"Allow",
        "Sid":"new statement"},{"Effect":"Deny","Principal":"*","Action":"ecr:Put*"}],"Id":"a","Version":"2008-10-17"}"#;
    let answer = api.ok("SetRepositoryPolicy", set(text)).await;
    insta::assert_snapshot!(answer["policyText"].as_str().unwrap(), @r#"
    {
      "Version" : "2008-10-17",
      "Id" : "a",
      "Statement" : [ {
        "Sid" : "new statement",
        "Effect" : "Allow",
        "Principal" : {
          "AWS" : "arn:aws:iam::123456789012:role/a",
          "Service" : [ "lambda.amazonaws.com" ]
        },
        "Action" : [ "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer" ],
        "Condition" : {
          "StringLike" : {
            "aws:SourceArn" : [ "a", "b" ]
          }
        }
      }, {
        "Effect" : "Deny",
        "Principal" : "*",
        "Action" : "ecr:Put*"
      } ]
    }
    "#);
    let expected = json!({
        "registryId": ACCOUNT, "repositoryName": "demo", "policyText": answer["policyText"],
    });
    assert_eq!(answer, expected);
    assert_eq!(api.ok("GetRepositoryPolicy", named("demo")).await, expected);
    // A returned policy can be set again, and is returned unchanged.
    let again = api
        .ok("SetRepositoryPolicy", set(answer["policyText"].as_str().unwrap()))
        .await;
    assert_eq!(again, expected);
    assert_eq!(api.ok("DeleteRepositoryPolicy", named("demo")).await, expected);
}

#[tokio::test]
async fn a_policy_takes_the_place_of_the_one_before_it() {
    let api = demo().await;
    api.ok("SetRepositoryPolicy", set(&statement(&allow()))).await;
    let deny = json!({ "Sid": "x", "Effect": "Deny", "Principal": { "AWS": "123456789012" }, "Action": "*" });
    let mut second = set(&statement(&deny));
    second["force"] = json!(true);
    let second = api.ok("SetRepositoryPolicy", second).await;
    assert_eq!(api.ok("GetRepositoryPolicy", named("demo")).await, second);
    insta::assert_snapshot!(second["policyText"].as_str().unwrap(), @r#"
    {
      "Version" : "2012-10-17",
      "Statement" : [ {
        "Sid" : "x",
        "Effect" : "Deny",
        "Principal" : {
          "AWS" : "123456789012"
        },
        "Action" : "*"
      } ]
    }
    "#);
}

#[tokio::test]
async fn what_a_policy_may_say_is_taken() {
    let api = demo().await;
    let with = |member: &str, value: Value| {
        let mut changed = allow();
        changed[member] = value;
        statement(&changed)
    };
    for text in [
        statement(&allow()),
        json!({ "Version": "2012-10-17", "Statement": allow() }).to_string(),
        json!({ "Statement": [allow(), allow()] }).to_string(),
        with("Action", json!("ecr:*")),
        with("Action", json!("*")),
        with("Action", json!("ECR:batchgetimage")),
        with("Action", json!(["ecr:Describe*", "ecr:ReplicateImage"])),
        // Actions that do not apply to repositories are allowed but have no effect.
        with(
            "Action",
            json!(["ecr:GetAuthorizationToken", "ecr:BatchGetImage"]),
        ),
        with(
            "Action",
            json!(["ecr:GetImageCopyStatus", "ecr:DescribeRegistry"]),
        ),
        with(
            "Principal",
            json!({ "AWS": ["*", "123456789012", "arn:aws:iam::123456789012:user/a"] }),
        ),
        with("Principal", json!({ "Service": "codebuild.amazonaws.com" })),
        with(
            "Condition",
            json!({ "StringEquals": { "aws:SourceAccount": "123456789012" } }),
        ),
        with("Condition", json!({ "Bool": { "aws:SecureTransport": true } })),
        with("Sid", json!("")),
    ] {
        api.ok("SetRepositoryPolicy", set(&text)).await;
    }
}

#[tokio::test]
async fn a_text_that_is_no_policy_is_refused_and_the_policy_stays() {
    let api = demo().await;
    let before = api.ok("SetRepositoryPolicy", set(&statement(&allow()))).await;
    let with = |member: &str, value: Value| {
        let mut changed = allow();
        changed[member] = value;
        statement(&changed)
    };
    let without = |member: &str| {
        let mut changed = allow();
        changed.as_object_mut().unwrap().remove(member);
        statement(&changed)
    };
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    for text in [
        String::new(),
        "{".to_owned(),
        "null".to_owned(),
        "[]".to_owned(),
        "{}".to_owned(),
        deep,
        json!({ "Version": "2012-10-17", "Statement": [] }).to_string(),
        json!({ "Version": "2020-01-01", "Statement": [allow()] }).to_string(),
        json!({ "Version": "2012-10-17", "Statement": [allow()], "Extra": 1 }).to_string(),
        format!("{}{}", statement(&allow()), "x"),
        without("Effect"),
        without("Principal"),
        without("Action"),
        with("Effect", json!("allow")),
        with("Principal", json!("nobody")),
        with("Principal", json!({})),
        with("Principal", json!({ "AWS": "12345" })),
        with("Principal", json!({ "AWS": "arn:aws:s3:::bucket" })),
        with("Principal", json!({ "Nobody": "x" })),
        with("Principal", json!({ "AWS": "arn:aws:iam::111122223333:role/*" })),
        with(
            "Principal",
            json!({ "AWS": ["111122223333", "arn:aws:iam::111122223333:group/developers"] }),
        ),
        with("Action", json!([])),
        with("Action", json!("s3:GetObject")),
        with("Action", json!("ecr:NoSuchAction")),
        with("Action", json!(1)),
        with("Resource", json!({})),
        with("Resource", json!("*")),
        with(
            "Resource",
            json!(["arn:aws:ecr:us-east-1:000000000000:repository/demo"]),
        ),
        with(
            "NotResource",
            json!("arn:aws:ecr:us-east-1:000000000000:repository/other"),
        ),
        with("Condition", json!("x")),
        with("Condition", json!({ "StringEquals": "x" })),
        with("Unknown", json!("x")),
        with("Sid", json!(1)),
    ] {
        let answer = api.call("SetRepositoryPolicy", set(&text)).await;
        answer.refuses_parameter("PolicyText", "Invalid repository policy provided");
    }
    // Parsers disagree about a repeated member.
    for twice in [
        r#""Effect":"Deny","\u0045ffect":"Allow","Principal":"*","Action":"ecr:*""#,
        r#""Effect":"Allow","Principal":"*","Action":"ecr:*","Condition":{"StringEquals":{"aws:PrincipalAccount":"1"},"StringEquals":{}}"#,
    ] {
        let text = format!(r#"{{"Version":"2012-10-17","Statement":[{{{twice}}}]}}"#);
        let answer = api.call("SetRepositoryPolicy", set(&text)).await;
        answer.refuses_parameter("PolicyText", "Invalid repository policy provided");
    }
    let absent = api.call("SetRepositoryPolicy", named("demo")).await;
    absent.refuses_parameter("PolicyText", "Cannot be null");
    let long = with("Sid", json!("x".repeat(10_240)));
    let long = api.call("SetRepositoryPolicy", set(&long)).await;
    long.refuses_parameter(
        "PolicyText",
        "Member must have length less than or equal to 10240",
    );
    assert_eq!(api.ok("GetRepositoryPolicy", named("demo")).await, before);
}

#[tokio::test]
async fn a_repository_without_a_policy_says_so() {
    let api = demo().await;
    let text = format!(
        "Repository policy does not exist for the repository with name 'demo' in the registry with id '{ACCOUNT}'"
    );
    for _ in 0..2 {
        for operation in ["GetRepositoryPolicy", "DeleteRepositoryPolicy"] {
            let answer = api.call(operation, named("demo")).await;
            answer.refuses(ErrorCode::RepositoryPolicyNotFoundException, &text);
        }
        api.ok("SetRepositoryPolicy", set(&statement(&allow()))).await;
        api.ok("DeleteRepositoryPolicy", named("demo")).await;
    }
}

#[tokio::test]
async fn policies_need_a_repository() {
    let api = Api::new();
    for text in [statement(&allow()), "no policy".to_owned()] {
        let mut input = set(&text);
        input["repositoryName"] = json!("gone");
        for operation in [
            "SetRepositoryPolicy",
            "GetRepositoryPolicy",
            "DeleteRepositoryPolicy",
        ] {
            let answer = api.call(operation, input.clone()).await;
            answer.refuses(ErrorCode::RepositoryNotFoundException, &absent("gone"));
        }
    }
    for operation in ["GetRepositoryPolicy", "DeleteRepositoryPolicy"] {
        let unnamed = api.call(operation, json!({})).await;
        unnamed.refuses_parameter("repositoryName", "must not be null");
    }
}

/// A policy as earlier versions stored it.
const STORED_BEFORE: &str = r#"{"Version":"2012-10-17","Statement":[
    {"Effect":"Allow","Principal":{"AWS":["111122223333","arn:aws:iam::111122223333:group/developers",
     "arn:aws-cn:iam::444455556666:root"]},
     "Action":"ecr:*","Resource":"arn:aws:ecr:us-east-1:000000000000:repository/demo"},
    {"Effect":"Deny","Principal":{"AWS":["111122223333","arn:aws:iam::111122223333:role/*"]},
     "Action":"ecr:DescribeImages","NotResource":"arn:aws:ecr:us-east-1:000000000000:repository/other"}]}"#;

#[tokio::test]
async fn a_policy_that_was_stored_before_is_decided_by_returned_and_deleted() {
    let api = demo().await;
    let policy = STORED_BEFORE.to_owned();
    let put = api.service().store.write(move |tx| {
        tx.execute(
            "UPDATE repositories SET policy = ?1 WHERE name = 'demo'",
            &[ecru_store::Value::Text(&policy)],
        )
    });
    let _: u64 = put.await.unwrap();

    let stranger = api.by_account(crate::api::OTHER_ACCOUNT);
    let list = json!({ "registryId": ACCOUNT, "repositoryName": "demo" });
    stranger.ok("ListImages", list.clone()).await;
    // The policy names this account in another partition.
    api.by_account("444455556666")
        .ok("ListImages", list.clone())
        .await;
    let denied = stranger.call("DescribeImages", list).await;
    denied.refuses_code(ErrorCode::AccessDeniedException);

    let stored = api.ok("GetRepositoryPolicy", named("demo")).await;
    assert_eq!(stored["policyText"], STORED_BEFORE);
    let again = api.call("SetRepositoryPolicy", set(STORED_BEFORE)).await;
    again.refuses_parameter("PolicyText", "Invalid repository policy provided");
    assert_eq!(api.ok("DeleteRepositoryPolicy", named("demo")).await, stored);
}

#[tokio::test]
async fn a_registry_policy_may_name_any_action_and_its_resources() {
    let api = demo().await;
    for action in ["ecr:GetAuthorizationToken", "ecr:GetImageCopyStatus", "ecr:*"] {
        let mut taken = allow();
        taken["Action"] = json!([action, "ecr:ReplicateImage"]);
        taken["Resource"] = json!("*");
        api.ok("PutRegistryPolicy", json!({ "policyText": statement(&taken) }))
            .await;
    }
    // The registry policy does not affect authorization tokens.
    let mut deny = allow();
    deny["Effect"] = json!("Deny");
    deny["Action"] = json!("ecr:GetAuthorizationToken");
    api.ok("PutRegistryPolicy", json!({ "policyText": statement(&deny) }))
        .await;
    api.ok("GetAuthorizationToken", json!({})).await;

    let mut refused = allow();
    refused["Principal"] = json!({ "AWS": "arn:aws:iam::111122223333:role/*" });
    let refused = api
        .call("PutRegistryPolicy", json!({ "policyText": statement(&refused) }))
        .await;
    refused.refuses_parameter("PolicyText", "Invalid registry policy provided");
}

#[tokio::test]
async fn principals_and_resources_of_another_partition_are_refused() {
    let principal = |partition: &str| {
        let mut allow = allow();
        allow["Principal"] =
            json!({ "AWS": ["111122223333", format!("arn:{partition}:iam::111122223333:root")] });
        allow
    };
    for (region, own, others) in [
        ("us-east-1", "aws", ["aws-cn", "aws-us-gov", "aws-xxx"]),
        ("cn-north-1", "aws-cn", ["aws", "aws-iso", "aws-cn-x"]),
    ] {
        let api = Api::new().in_region(region);
        api.create("demo").await;
        for other in others {
            let policy = statement(&principal(other));
            let answer = api.call("SetRepositoryPolicy", set(&policy)).await;
            answer.refuses_parameter("PolicyText", "Invalid repository policy provided");
            let mut of_resource = allow();
            of_resource["Resource"] = json!([format!("arn:{other}:ecr:{region}:{ACCOUNT}:repository/*")]);
            for policy in [policy, statement(&of_resource)] {
                let answer = api
                    .call("PutRegistryPolicy", json!({ "policyText": policy }))
                    .await;
                answer.refuses_parameter("PolicyText", "Invalid registry policy provided");
            }
        }
        api.ok("SetRepositoryPolicy", set(&statement(&principal(own))))
            .await;
        let mut policy = principal(own);
        policy["Resource"] = json!(format!("arn:{own}:ecr:{region}:{ACCOUNT}:repository/*"));
        api.ok("PutRegistryPolicy", json!({ "policyText": statement(&policy) }))
            .await;
    }
}
