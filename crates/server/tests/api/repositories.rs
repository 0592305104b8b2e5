//! Repositories: created, described, changed and deleted.

use ecru_model::ErrorCode;
use ecru_registry::RepositoryUriShape;
use serde_json::{Value, json};

use crate::api::{ACCOUNT, Api, join_all, pretty};
use crate::content::Image;

fn named(name: &str) -> Value {
    json!({ "repositoryName": name })
}

pub(crate) fn absent(name: &str) -> String {
    format!("The repository with name '{name}' does not exist in the registry with id '{ACCOUNT}'")
}

#[tokio::test]
async fn a_new_repository_has_every_default() {
    let api = Api::new();
    let created = api.create("team/web.app").await;
    insta::assert_snapshot!(pretty(&created, &[]), @r#"
    {
      "repository": {
        "createdAt": 1767225600.5,
        "encryptionConfiguration": {
          "encryptionType": "AES256"
        },
        "imageScanningConfiguration": {
          "scanOnPush": false
        },
        "imageTagMutability": "MUTABLE",
        "registryId": "000000000000",
        "repositoryArn": "arn:aws:ecr:us-east-1:000000000000:repository/team/web.app",
        "repositoryName": "team/web.app",
        "repositoryUri": "localhost:4566/team/web.app"
      }
    }
    "#);
    let described = api.ok("DescribeRepositories", json!({})).await;
    assert_eq!(described, json!({ "repositories": [created["repository"]] }));
}

#[tokio::test]
async fn a_new_repository_has_what_was_asked_for() {
    let api = Api::new();
    let created = api
        .ok(
            "CreateRepository",
            json!({
                "registryId": ACCOUNT,
                "repositoryName": "demo",
                "imageTagMutability": "IMMUTABLE_WITH_EXCLUSION",
                "imageTagMutabilityExclusionFilters": [
                    { "filterType": "WILDCARD", "filter": "dev-*" },
                    { "filterType": "WILDCARD", "filter": "latest" },
                ],
                "imageScanningConfiguration": { "scanOnPush": true },
                "encryptionConfiguration": { "encryptionType": "KMS", "kmsKey": "alias/mine" },
                "tags": [{ "Key": "team", "Value": "a" }, { "Key": "empty", "Value": "" }],
            }),
        )
        .await;
    insta::assert_snapshot!(pretty(&created, &[]), @r#"
    {
      "repository": {
        "createdAt": 1767225600.5,
        "encryptionConfiguration": {
          "encryptionType": "KMS",
          "kmsKey": "arn:aws:kms:us-east-1:000000000000:alias/mine"
        },
        "imageScanningConfiguration": {
          "scanOnPush": true
        },
        "imageTagMutability": "IMMUTABLE_WITH_EXCLUSION",
        "imageTagMutabilityExclusionFilters": [
          {
            "filter": "dev-*",
            "filterType": "WILDCARD"
          },
          {
            "filter": "latest",
            "filterType": "WILDCARD"
          }
        ],
        "registryId": "000000000000",
        "repositoryArn": "arn:aws:ecr:us-east-1:000000000000:repository/demo",
        "repositoryName": "demo",
        "repositoryUri": "localhost:4566/demo"
      }
    }
    "#);
    let described = api
        .ok("DescribeRepositories", json!({ "repositoryNames": ["demo"] }))
        .await;
    assert_eq!(described, json!({ "repositories": [created["repository"]] }));
    let arn = &created["repository"]["repositoryArn"];
    let tags = api.ok("ListTagsForResource", json!({ "resourceArn": arn })).await;
    let expected = json!({ "tags": [{ "Key": "empty", "Value": "" }, { "Key": "team", "Value": "a" }] });
    assert_eq!(tags, expected);
}

#[tokio::test]
async fn a_key_is_kept_as_its_arn_in_the_partition_of_the_region() {
    let key = async |region: &str, encryption: Value| {
        let input = json!({ "repositoryName": "demo", "encryptionConfiguration": encryption });
        let created = Api::new().in_region(region).ok("CreateRepository", input).await;
        created["repository"]["encryptionConfiguration"].clone()
    };
    let arn = "arn:aws:kms:us-east-1:999999999999:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    assert_eq!(
        key("us-east-1", json!({ "encryptionType": "KMS", "kmsKey": arn })).await,
        json!({ "encryptionType": "KMS", "kmsKey": arn })
    );
    let default = key("us-east-1", json!({ "encryptionType": "KMS" })).await;
    let id = default["kmsKey"]
        .as_str()
        .and_then(|arn| arn.strip_prefix("arn:aws:kms:us-east-1:000000000000:key/"));
    assert!(uuid::Uuid::parse_str(id.unwrap()).is_ok(), "{default}");
    for encryption in [
        json!({ "encryptionType": "KMS_DSSE" }),
        json!({ "encryptionType": "KMS", "kmsKey": "alias/aws/ecr" }),
    ] {
        assert_eq!(key("us-east-1", encryption).await["kmsKey"], default["kmsKey"]);
    }
    let elsewhere = key("us-iso-east-1", json!({ "encryptionType": "KMS" })).await;
    assert!(
        elsewhere["kmsKey"]
            .as_str()
            .unwrap()
            .starts_with("arn:aws-iso:kms:us-iso-east-1:000000000000:key/"),
        "{elsewhere}"
    );
    assert_eq!(
        key(
            "us-gov-west-1",
            json!({ "encryptionType": "KMS_DSSE", "kmsKey": "1234abcd" })
        )
        .await["kmsKey"],
        "arn:aws-us-gov:kms:us-gov-west-1:000000000000:key/1234abcd"
    );
    assert_eq!(
        key("cn-north-1", json!({ "encryptionType": "AES256" })).await,
        json!({ "encryptionType": "AES256" })
    );
}

#[tokio::test]
async fn a_repository_is_addressed_as_its_registry_is_configured_to_be() {
    let uri = async |region: &str, shape: RepositoryUriShape| {
        let api = Api::with(|configuration| configuration.repository_uri = shape).in_region(region);
        api.create("demo").await["repository"]["repositoryUri"].clone()
    };
    assert_eq!(
        uri("eu-west-1", RepositoryUriShape::Request).await,
        "localhost:4566/demo"
    );
    assert_eq!(
        uri("eu-west-1", RepositoryUriShape::Aws).await,
        "000000000000.dkr.ecr.eu-west-1.amazonaws.com:4566/demo"
    );
    assert_eq!(
        uri("cn-north-1", RepositoryUriShape::Aws).await,
        "000000000000.dkr.ecr.cn-north-1.amazonaws.com.cn:4566/demo"
    );
}

#[tokio::test]
async fn a_name_is_taken_once() {
    let api = Api::new();
    api.create("demo").await;
    let again = api.call("CreateRepository", named("demo")).await;
    again.refuses(
        ErrorCode::RepositoryAlreadyExistsException,
        "The repository with name 'demo' already exists in the registry with id '000000000000'",
    );
}

#[tokio::test]
async fn of_many_who_create_one_name_one_succeeds() {
    let api = Api::new();
    let all = (0..20).map(|_| api.call("CreateRepository", named("demo")));
    let answers = join_all(all).await;
    let created = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(created, 1);
    let refused = |answer: &&crate::api::Answer| answer.error() == Some("RepositoryAlreadyExistsException");
    assert_eq!(answers.iter().filter(refused).count(), 19);
}

#[tokio::test]
async fn a_repository_that_is_not_there_is_named_in_the_answer() {
    let api = Api::new();
    api.create("there").await;
    let calls = [
        ("DeleteRepository", named("gone")),
        (
            "DeleteRepository",
            json!({ "repositoryName": "gone", "force": true }),
        ),
        (
            "DescribeRepositories",
            json!({ "repositoryNames": ["there", "gone"] }),
        ),
        (
            "PutImageTagMutability",
            json!({ "repositoryName": "gone", "imageTagMutability": "IMMUTABLE" }),
        ),
        (
            "PutImageScanningConfiguration",
            json!({ "repositoryName": "gone", "imageScanningConfiguration": { "scanOnPush": true } }),
        ),
    ];
    for (operation, input) in calls {
        let answer = api.call(operation, input).await;
        answer.refuses(ErrorCode::RepositoryNotFoundException, &absent("gone"));
    }
}

#[tokio::test]
async fn repositories_are_described_in_the_order_of_their_names_or_as_they_were_named() {
    let api = Api::new();
    for name in ["b", "a/z", "a-z", "a"].map(|name| format!("x{name}")) {
        api.create(&name).await;
    }
    let names = |described: &Value| {
        let repositories = described["repositories"].as_array().unwrap().clone();
        repositories
            .into_iter()
            .map(|repository| repository["repositoryName"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let all = api.ok("DescribeRepositories", json!({})).await;
    assert_eq!(names(&all), ["xa", "xa-z", "xa/z", "xb"]);
    let some = json!({ "repositoryNames": ["xb", "xa", "xb"] });
    assert_eq!(names(&api.ok("DescribeRepositories", some).await), ["xb", "xa"]);
}

#[tokio::test]
async fn a_registry_holds_so_many_repositories_and_no_more() {
    let api = Api::new();
    api.execute(
        "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 99999)
         INSERT INTO repositories (account, region, name, created_at, tag_mutability, scan_on_push, encryption_type)
         SELECT '000000000000', 'us-east-1', 'r' || n, 0, 'MUTABLE', 0, 'AES256' FROM numbers",
    )
    .await;
    api.execute("INSERT INTO registry_counters VALUES ('000000000000', 'us-east-1', 'repositories', 99999)")
        .await;
    api.create("last").await;
    let one_more = api.call("CreateRepository", named("over")).await;
    one_more.refuses(
        ErrorCode::LimitExceededException,
        "The registry with id '000000000000' already has the maximum allowed number of repositories which is \
         '100000'",
    );
    api.in_region("eu-west-1").create("over").await;
}

#[tokio::test]
async fn a_key_of_another_region_cannot_encrypt() {
    cannot_encrypt("arn:aws:kms:eu-west-1:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab").await;
}

#[tokio::test]
async fn a_key_of_another_partition_cannot_encrypt() {
    cannot_encrypt("arn:aws-cn:kms:us-east-1:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab").await;
}

async fn cannot_encrypt(key: &str) {
    let api = Api::new();
    let input = json!({
        "repositoryName": "demo",
        "encryptionConfiguration": { "encryptionType": "KMS", "kmsKey": key },
    });
    let answer = api.call("CreateRepository", input).await;
    answer.refuses(
        ErrorCode::KmsException,
        &format!("The KMS key '{key}' is not a key of the region us-east-1"),
    );
    assert_eq!(answer.body["kmsError"], "NotFoundException");
    assert_eq!(
        api.ok("DescribeRepositories", json!({})).await["repositories"],
        json!([])
    );
}

#[tokio::test]
async fn tags_of_a_new_repository_keep_their_limits() {
    let api = Api::new();
    let create = async |tags: Value| {
        let input = json!({ "repositoryName": "demo", "tags": tags });
        api.call("CreateRepository", input).await
    };
    let many = (0..51)
        .map(|n| json!({ "Key": format!("k{n}"), "Value": "" }))
        .collect::<Vec<_>>();
    create(json!(many)).await.refuses(
        ErrorCode::TooManyTagsException,
        "The list of tags on the repository is over the limit. The maximum number of tags is 50",
    );
    let empty = create(json!([{ "Key": "", "Value": "" }])).await;
    empty.refuses(
        ErrorCode::InvalidTagParameterException,
        "Tag parameters are invalid",
    );
    let unnamed = create(json!([{ "Key": "a", "Value": "b" }, { "Value": "c" }])).await;
    unnamed.refuses_parameter("tags.2.member.key", "Member must not be null");
    assert_eq!(
        api.ok("DescribeRepositories", json!({})).await["repositories"],
        json!([])
    );
}

#[tokio::test]
async fn a_repository_with_images_is_deleted_by_force_only() {
    let api = Api::new();
    api.create("demo").await;
    api.push("demo", Some("v1"), &Image::new(1)).await;
    let refused = api.call("DeleteRepository", named("demo")).await;
    refused.refuses(
        ErrorCode::RepositoryNotEmptyException,
        "The repository with name 'demo' in registry with id '000000000000' cannot be deleted because it still \
         contains images",
    );
    let deleted = api
        .ok(
            "DeleteRepository",
            json!({ "repositoryName": "demo", "force": true }),
        )
        .await;
    assert_eq!(deleted["repository"]["repositoryName"], "demo");
    let gone = api.call("DeleteRepository", named("demo")).await;
    gone.refuses(ErrorCode::RepositoryNotFoundException, &absent("demo"));
}

#[tokio::test]
async fn a_repository_with_layers_and_uploads_but_no_image_is_deleted() {
    let api = Api::new();
    api.create("demo").await;
    api.push_layer("demo", b"layer").await;
    api.begin_upload("demo").await;
    let deleted = api.ok("DeleteRepository", named("demo")).await;
    insta::assert_snapshot!(pretty(&deleted, &[]), @r#"
    {
      "repository": {
        "createdAt": 1767225600.5,
        "encryptionConfiguration": {
          "encryptionType": "AES256"
        },
        "imageScanningConfiguration": {
          "scanOnPush": false
        },
        "imageTagMutability": "MUTABLE",
        "registryId": "000000000000",
        "repositoryArn": "arn:aws:ecr:us-east-1:000000000000:repository/demo",
        "repositoryName": "demo",
        "repositoryUri": "localhost:4566/demo"
      }
    }
    "#);
}

#[tokio::test]
async fn a_name_that_is_used_again_has_nothing_of_before() {
    let api = Api::new();
    api.create("demo").await;
    let image = Image::new(1);
    api.push("demo", Some("v1"), &image).await;
    let upload = api.upload("demo", b"half").await;
    let arn = "arn:aws:ecr:us-east-1:000000000000:repository/demo";
    api.ok(
        "TagResource",
        json!({ "resourceArn": arn, "tags": [{ "Key": "a", "Value": "b" }] }),
    )
    .await;
    api.ok(
        "DeleteRepository",
        json!({ "repositoryName": "demo", "force": true }),
    )
    .await;
    api.create("demo").await;

    for background in [false, true] {
        if background {
            api.run_due().await;
        }
        assert_eq!(
            api.ok("ListImages", named("demo")).await,
            json!({ "imageIds": [] })
        );
        assert_eq!(
            api.ok("ListTagsForResource", json!({ "resourceArn": arn })).await,
            json!({ "tags": [] })
        );
        let layers = json!({ "repositoryName": "demo", "layerDigests": [image.layer_digest()] });
        let layers = api.ok("BatchCheckLayerAvailability", layers).await;
        assert_eq!(layers["layers"][0]["layerAvailability"], "UNAVAILABLE");
        let more = api
            .call(
                "UploadLayerPart",
                crate::content::part("demo", &upload, 4, b"more"),
            )
            .await;
        assert_eq!(more.error(), Some("UploadNotFoundException"));
        let put = api
            .call("PutImage", crate::content::put("demo", &image.text(), None))
            .await;
        assert_eq!(put.error(), Some("LayersNotFoundException"));
    }
    assert_eq!(api.count("SELECT count(*) FROM images"), 0);
    assert_eq!(api.count("SELECT count(*) FROM uploads"), 0);
    assert_eq!(api.count("SELECT count(*) FROM links"), 0);
    assert_eq!(api.count("SELECT count(*) FROM repositories"), 1);
}

#[tokio::test]
async fn scanning_on_push_is_a_switch() {
    let api = Api::new();
    api.create("demo").await;
    for (configuration, on) in [
        (json!({ "scanOnPush": true }), true),
        (json!({ "scanOnPush": true }), true),
        (json!({}), false),
    ] {
        let input = json!({ "repositoryName": "demo", "imageScanningConfiguration": configuration });
        let put = api.ok("PutImageScanningConfiguration", input).await;
        let expected = json!({
            "registryId": ACCOUNT,
            "repositoryName": "demo",
            "imageScanningConfiguration": { "scanOnPush": on },
        });
        assert_eq!(put, expected);
        let described = api.ok("DescribeRepositories", json!({})).await;
        let configuration = &described["repositories"][0]["imageScanningConfiguration"];
        assert_eq!(configuration["scanOnPush"], on);
    }
}

#[tokio::test]
async fn names_that_are_none_are_refused_with_the_grammar() {
    let api = Api::new();
    let grammar = "must satisfy regular expression \
                   '[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*)*'";
    let length = |bound: &str| format!("must have length {bound}");
    let long = "a".repeat(257);
    let cases = [
        ("", length("greater than or equal to 2")),
        ("a", length("greater than or equal to 2")),
        (long.as_str(), length("less than or equal to 256")),
        ("UPPER", grammar.to_owned()),
        ("a..b", grammar.to_owned()),
        ("a___b", grammar.to_owned()),
        ("../a", grammar.to_owned()),
        ("a/", grammar.to_owned()),
        ("a\u{0}b", grammar.to_owned()),
        ("a\r\nb", grammar.to_owned()),
        ("aé", grammar.to_owned()),
    ];
    for (name, reason) in cases {
        for (operation, input) in [
            ("CreateRepository", named(name)),
            ("DeleteRepository", named(name)),
            (
                "PutImageTagMutability",
                json!({ "repositoryName": name, "imageTagMutability": "MUTABLE" }),
            ),
            (
                "PutImageScanningConfiguration",
                json!({ "repositoryName": name, "imageScanningConfiguration": {} }),
            ),
        ] {
            let answer = api.call(operation, input).await;
            answer.refuses_parameter("repositoryName", &reason);
        }
    }
    let absent = api.call("CreateRepository", json!({})).await;
    absent.refuses_parameter("repositoryName", "must not be null");
    let foreign = json!({ "repositoryName": "demo", "registryId": "12345678901x" });
    let foreign = api.call("CreateRepository", foreign).await;
    foreign.refuses_parameter("registryId", "must satisfy regular expression [0-9]{12}");
    let none = api
        .call("DescribeRepositories", json!({ "repositoryNames": [] }))
        .await;
    none.refuses_parameter(
        "repositoryNames",
        "Member must have length greater than or equal to 1",
    );
    assert_eq!(
        api.ok("DescribeRepositories", json!({})).await["repositories"],
        json!([])
    );
}
