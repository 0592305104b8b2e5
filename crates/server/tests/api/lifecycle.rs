//! Lifecycle policies: stored, previewed, explained and applied.

use std::collections::BTreeSet;

use ecru_model::{ErrorCode, RepositoryName, Scope};
use ecru_platform::paging::Extent;
use ecru_registry::lifecycle::{Explanation, explain};
use serde_json::{Value, json};

use crate::api::{ACCOUNT, Api, pretty};
use crate::content::{Image, OCI_CONFIG, OCI_MANIFEST, descriptor, index, put};
use crate::repositories::absent;

const DAY: i64 = 24 * 60 * 60 * 1000;
const HOUR: i64 = 60 * 60 * 1000;

pub(crate) fn rule(priority: usize, selection: &Value, action: &str) -> Value {
    let action = match action {
        "archive" => json!({ "type": "transition", "targetStorageClass": "archive" }),
        action => json!({ "type": action }),
    };
    json!({ "rulePriority": priority, "selection": selection, "action": action })
}

fn keep(tags: &str, count: i32) -> Value {
    json!({ "tagStatus": tags, "countType": "imageCountMoreThan", "countNumber": count })
}

fn keep_tagged(pattern: &str, count: i32) -> Value {
    json!({
        "tagStatus": "tagged", "tagPatternList": [pattern], "countType": "imageCountMoreThan", "countNumber": count,
    })
}

fn older(tags: &str, days: i32) -> Value {
    json!({ "tagStatus": tags, "countType": "sinceImagePushed", "countUnit": "days", "countNumber": days })
}

pub(crate) fn policy(rules: &[Value]) -> String {
    json!({ "rules": rules }).to_string()
}

fn named(name: &str) -> Value {
    json!({ "repositoryName": name })
}

impl Api {
    pub(crate) async fn put_lifecycle(&self, repository: &str, rules: &[Value]) -> Value {
        let input = json!({ "repositoryName": repository, "lifecyclePolicyText": policy(rules) });
        self.ok("PutLifecyclePolicy", input).await
    }

    async fn explained(&self, repository: &str) -> Explanation {
        let scope = Scope {
            registry_id: ecru_model::RegistryId::parse(ACCOUNT).unwrap(),
            region: ecru_model::Region::parse("us-east-1").unwrap(),
        };
        let extent = Extent {
            after: 0,
            limit: 1000,
        };
        explain(
            self.service(),
            scope,
            RepositoryName::parse(repository).unwrap(),
            extent,
        )
        .await
        .unwrap()
    }

    /// Starts a preview of these rules and returns its result.
    async fn previewed(&self, repository: &str, rules: &[Value]) -> Value {
        let input = json!({ "repositoryName": repository, "lifecyclePolicyText": policy(rules) });
        let started = self.ok("StartLifecyclePolicyPreview", input).await;
        assert_eq!(started["status"], "IN_PROGRESS");
        self.run_due().await;
        self.ok("GetLifecyclePolicyPreview", named(repository)).await
    }

    /// The tags of a repository, and the number of images without a tag.
    async fn kept(&self, repository: &str) -> (BTreeSet<String>, usize) {
        let mut kept = BTreeSet::new();
        let mut untagged = 0;
        let mut input = json!({ "repositoryName": repository, "maxResults": 1000 });
        loop {
            let page = self.ok("ListImages", input.clone()).await;
            for id in page["imageIds"].as_array().unwrap() {
                match id["imageTag"].as_str() {
                    Some(tag) => assert!(kept.insert(tag.to_owned())),
                    None => untagged += 1,
                }
            }
            match page["nextToken"].as_str() {
                Some(token) => input["nextToken"] = json!(token),
                None => return (kept, untagged),
            }
        }
    }
}

