//! Creation templates: operations on them, and their effect on a push to a repository that does not exist.

use ecru_model::ErrorCode;
use ecru_registry::Quotas;
use serde_json::{Value, json};

use crate::api::{ACCOUNT, Api, OTHER_ACCOUNT, pretty};
use crate::content::{Image, put};
use crate::lifecycle::unsorted_rules;
use crate::replication::{EAST, rule};
use crate::repositories::absent;

const POLICY: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"ecr:*"}]}"#;
const LIFECYCLE: &str = r#"{"rules":[{"rulePriority":1,"selection":{"tagStatus":"untagged","countType":"imageCountMoreThan","countNumber":1},"action":{"type":"expire"}}]}"#;

fn template(prefix: &str) -> Value {
    json!({ "prefix": prefix, "appliedFor": ["CREATE_ON_PUSH"] })
}

/// A template with every setting.
fn full(prefix: &str) -> Value {
    json!({
        "prefix": prefix,
        "description": "for teams",
        "appliedFor": ["CREATE_ON_PUSH", "PULL_THROUGH_CACHE", "REPLICATION"],
        "encryptionConfiguration": {
            "encryptionType": "KMS", "kmsKey": "arn:aws:kms:us-east-1:000000000000:key/1234abcd",
        },
        "imageTagMutability": "IMMUTABLE_WITH_EXCLUSION",
        "imageTagMutabilityExclusionFilters": [{ "filterType": "WILDCARD", "filter": "dev-*" }],
        "resourceTags": [{ "Key": "team", "Value": "b" }, { "Key": "stage", "Value": "prod" }],
        "customRoleArn": "arn:aws:iam::000000000000:role/ecr",
        "repositoryPolicy": POLICY,
        "lifecyclePolicy": LIFECYCLE,
    })
}

async fn create(api: &Api, input: Value) -> Value {
    api.ok("CreateRepositoryCreationTemplate", input).await["repositoryCreationTemplate"].clone()
}

async fn describe(api: &Api, input: Value) -> Vec<String> {
    let described = api.ok("DescribeRepositoryCreationTemplates", input).await;
    let templates = described["repositoryCreationTemplates"].as_array().unwrap();
    let prefixes = templates
        .iter()
        .map(|one| one["prefix"].as_str().unwrap().to_owned());
    prefixes.collect()
}

async fn repository(api: &Api, name: &str) -> Value {
    let named = json!({ "repositoryNames": [name] });
    api.ok("DescribeRepositories", named).await["repositories"][0].clone()
}

/// Begins a push to a repository, which a template may create.
async fn begin(api: &Api, name: &str) -> Option<String> {
    let answer = api
        .call("InitiateLayerUpload", json!({ "repositoryName": name }))
        .await;
    answer.error().map(str::to_owned)
}