#[tokio::test]
async fn a_policy_is_returned_without_white_space_and_in_one_order() {
    let api = Api::new();
    api.create("demo").await;
    let text = r#"{ "rules": [ { "action": { "type": "expire" }, "selection": { "countNumber": 5, "countUnit": "days",
        "countType": "sinceImagePushed", "tagPrefixList": ["b", "a"], "tagStatus": "tagged" }, "rulePriority": 7 } ] }"#;
    let stored = r#"{"rules":[{"rulePriority":7,"selection":{"tagStatus":"tagged","tagPrefixList":["b","a"],"countType":"sinceImagePushed","countUnit":"days","countNumber":5},"action":{"type":"expire"}}]}"#;
    let answer = json!({ "registryId": ACCOUNT, "repositoryName": "demo", "lifecyclePolicyText": stored });
    let put = api
        .ok(
            "PutLifecyclePolicy",
            json!({ "repositoryName": "demo", "lifecyclePolicyText": text }),
        )
        .await;
    assert_eq!(put, answer);

    let mut evaluated = answer.clone();
    evaluated["lastEvaluatedAt"] = json!(0.0);
    let got = api.ok("GetLifecyclePolicy", named("demo")).await;
    assert_eq!(got["lastEvaluatedAt"].as_f64(), Some(0.0));
    assert_eq!(got["lifecyclePolicyText"], stored);

    api.run_due().await;
    let got = api.ok("GetLifecyclePolicy", named("demo")).await;
    assert_eq!(got["lastEvaluatedAt"].as_f64(), Some(1_767_225_600.5));

    let deleted = api.ok("DeleteLifecyclePolicy", named("demo")).await;
    assert_eq!(deleted, got);
    api.call("GetLifecyclePolicy", named("demo")).await.refuses(
        ErrorCode::LifecyclePolicyNotFoundException,
        "Lifecycle policy does not exist for the repository with name 'demo' in the registry with id '000000000000'",
    );
    api.run_due().await;
}

#[tokio::test]
async fn a_repository_without_a_policy_has_none_to_give_or_take() {
    let api = Api::new();
    api.create("demo").await;
    let none = "Lifecycle policy does not exist for the repository with name 'demo' in the registry with id \
                '000000000000'";
    for operation in [
        "GetLifecyclePolicy",
        "DeleteLifecyclePolicy",
        "StartLifecyclePolicyPreview",
    ] {
        api.call(operation, named("demo"))
            .await
            .refuses(ErrorCode::LifecyclePolicyNotFoundException, none);
        api.call(operation, named("absent"))
            .await
            .refuses(ErrorCode::RepositoryNotFoundException, &absent("absent"));
    }
    api.call("GetLifecyclePolicyPreview", named("absent"))
        .await
        .refuses(ErrorCode::RepositoryNotFoundException, &absent("absent"));
    api.call("GetLifecyclePolicyPreview", named("demo")).await.refuses(
        ErrorCode::LifecyclePolicyPreviewNotFoundException,
        "Lifecycle policy preview does not exist for the repository with name 'demo' in the registry with id \
         '000000000000'",
    );
}

#[tokio::test]
async fn a_policy_that_gives_a_member_twice_is_refused() {
    let api = Api::new();
    api.create("demo").await;
    let text = r#"{"rules":[{"rulePriority":1,"selection":{"tagStatus":"untagged","tagStatus":"any","countType":
        "imageCountMoreThan","countNumber":1},"action":{"type":"expire"}}]}"#;
    for operation in ["PutLifecyclePolicy", "StartLifecyclePolicyPreview"] {
        let input = json!({ "repositoryName": "demo", "lifecyclePolicyText": text });
        api.call(operation, input)
            .await
            .refuses_code(ErrorCode::InvalidParameterException);
    }
}

#[tokio::test]
async fn a_text_that_is_no_policy_is_refused_after_the_repository_was_found() {
    let api = Api::new();
    api.create("demo").await;
    let text = format!("{{{}}}", " ".repeat(100));
    for operation in ["PutLifecyclePolicy", "StartLifecyclePolicyPreview"] {
        let input = |name: &str| json!({ "repositoryName": name, "lifecyclePolicyText": text });
        api.call(operation, input("absent"))
            .await
            .refuses(ErrorCode::RepositoryNotFoundException, &absent("absent"));
        api.call(operation, input("demo")).await.refuses(
            ErrorCode::InvalidParameterException,
            "Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint: 'Lifecycle policy validation \
             failure: object has missing required properties ([\"rules\"])'",
        );
    }
}

#[tokio::test]
async fn a_policy_is_carried_out_when_it_is_put_after_a_push_and_as_time_passes() {
    let api = Api::new();
    api.create("demo").await;
    for n in 0..3 {
        api.push("demo", Some(&format!("v{n}")), &Image::new(n)).await;
        api.advance(DAY);
    }
    let tags = || async {
        api.tags("demo")
            .await
            .into_iter()
            .map(|(tag, _)| tag)
            .collect::<Vec<_>>()
    };

    api.put_lifecycle(
        "demo",
        &[
            rule(1, &keep_tagged("v*", 2), "expire"),
            rule(2, &older("any", 10), "expire"),
        ],
    )
    .await;
    api.run_due().await;
    assert_eq!(tags().await, ["v1", "v2"]);

    api.push("demo", Some("v3"), &Image::new(3)).await;
    api.push("demo", Some("other"), &Image::new(9)).await;
    api.run_due().await;
    assert_eq!(tags().await, ["other", "v2", "v3"]);

    // The tag rule matches `v2` and `v3`, so the other rule does not apply to them.
    api.advance(10 * DAY);
    api.run_due().await;
    assert_eq!(tags().await, ["other", "v2", "v3"]);
    api.advance(1);
    api.run_due().await;
    assert_eq!(tags().await, ["v2", "v3"]);
}

#[tokio::test]
async fn an_image_that_has_changed_since_is_left_and_a_policy_that_is_gone_does_nothing() {
    let api = Api::new();
    api.create("demo").await;
    api.push("demo", Some("a"), &Image::new(1)).await;
    api.push("demo", Some("b"), &Image::new(2)).await;
    api.put_lifecycle("demo", &[rule(1, &keep("any", 1), "expire")])
        .await;
    api.ok("DeleteLifecyclePolicy", named("demo")).await;
    api.run_due().await;
    assert_eq!(api.digests("demo").await.len(), 2);
}

#[tokio::test]
async fn an_index_goes_before_its_children_and_referrers_go_a_day_after_their_subject() {
    let api = Api::new();
    api.create("demo").await;
    let (one, two) = (Image::new(1), Image::new(2));
    for child in [&one, &two] {
        api.push("demo", None, child).await;
    }
    let list = index(&[&one, &two]);
    let list_digest = api.push_index("demo", Some("list"), &list).await;
    let subject = json!({ "mediaType": OCI_MANIFEST, "digest": list_digest, "size": list.to_string().len() });
    let signature = Image::new(3).with("subject", subject);
    api.push("demo", Some("signature"), &signature).await;

    api.put_lifecycle("demo", &[rule(1, &older("untagged", 1), "expire")])
        .await;
    api.advance(5 * DAY);
    api.run_due().await;
    assert_eq!(
        api.digests("demo").await.len(),
        4,
        "children of an index that is there are kept"
    );

    let explained = api.explained("demo").await;
    let child = &explained.images.items[0];
    assert_eq!(child.rules[0].verdict, "BLOCKED");
    assert!(
        child
            .reason
            .contains(&format!("ImageReferencedByManifestList: [{list_digest}]"))
    );
    let referrer = &explained.images.items[3];
    assert_eq!(
        referrer.reason,
        format!("it follows its subject {list_digest}, so that no rule sees it")
    );

    let mut lists = older("tagged", 1);
    lists["tagPrefixList"] = json!(["list"]);
    let rules = [
        rule(1, &lists, "expire"),
        rule(2, &older("untagged", 1), "expire"),
    ];
    api.put_lifecycle("demo", &rules).await;
    api.run_due().await;
    assert_eq!(api.digests("demo").await, [signature.digest()]);
    api.advance(24 * HOUR - 1);
    api.run_due().await;
    assert_eq!(api.digests("demo").await, [signature.digest()]);
    api.advance(1);
    api.run_due().await;
    assert!(api.digests("demo").await.is_empty());
}