#[tokio::test]
async fn a_new_template_has_every_default() {
    let api = Api::new();
    let created = api.ok("CreateRepositoryCreationTemplate", template("team")).await;
    insta::assert_snapshot!(pretty(&created, &[]), @r#"
    {
      "registryId": "000000000000",
      "repositoryCreationTemplate": {
        "appliedFor": [
          "CREATE_ON_PUSH"
        ],
        "createdAt": 1767225600.5,
        "encryptionConfiguration": {
          "encryptionType": "AES256"
        },
        "imageTagMutability": "MUTABLE",
        "prefix": "team",
        "updatedAt": 1767225600.5
      }
    }
    "#);
    let described = api.ok("DescribeRepositoryCreationTemplates", json!({})).await;
    assert_eq!(
        described,
        json!({
            "registryId": ACCOUNT,
            "repositoryCreationTemplates": [created["repositoryCreationTemplate"]],
        })
    );
}

#[tokio::test]
async fn a_template_keeps_what_it_was_given() {
    let api = Api::new();
    let created = create(&api, full("team/a")).await;
    insta::assert_snapshot!(pretty(&created, &["repositoryPolicy"]), @r#"
    {
      "appliedFor": [
        "CREATE_ON_PUSH",
        "PULL_THROUGH_CACHE",
        "REPLICATION"
      ],
      "createdAt": 1767225600.5,
      "customRoleArn": "arn:aws:iam::000000000000:role/ecr",
      "description": "for teams",
      "encryptionConfiguration": {
        "encryptionType": "KMS",
        "kmsKey": "arn:aws:kms:us-east-1:000000000000:key/1234abcd"
      },
      "imageTagMutability": "IMMUTABLE_WITH_EXCLUSION",
      "imageTagMutabilityExclusionFilters": [
        {
          "filter": "dev-*",
          "filterType": "WILDCARD"
        }
      ],
      "lifecyclePolicy": "{\"rules\":[{\"rulePriority\":1,\"selection\":{\"tagStatus\":\"untagged\",\"countType\":\"imageCountMoreThan\",\"countNumber\":1},\"action\":{\"type\":\"expire\"}}]}",
      "prefix": "team/a",
      "repositoryPolicy": "<repositoryPolicy>",
      "resourceTags": [
        {
          "Key": "team",
          "Value": "b"
        },
        {
          "Key": "stage",
          "Value": "prod"
        }
      ],
      "updatedAt": 1767225600.5
    }
    "#);
    assert!(
        created["repositoryPolicy"]
            .as_str()
            .unwrap()
            .starts_with("{\n  \"Version\" : ")
    );
    let deleted = api
        .ok("DeleteRepositoryCreationTemplate", json!({ "prefix": "team/a" }))
        .await;
    assert_eq!(deleted["repositoryCreationTemplate"], created);
    assert_eq!(describe(&api, json!({})).await, [""; 0]);
}

#[tokio::test]
async fn an_update_changes_what_it_names() {
    let api = Api::new();
    let before = create(&api, full("team")).await;
    api.service().clock.advance(1_000);
    let update = |input: Value| api.ok("UpdateRepositoryCreationTemplate", input);
    let answer = update(json!({ "prefix": "team", "description": "for all" })).await;
    let mut expected = before.clone();
    expected["description"] = json!("for all");
    expected["updatedAt"] = json!(1_767_225_601.5);
    assert_eq!(
        answer,
        json!({ "registryId": ACCOUNT, "repositoryCreationTemplate": expected })
    );

    let answer = update(json!({
        "prefix": "team",
        "appliedFor": ["REPLICATION", "REPLICATION"],
        "encryptionConfiguration": { "encryptionType": "AES256" },
        "imageTagMutability": "MUTABLE",
        "resourceTags": [],
        "repositoryPolicy": "",
        "lifecyclePolicy": "",
    }))
    .await;
    let template = &answer["repositoryCreationTemplate"];
    assert_eq!(template["appliedFor"], json!(["REPLICATION"]));
    assert_eq!(
        template["encryptionConfiguration"],
        json!({ "encryptionType": "AES256" })
    );
    assert_eq!(template["createdAt"], before["createdAt"]);
    for gone in [
        "imageTagMutabilityExclusionFilters",
        "resourceTags",
        "repositoryPolicy",
        "lifecyclePolicy",
    ] {
        assert!(template.get(gone).is_none(), "{gone}");
    }
    assert_eq!(template["customRoleArn"], before["customRoleArn"]);
}

#[tokio::test]
async fn a_prefix_has_one_template() {
    let api = Api::new();
    create(&api, template("team/")).await;
    for prefix in ["team", "team/"] {
        api.call("CreateRepositoryCreationTemplate", template(prefix)).await.refuses(
            ErrorCode::TemplateAlreadyExistsException,
            &format!(
                "The repository creation template with prefix '{prefix}' already exists in the registry with id \
                 '{ACCOUNT}'"
            ),
        );
    }
    // The prefix is returned as it was passed.
    assert_eq!(describe(&api, json!({ "prefixes": ["team"] })).await, ["team/"]);
    for elsewhere in [api.by_account(OTHER_ACCOUNT), api.in_region("eu-west-1")] {
        assert_eq!(describe(&elsewhere, json!({})).await, [""; 0]);
        create(&elsewhere, template("team")).await;
    }
}

#[tokio::test]
async fn a_template_that_is_not_there_is_named_in_the_answer() {
    let api = Api::new();
    for operation in [
        "UpdateRepositoryCreationTemplate",
        "DeleteRepositoryCreationTemplate",
    ] {
        api.call(operation, json!({ "prefix": "ROOT" })).await.refuses(
            ErrorCode::TemplateNotFoundException,
            &format!("The repository creation template with prefix 'ROOT' does not exist in the registry with id '{ACCOUNT}'"),
        );
    }
    let answer = describe(&api, json!({ "prefixes": ["aa", "ROOT"] })).await;
    assert_eq!(answer, [""; 0]);
}

#[tokio::test]
async fn templates_are_described_by_name_or_page_by_page() {
    let api = Api::new();
    for prefix in ["b", "a/b/c", "ROOT", "a", "a-b"] {
        create(&api, template(prefix)).await;
    }
    let mut seen = Vec::new();
    let mut token = Value::Null;
    loop {
        let mut input = json!({ "maxResults": 2 });
        if token.is_string() {
            input["nextToken"] = token;
        }
        let page = api.ok("DescribeRepositoryCreationTemplates", input).await;
        let templates = page["repositoryCreationTemplates"].as_array().unwrap().clone();
        assert!(templates.len() <= 2);
        seen.extend(
            templates
                .iter()
                .map(|one| one["prefix"].as_str().unwrap().to_owned()),
        );
        token = page["nextToken"].clone();
        if token.is_null() {
            break;
        }
    }
    assert_eq!(seen, ["ROOT", "a", "a-b", "a/b/c", "b"]);
    let named = describe(&api, json!({ "prefixes": ["b", "absent", "ROOT", "b/"] })).await;
    assert_eq!(named, ["b", "ROOT"]);

    let both = json!({ "prefixes": ["b"], "maxResults": 2 });
    let answer = api.call("DescribeRepositoryCreationTemplates", both).await;
    assert_eq!(answer.error(), Some("InvalidParameterException"));
    let foreign = json!({ "nextToken": "bm90aGluZw" });
    let answer = api.call("DescribeRepositoryCreationTemplates", foreign).await;
    assert_eq!(answer.error(), Some("InvalidContinuationTokenException"));
}

#[tokio::test]
async fn settings_that_no_repository_could_have_are_refused() {
    let api = Api::new();
    create(&api, template("there")).await;
    let long_tags = (0..51)
        .map(|n| json!({ "Key": n.to_string(), "Value": "" }))
        .collect::<Vec<_>>();
    for (member, value, named) in [
        ("appliedFor", json!([]), "appliedFor"),
        (
            "imageTagMutability",
            json!("IMMUTABLE_WITH_EXCLUSION"),
            "imageTagMutabilityExclusionFilters",
        ),
        (
            "imageTagMutabilityExclusionFilters",
            json!([{ "filterType": "WILDCARD", "filter": "a*" }]),
            "imageTagMutabilityExclusionFilters",
        ),
        (
            "encryptionConfiguration",
            json!({ "encryptionType": "AES256", "kmsKey": "arn:aws:kms:us-east-1:000000000000:key/a" }),
            "encryptionConfiguration",
        ),
        (
            "encryptionConfiguration",
            json!({ "encryptionType": "KMS", "kmsKey": "arn:aws:kms:eu-west-1:000000000000:key/a" }),
            "encryptionConfiguration",
        ),
        (
            "resourceTags",
            json!([{ "Key": "aws:x", "Value": "" }]),
            "resourceTags",
        ),
        ("resourceTags", json!(long_tags), "resourceTags"),
        ("repositoryPolicy", json!("{}"), "RepositoryPolicy"),
        ("lifecyclePolicy", json!("{}"), "LifecyclePolicyText"),
        (
            "repositoryPolicy",
            json!(POLICY.replace("ecr:*", "s3:*")),
            "RepositoryPolicy",
        ),
    ] {
        for operation in [
            "CreateRepositoryCreationTemplate",
            "UpdateRepositoryCreationTemplate",
        ] {
            let mut input = template("there");
            if operation == "CreateRepositoryCreationTemplate" {
                input["prefix"] = json!("new");
            }
            input[member] = value.clone();
            let answer = api.call(operation, input).await;
            assert_eq!(
                answer.error(),
                Some("InvalidParameterException"),
                "{operation} {member}: {}",
                answer.body
            );
            assert!(
                answer.message().contains(&format!(" at '{named}' ")),
                "{}",
                answer.message()
            );
        }
    }
}

#[tokio::test]
async fn a_prefix_is_that_of_a_name_or_root() {
    let api = Api::new();
    for prefix in ["a//b", "UPPER", "", "root", "a/", "ROOT/"] {
        let answer = api
            .call("CreateRepositoryCreationTemplate", template(prefix))
            .await;
        let fine = matches!(prefix, "root" | "a/");
        assert_eq!(answer.error().is_none(), fine, "{prefix}");
    }
    for operation in [
        "DeleteRepositoryCreationTemplate",
        "DescribeRepositoryCreationTemplates",
    ] {
        let answer = api
            .call(operation, json!({ "prefix": "-", "prefixes": ["-"] }))
            .await;
        assert_eq!(answer.error(), Some("InvalidParameterException"), "{operation}");
    }
}

#[tokio::test]
async fn a_registry_holds_so_many_templates_and_no_more() {
    let setting = "creation-templates-per-registry=1".parse().unwrap();
    let api = Api::with(|configuration| configuration.quotas = Quotas::default().with(setting));
    create(&api, template("a")).await;
    api.call("CreateRepositoryCreationTemplate", template("b")).await.refuses(
        ErrorCode::LimitExceededException,
        &format!(
            "The registry with id '{ACCOUNT}' already has the maximum allowed number of repository creation templates \
             which is '1'"
        ),
    );
}

#[tokio::test]
async fn keys_and_principals_of_another_partition_are_refused() {
    let api = Api::new();
    create(&api, template("there")).await;
    let key = json!({ "encryptionType": "KMS", "kmsKey": "arn:aws-cn:kms:us-east-1:000000000000:key/a" });
    let policy = POLICY.replace("\"*\"", r#"{"AWS":"arn:aws-cn:iam::111122223333:root"}"#);
    for (operation, prefix) in [
        ("CreateRepositoryCreationTemplate", "new"),
        ("UpdateRepositoryCreationTemplate", "there"),
    ] {
        let mut input = template(prefix);
        input["repositoryPolicy"] = json!(policy);
        let answer = api.call(operation, input).await;
        answer.refuses_parameter("RepositoryPolicy", "Invalid repository policy provided");
        let mut input = template(prefix);
        input["encryptionConfiguration"] = key.clone();
        let answer = api.call(operation, input).await;
        answer.refuses_code(ErrorCode::InvalidParameterException);
    }
}

#[tokio::test]
async fn a_template_that_was_stored_with_a_key_of_another_partition_is_applied() {
    let api = Api::new();
    create(&api, full("team")).await;
    api.execute("UPDATE creation_templates SET kms_key = replace(kms_key, 'arn:aws:', 'arn:aws-cn:')")
        .await;
    assert_eq!(begin(&api, "team/a/app").await, None);
    let made = repository(&api, "team/a/app").await;
    let kept = "arn:aws-cn:kms:us-east-1:000000000000:key/1234abcd";
    assert_eq!(made["encryptionConfiguration"]["kmsKey"], kept);
    // Settings that an update does not name remain.
    let update = json!({ "prefix": "team", "description": "x" });
    let updated = api.ok("UpdateRepositoryCreationTemplate", update).await;
    let template = &updated["repositoryCreationTemplate"];
    assert_eq!(template["encryptionConfiguration"]["kmsKey"], kept);
}

#[tokio::test]
async fn a_push_makes_a_repository_with_every_setting_of_its_template() {
    let api = Api::new();
    create(&api, full("team")).await;
    assert_eq!(begin(&api, "team/a/app").await, None);
    let made = repository(&api, "team/a/app").await;
    insta::assert_snapshot!(pretty(&made, &[]), @r#"
    {
      "createdAt": 1767225600.5,
      "encryptionConfiguration": {
        "encryptionType": "KMS",
        "kmsKey": "arn:aws:kms:us-east-1:000000000000:key/1234abcd"
      },
      "imageScanningConfiguration": {
        "scanOnPush": false
      },
      "imageTagMutability": "IMMUTABLE_WITH_EXCLUSION",
      "imageTagMutabilityExclusionFilters": [
        {
          "filter": "dev-*",
          "filterType": "WILDCARD"
        }
      ],
      "registryId": "000000000000",
      "repositoryArn": "arn:aws:ecr:us-east-1:000000000000:repository/team/a/app",
      "repositoryName": "team/a/app",
      "repositoryUri": "localhost:4566/team/a/app"
    }
    "#);
    let tags = api
        .ok(
            "ListTagsForResource",
            json!({ "resourceArn": made["repositoryArn"] }),
        )
        .await;
    assert_eq!(
        tags["tags"],
        json!([{ "Key": "stage", "Value": "prod" }, { "Key": "team", "Value": "b" }])
    );
    let policy = api
        .ok("GetRepositoryPolicy", json!({ "repositoryName": "team/a/app" }))
        .await;
    assert!(policy["policyText"].as_str().unwrap().contains("\"ecr:*\""));
    let lifecycle = api
        .ok("GetLifecyclePolicy", json!({ "repositoryName": "team/a/app" }))
        .await;
    assert_eq!(lifecycle["lifecyclePolicyText"], LIFECYCLE);
    api.push("team/a/app", Some("v1"), &Image::new(1)).await;

    // A repository that exists keeps its settings.
    api.ok(
        "UpdateRepositoryCreationTemplate",
        json!({ "prefix": "team", "imageTagMutability": "MUTABLE" }),
    )
    .await;
    assert_eq!(begin(&api, "team/a/app").await, None);
    assert_eq!(repository(&api, "team/a/app").await, made);
}

#[tokio::test]
async fn rules_of_a_lifecycle_policy_come_back_in_the_order_of_their_priorities() {
    let api = Api::new();
    let (given, sorted) = unsorted_rules();
    let check = |text: &Value| {
        let policy: Value = serde_json::from_str(text.as_str().unwrap()).unwrap();
        assert_eq!(policy, sorted);
    };
    let mut input = template("team");
    input["lifecyclePolicy"] = json!(given);
    check(&create(&api, input).await["lifecyclePolicy"]);
    create(&api, template("other")).await;
    let input = json!({ "prefix": "other", "lifecyclePolicy": given });
    let updated = api.ok("UpdateRepositoryCreationTemplate", input).await;
    check(&updated["repositoryCreationTemplate"]["lifecyclePolicy"]);
    let described = api.ok("DescribeRepositoryCreationTemplates", json!({})).await;
    let described = described["repositoryCreationTemplates"].as_array().unwrap();
    assert_eq!(described.len(), 2);
    for template in described {
        check(&template["lifecyclePolicy"]);
    }
    assert_eq!(begin(&api, "team/app").await, None);
    let made = json!({ "repositoryName": "team/app" });
    check(&api.ok("GetLifecyclePolicy", made).await["lifecyclePolicyText"]);

    // A text whose rules are in order already is returned with its white space.
    let spaced = format!(" {} ", LIFECYCLE.replace(':', ": "));
    let input = json!({ "prefix": "team", "lifecyclePolicy": spaced });
    let updated = api.ok("UpdateRepositoryCreationTemplate", input).await;
    assert_eq!(updated["repositoryCreationTemplate"]["lifecyclePolicy"], spaced);
}

#[tokio::test]
async fn the_longest_prefix_that_is_applied_for_pushes_wins() {
    let api = Api::new();
    for (prefix, applied_for, tag) in [
        ("ROOT", "CREATE_ON_PUSH", "root"),
        ("team", "CREATE_ON_PUSH", "team"),
        ("team/a", "CREATE_ON_PUSH", "team/a"),
        ("team/a/b", "REPLICATION", "replicated"),
    ] {
        let mut input = template(prefix);
        input["appliedFor"] = json!([applied_for]);
        input["resourceTags"] = json!([{ "Key": "by", "Value": tag }]);
        input["customRoleArn"] = json!("arn:aws:iam::000000000000:role/ecr");
        create(&api, input).await;
    }
    for (name, by) in [
        ("other", "root"),
        ("other/x", "root"),
        ("team", "root"),
        ("teams/x", "root"),
        ("team/x", "team"),
        ("team/ab/x", "team"),
        ("team/a", "team"),
        ("team/a/x", "team/a"),
        ("team/a/b/c/d", "team/a"),
    ] {
        assert_eq!(begin(&api, name).await, None, "{name}");
        let arn = repository(&api, name).await["repositoryArn"].clone();
        let tags = api.ok("ListTagsForResource", json!({ "resourceArn": arn })).await;
        assert_eq!(tags["tags"], json!([{ "Key": "by", "Value": by }]), "{name}");
    }
}

#[tokio::test]
async fn tags_and_keys_of_a_template_need_a_role() {
    let api = Api::new();
    let mut tagged = template("tagged");
    tagged["resourceTags"] = json!([{ "Key": "team", "Value": "a" }]);
    let mut encrypted = template("encrypted");
    encrypted["encryptionConfiguration"] = json!({ "encryptionType": "KMS" });
    for (name, mut input) in [("tagged/app", tagged), ("encrypted/app", encrypted)] {
        create(&api, input.clone()).await;
        assert_eq!(
            begin(&api, name).await.as_deref(),
            Some("RepositoryNotFoundException"),
            "{name}"
        );
        input["customRoleArn"] = json!("arn:aws:iam::000000000000:role/ecr");
        api.ok("UpdateRepositoryCreationTemplate", input).await;
        assert_eq!(begin(&api, name).await, None, "{name}");
    }
}

#[tokio::test]
async fn without_a_template_for_pushes_nothing_is_made() {
    let api = Api::new();
    let mut other = template("team");
    other["appliedFor"] = json!(["REPLICATION", "PULL_THROUGH_CACHE"]);
    create(&api, other).await;
    create(&api, template("else")).await;
    for name in ["team/a", "else", "elsewhere/a"] {
        let answer = api
            .call("InitiateLayerUpload", json!({ "repositoryName": name }))
            .await;
        answer.refuses(ErrorCode::RepositoryNotFoundException, &absent(name));
        let answer = api.call("PutImage", put(name, &Image::new(1).text(), None)).await;
        answer.refuses(ErrorCode::RepositoryNotFoundException, &absent(name));
    }
    // A push that fails creates no repository.
    let answer = api
        .call("PutImage", put("else/a", &Image::new(1).text(), None))
        .await;
    assert_eq!(answer.error(), Some("LayersNotFoundException"));
    // A read creates no repository.
    let answer = api
        .call("ListImages", json!({ "repositoryName": "else/a" }))
        .await;
    answer.refuses(ErrorCode::RepositoryNotFoundException, &absent("else/a"));
    assert_eq!(api.count("SELECT count(*) FROM repositories"), 0);
}

#[tokio::test]
async fn whoever_may_not_create_a_repository_makes_none_by_pushing() {
    let api = Api::new();
    create(&api, template("team")).await;
    let policy = |actions: Value| {
        let allow = json!({
            "Effect": "Allow", "Principal": { "AWS": OTHER_ACCOUNT }, "Action": actions, "Resource": "*",
        });
        json!({ "policyText": json!({ "Version": "2012-10-17", "Statement": [allow] }).to_string() })
    };
    let stranger = api.by_account(OTHER_ACCOUNT);
    let ask = || json!({ "registryId": ACCOUNT, "repositoryName": "team/a" });
    api.ok("PutRegistryPolicy", policy(json!("ecr:InitiateLayerUpload")))
        .await;
    let answer = stranger.call("InitiateLayerUpload", ask()).await;
    assert_eq!(answer.error(), Some("AccessDeniedException"));
    assert!(
        answer.message().contains(" perform: ecr:CreateRepository on "),
        "{}",
        answer.message()
    );
    assert_eq!(api.count("SELECT count(*) FROM repositories"), 0);

    api.ok(
        "PutRegistryPolicy",
        policy(json!(["ecr:InitiateLayerUpload", "ecr:CreateRepository"])),
    )
    .await;
    stranger.ok("InitiateLayerUpload", ask()).await;
    assert_eq!(repository(&api, "team/a").await["registryId"], ACCOUNT);
}

#[tokio::test]
async fn replication_makes_a_repository_by_its_template() {
    let api = Api::new();
    let there = api.by_account(OTHER_ACCOUNT);
    let mut input = full("team");
    input["encryptionConfiguration"] = json!({ "encryptionType": "AES256" });
    input["customRoleArn"] = json!(format!("arn:aws:iam::{OTHER_ACCOUNT}:role/ecr"));
    create(&there, input).await;
    api.replicate(&[rule(&[(OTHER_ACCOUNT, EAST)], &[], false)]).await;
    there
        .allow_replication(&["ecr:ReplicateImage", "ecr:CreateRepository"])
        .await;
    api.create("team/a").await;
    api.push("team/a", Some("v1"), &Image::new(1)).await;
    api.run_replication().await;
    // The template has tags, so creating the repository also needs permission to tag it.
    assert_eq!(there.count("SELECT count(*) FROM repositories"), 1);

    there
        .allow_replication(&["ecr:ReplicateImage", "ecr:CreateRepository", "ecr:TagResource"])
        .await;
    api.push("team/a", Some("v2"), &Image::new(2)).await;
    api.run_replication().await;
    let made = repository(&there, "team/a").await;
    assert_eq!(made["imageTagMutability"], "IMMUTABLE_WITH_EXCLUSION");
    assert!(there.tags("team/a").await.iter().any(|(tag, _)| tag == "v2"));
    let tags = json!({ "resourceArn": made["repositoryArn"] });
    let tags = there.ok("ListTagsForResource", tags).await;
    assert_eq!(tags["tags"][0], json!({ "Key": "stage", "Value": "prod" }));
}

#[tokio::test]
async fn a_reset_takes_templates_along() {
    let api = Api::new();
    let other = api.by_account(OTHER_ACCOUNT);
    create(&api, template("team")).await;
    create(&other, template("team")).await;
    let account = ecru_model::RegistryId::parse(ACCOUNT).unwrap();
    api.reset(Some(account)).await;
    assert_eq!(describe(&api, json!({})).await, [""; 0]);
    assert_eq!(describe(&other, json!({})).await, ["team"]);
}