#[tokio::test]
async fn a_name_that_is_none_is_refused() {
    let api = Api::new();
    for operation in [
        "GetLifecyclePolicy",
        "DeleteLifecyclePolicy",
        "GetLifecyclePolicyPreview",
    ] {
        api.call(operation, named("UPPER"))
            .await
            .refuses_code(ErrorCode::InvalidParameterException);
    }
}

#[tokio::test]
async fn a_second_preview_waits_for_the_first() {
    let api = Api::new();
    api.create("demo").await;
    api.put_lifecycle("demo", &[rule(1, &keep("any", 1), "expire")])
        .await;
    api.ok("StartLifecyclePolicyPreview", named("demo")).await;
    api.call("StartLifecyclePolicyPreview", named("demo")).await.refuses(
        ErrorCode::LifecyclePolicyPreviewInProgressException,
        "A lifecycle policy preview is in progress for the repository with name 'demo' in the registry with id \
         '000000000000'",
    );
    api.run_due().await;
    api.ok("StartLifecyclePolicyPreview", named("demo")).await;
}

#[tokio::test]
async fn a_preview_is_waited_for_and_kept_for_a_day() {
    let api = Api::new();
    api.create("demo").await;
    for n in 0..4 {
        api.push("demo", Some(&format!("v{n}")), &Image::new(n)).await;
    }
    api.push("demo", None, &Image::new(9)).await;

    let text = policy(&[
        rule(1, &keep_tagged("v*", 1), "expire"),
        rule(2, &older("untagged", 3), "archive"),
    ])
    .replace("\"rules\":", "\"rules\" :  ");
    let input = json!({ "repositoryName": "demo", "lifecyclePolicyText": text });
    let started = api.ok("StartLifecyclePolicyPreview", input).await;
    assert_eq!(started["lifecyclePolicyText"], text, "as it was given");
    assert_eq!(started["status"], "IN_PROGRESS");
    let waiting = api.ok("GetLifecyclePolicyPreview", named("demo")).await;
    assert_eq!(waiting["status"], "IN_PROGRESS");

    api.run_due().await;
    let mut paged = named("demo");
    paged["maxResults"] = json!(2);
    let page = api.ok("GetLifecyclePolicyPreview", paged.clone()).await;
    insta::assert_snapshot!(pretty(&page, &["nextToken", "lifecyclePolicyText"]), @r#"
    {
      "lifecyclePolicyText": "<lifecyclePolicyText>",
      "nextToken": "<nextToken>",
      "previewResults": [
        {
          "action": {
            "type": "EXPIRE"
          },
          "appliedRulePriority": 1,
          "imageDigest": "sha256:fb695e3dc5e1a0c697218200131d0a7dc7fda1164ce2d2ecc77985e889f8c60a",
          "imagePushedAt": 1767225600.5,
          "imageTags": [
            "v0"
          ],
          "storageClass": "STANDARD"
        },
        {
          "action": {
            "type": "EXPIRE"
          },
          "appliedRulePriority": 1,
          "imageDigest": "sha256:c34192e73511c3c1a3247cb541db854b07636e02cf65b7d410f5eee4e7648658",
          "imagePushedAt": 1767225600.5,
          "imageTags": [
            "v1"
          ],
          "storageClass": "STANDARD"
        }
      ],
      "registryId": "000000000000",
      "repositoryName": "demo",
      "status": "COMPLETE",
      "summary": {
        "expiringImageTotalCount": 3
      }
    }
    "#);
    paged["nextToken"] = page["nextToken"].clone();
    let last = api.ok("GetLifecyclePolicyPreview", paged).await;
    assert_eq!(last["previewResults"][0]["imageTags"], json!(["v2"]));
    assert_eq!(last["nextToken"], Value::Null);
    assert_eq!(api.digests("demo").await.len(), 5, "nothing was done");
}

#[tokio::test]
async fn a_preview_expires_after_a_day_and_another_can_be_started() {
    let api = Api::new();
    api.create("demo").await;
    for n in 0..4 {
        api.push("demo", Some(&format!("v{n}")), &Image::new(n)).await;
    }
    api.push("demo", None, &Image::new(9)).await;
    let rules = [
        rule(1, &keep_tagged("v*", 1), "expire"),
        rule(2, &older("untagged", 3), "archive"),
    ];
    assert_eq!(api.previewed("demo", &rules).await["status"], "COMPLETE");

    api.advance(DAY);
    api.run_due().await;
    let expired = api.ok("GetLifecyclePolicyPreview", named("demo")).await;
    assert_eq!(expired["status"], "EXPIRED");
    assert_eq!(expired["previewResults"], json!([]));
    assert_eq!(api.count("SELECT COUNT(*) FROM lifecycle_preview_results"), 0);

    api.advance(3 * DAY);
    let again = api.previewed("demo", &rules).await;
    assert_eq!(
        again["summary"],
        json!({
            "expiringImageTotalCount": 3,
            "transitioningImageTotalCounts": [{ "targetStorageClass": "ARCHIVE", "imageTotalCount": 1 }],
        })
    );
}

#[tokio::test]
async fn a_preview_shows_the_images_that_are_asked_for() {
    let api = Api::new();
    api.create("demo").await;
    let images = (0..4).map(Image::new).collect::<Vec<_>>();
    for (n, image) in images.iter().enumerate() {
        let tag = format!("v{n}");
        api.push("demo", (n < 2).then_some(tag.as_str()), image).await;
    }
    let preview = api.previewed("demo", &[rule(1, &keep("any", 1), "expire")]).await;
    assert_eq!(preview["previewResults"].as_array().unwrap().len(), 3);

    let check = async |members: Value, expected: &[&Image]| {
        let mut input = named("demo");
        for (name, value) in members.as_object().unwrap() {
            input[name] = value.clone();
        }
        let found = api.ok("GetLifecyclePolicyPreview", input).await;
        let digests = found["previewResults"].as_array().unwrap().iter();
        let digests = digests
            .map(|result| result["imageDigest"].clone())
            .collect::<Vec<_>>();
        let expected = expected
            .iter()
            .map(|image| json!(image.digest()))
            .collect::<Vec<_>>();
        assert_eq!(digests, expected, "{members}");
        assert_eq!(found["summary"]["expiringImageTotalCount"], 3);
    };
    check(
        json!({ "filter": { "tagStatus": "TAGGED" } }),
        &[&images[0], &images[1]],
    )
    .await;
    check(json!({ "filter": { "tagStatus": "UNTAGGED" } }), &[&images[2]]).await;
    check(json!({ "imageIds": [{ "imageTag": "v1" }] }), &[&images[1]]).await;
    let kept = images[3].digest();
    let ids =
        json!([{ "imageDigest": kept }, { "imageDigest": images[2].digest() }, { "imageTag": "absent" }]);
    check(json!({ "imageIds": ids }), &[&images[2]]).await;

    let both = json!({ "repositoryName": "demo", "imageIds": [{ "imageTag": "v1" }], "maxResults": 1 });
    api.call("GetLifecyclePolicyPreview", both)
        .await
        .refuses_parameter("maxResults", "must not be set together with imageIds");
}

#[tokio::test]
async fn an_explanation_tells_of_every_image_what_each_rule_found() {
    let api = Api::new();
    api.create("demo").await;
    for (n, tag) in ["alpha-1", "alpha-2", "beta-1", "gamma"].into_iter().enumerate() {
        api.push("demo", Some(tag), &Image::new(n)).await;
        api.advance(DAY);
    }
    api.put_lifecycle(
        "demo",
        &[
            rule(1, &keep_tagged("alpha*", 1), "expire"),
            rule(2, &older("untagged", 1), "expire"),
            rule(4, &keep("any", 1), "expire"),
        ],
    )
    .await;
    let told = api.explained("demo").await.images.items;
    let told = told
        .iter()
        .map(|image| {
            let rules = image.rules.iter();
            let rules = rules.map(|rule| format!("  {} {}: {}", rule.priority, rule.verdict, rule.reason));
            let rules = rules.collect::<Vec<_>>().join("\n");
            format!(
                "{} {:?}: {}\n{rules}",
                image.tags.join(" "),
                image.action,
                image.reason
            )
        })
        .collect::<Vec<_>>();
    insta::assert_snapshot!(told.join("\n"), @r#"
    alpha-1 Some("EXPIRE"): rule 1 acts on it
      1 EXPIRE: it is number 2 from the newest, and the limit is 1
      4 CLAIMED: it is number 4 from the newest, and the limit is 1, but rule 1 selects it first
    alpha-2 None: kept although beyond the limit of rule 4: it is number 3 from the newest, and the limit is 1, but rule 1 selects it first
      1 KEPT: it is number 1 from the newest, and the limit is 1
      4 CLAIMED: it is number 3 from the newest, and the limit is 1, but rule 1 selects it first
    beta-1 Some("EXPIRE"): rule 4 acts on it
      4 EXPIRE: it is number 2 from the newest, and the limit is 1
    gamma None: kept: it is within the limits of every rule that selects it
      4 KEPT: it is number 1 from the newest, and the limit is 1
    "#);
}

/// A registry with one image that was archived a day ago.
async fn archived() -> (Api, Image) {
    let api = Api::new();
    api.create("demo").await;
    let image = Image::new(1);
    api.push("demo", Some("v1"), &image).await;
    (api, image)
}

#[tokio::test]
async fn unused_images_are_archived_and_archived_ones_expire() {
    let (api, _) = archived().await;
    let unpulled = json!({
        "tagStatus": "any", "countType": "sinceImagePulled", "countUnit": "days", "countNumber": 30,
    });
    let in_archive = json!({
        "tagStatus": "any", "storageClass": "archive", "countType": "sinceImageTransitioned", "countUnit": "days",
        "countNumber": 90,
    });
    api.put_lifecycle(
        "demo",
        &[rule(1, &unpulled, "archive"), rule(2, &in_archive, "expire")],
    )
    .await;
    api.advance(30 * DAY + 1);
    api.run_due().await;
    let any = json!({ "repositoryName": "demo", "filter": { "imageStatus": "ANY" } });
    let described = api.ok("DescribeImages", any.clone()).await;
    assert_eq!(described["imageDetails"][0]["imageStatus"], "ARCHIVED");

    api.advance(90 * DAY);
    api.run_due().await;
    assert_eq!(
        api.ok("DescribeImages", any.clone()).await["imageDetails"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    api.advance(1);
    api.run_due().await;
    assert_eq!(api.ok("DescribeImages", any).await["imageDetails"], json!([]));
}

/// 25 images per day for 400 days. Of each day, 10 have a build tag, 5 a nightly tag, 9 no tag, and the first
/// a release tag.
#[tokio::test]
async fn ten_thousand_images_over_four_hundred_days_expire_as_the_table_says() {
    const DAYS: usize = 400;
    const PER_DAY: usize = 25;
    let api = Api::new();
    api.create("demo").await;
    let base = Image::new(0);
    api.push_layers("demo", &base).await;
    api.put_lifecycle(
        "demo",
        &[
            rule(1, &keep_tagged("release-*", 100), "expire"),
            rule(2, &keep_tagged("nightly-*", 30), "expire"),
            rule(3, &older("untagged", 7), "expire"),
            rule(4, &older("any", 60), "expire"),
        ],
    )
    .await;

    let tag = |day: usize, n: usize| match n {
        0 => Some(format!("release-{day}")),
        1..=10 => Some(format!("build-{day}-{n}")),
        11..=15 => Some(format!("nightly-{day}-{n}")),
        _ => None,
    };
    for day in 0..DAYS {
        for n in 0..PER_DAY {
            let image = json!({
                "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": descriptor(OCI_CONFIG, &base.blobs[0]),
                "layers": [], "annotations": { "n": format!("{day} {n}") },
            });
            api.ok(
                "PutImage",
                put("demo", &image.to_string(), tag(day, n).as_deref()),
            )
            .await;
        }
        api.advance(DAY);
        if day % 20 == 19 {
            api.run_due().await;
        }
    }
    api.run_due().await;

    // It is day 400 now, so the images of day 340 have reached 60 days and those of day 393 have reached 7.
    let mut expected = BTreeSet::new();
    expected.extend((300..400).map(|day| tag(day, 0).unwrap()));
    expected.extend(
        (394..400)
            .flat_map(|day| (11..=15).map(move |n| (day, n)))
            .map(|(day, n)| tag(day, n).unwrap()),
    );
    expected.extend(
        (340..400)
            .flat_map(|day| (1..=10).map(move |n| (day, n)))
            .map(|(day, n)| tag(day, n).unwrap()),
    );
    let (kept, untagged) = api.kept("demo").await;
    assert_eq!(kept, expected);
    assert_eq!(untagged, 7 * 9);
    assert_eq!(kept.len() + untagged, 100 + 30 + 600 + 63);
}

/// The time includes reading the images from the store.
#[tokio::test]
async fn a_hundred_thousand_stored_images_are_judged() {
    let api = Api::new();
    api.create("demo").await;
    api.execute(
        "INSERT INTO images (repository_id, digest, push_sequence, tagged, status, pushed_at, size, manifest_size,
             media_type, blob_ids, manifest)
         WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 100000)
         SELECT 1, randomblob(32), n, n % 2, 'ACTIVE', 1767225600500 - n * 300000, 36, 900, 'a/b', x'', randomblob(900)
         FROM n",
    )
    .await;
    api.execute(
        "INSERT INTO tags (repository_id, tag, image_id)
         SELECT 1, 'build-' || id || '-candidate', id FROM images WHERE tagged = 1",
    )
    .await;
    api.put_lifecycle(
        "demo",
        &[
            rule(1, &keep_tagged("release*", 100), "expire"),
            rule(2, &keep_tagged("*b*d*can*", 500), "expire"),
            rule(3, &older("untagged", 7), "expire"),
            rule(4, &older("any", 60), "expire"),
        ],
    )
    .await;
    let explained = api.explained("demo").await;
    assert_eq!(explained.images.items.len(), 1000);
}

#[tokio::test]
async fn rules_come_back_in_the_order_of_their_priorities() {
    let api = Api::new();
    api.create("demo").await;
    let (given, sorted) = unsorted_rules();
    let put = json!({ "repositoryName": "demo", "lifecyclePolicyText": given });
    let begun = api.ok("StartLifecyclePolicyPreview", put.clone()).await;
    let waiting = api.ok("GetLifecyclePolicyPreview", named("demo")).await;
    api.run_due().await;
    let previewed = api.ok("GetLifecyclePolicyPreview", named("demo")).await;
    let put = api.ok("PutLifecyclePolicy", put).await;
    let got = api.ok("GetLifecyclePolicy", named("demo")).await;
    for answer in [begun, waiting, previewed, put, got] {
        let text = answer["lifecyclePolicyText"].as_str().unwrap();
        assert_eq!(serde_json::from_str::<Value>(text).unwrap(), sorted);
    }
}

/// The text of a policy with the priorities 9, 2 and 5, and the policy in order.
pub(crate) fn unsorted_rules() -> (String, Value) {
    let rule = |priority: u32| {
        json!({
            "rulePriority": priority,
            "selection": {
                "tagStatus": "tagged", "tagPrefixList": [format!("v{priority}")],
                "countType": "imageCountMoreThan", "countNumber": 1,
            },
            "action": { "type": "expire" },
        })
    };
    let given = json!({ "rules": [rule(9), rule(2), rule(5)] });
    (given.to_string(), json!({ "rules": [rule(2), rule(5), rule(9)] }))
}
