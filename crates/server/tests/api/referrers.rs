//! `ListImageReferrers`: the manifests that name an image as their subject.

use serde_json::{Value, json};

use crate::api::{Api, pretty};
use crate::content::{ABSENT, Image};

const SBOM: &str = "application/spdx+json";
const SIGNATURE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// `demo` with an image and three referrers: an SBOM, a signature, and one without an artifact type.
async fn demo() -> (Api, [String; 3]) {
    let api = Api::new();
    api.create("demo").await;
    let subject = Image::new(1);
    api.push("demo", Some("v1"), &subject).await;
    let refer = |seed| Image::new(seed).with("subject", subject.descriptor());
    let sbom = refer(2)
        .with("artifactType", json!(SBOM))
        .with("annotations", json!({ "org.example.by": "a tool", "empty": "" }));
    let signature = refer(3).with("artifactType", json!(SIGNATURE));
    let plain = refer(4);
    let digests = [
        api.push("demo", Some("sbom"), &sbom).await,
        api.push("demo", None, &signature).await,
        api.push("demo", None, &plain).await,
    ];
    api.push("demo", None, &Image::new(5)).await;
    (api, digests)
}

fn of(subject: &str, filter: &Value) -> Value {
    json!({ "repositoryName": "demo", "subjectId": { "imageDigest": subject }, "filter": filter })
}

async fn listed(api: &Api, subject: &str, filter: &Value) -> Vec<Value> {
    let answer = api.ok("ListImageReferrers", of(subject, filter)).await;
    assert_eq!(answer["nextToken"], Value::Null);
    let referrers = answer["referrers"].as_array().unwrap();
    referrers
        .iter()
        .map(|referrer| referrer["digest"].clone())
        .collect()
}

#[tokio::test]
async fn referrers_have_their_types_sizes_and_annotations() {
    let (api, _) = demo().await;
    let answer = api
        .ok("ListImageReferrers", of(&Image::new(1).digest(), &json!({})))
        .await;
    insta::assert_snapshot!(pretty(&answer, &[]), @r#"
    {
      "referrers": [
        {
          "annotations": {
            "empty": "",
            "org.example.by": "a tool"
          },
          "artifactStatus": "ACTIVE",
          "artifactType": "application/spdx+json",
          "digest": "sha256:0a9026ce1fb3643eb86cc12e1202f8460f797fffbecc6c0cb86a8e854761d58f",
          "mediaType": "application/vnd.oci.image.manifest.v1+json",
          "size": 654
        },
        {
          "artifactStatus": "ACTIVE",
          "artifactType": "application/vnd.dev.sigstore.bundle.v0.3+json",
          "digest": "sha256:41418437c9c61ea5fd9b73d57048d83b08d26df0f89c2a41082e733193133810",
          "mediaType": "application/vnd.oci.image.manifest.v1+json",
          "size": 625
        },
        {
          "artifactStatus": "ACTIVE",
          "artifactType": "application/vnd.oci.image.config.v1+json",
          "digest": "sha256:e9073836d0202b1c83a93bc2fc8491cf6827b4cf3d44d7763f9db648cd4c7ef6",
          "mediaType": "application/vnd.oci.image.manifest.v1+json",
          "size": 562
        }
      ]
    }
    "#);
}

#[tokio::test]
async fn referrers_are_filtered_by_their_exact_types_and_status() {
    let (api, [sbom, signature, plain]) = demo().await;
    let subject = Image::new(1).digest();
    let all = [json!(sbom), json!(signature), json!(plain)];
    let cases = [
        (json!({}), &all[..]),
        (json!({ "artifactTypes": [] }), &all),
        (json!({ "artifactTypes": [SBOM] }), &all[..1]),
        (json!({ "artifactTypes": [SIGNATURE, SBOM, "x"] }), &all[..2]),
        (json!({ "artifactTypes": ["application/spdx"] }), &[]),
        (
            json!({ "artifactTypes": ["application/vnd.oci.image.config.v1+json"] }),
            &all[2..],
        ),
        (json!({ "artifactStatus": "ACTIVE" }), &all),
        (json!({ "artifactStatus": "ANY" }), &all),
        (json!({ "artifactStatus": "ARCHIVED" }), &[]),
        (json!({ "artifactStatus": "ACTIVATING" }), &[]),
    ];
    for (filter, expected) in cases {
        assert_eq!(listed(&api, &subject, &filter).await, expected, "{filter}");
    }
}

#[tokio::test]
async fn a_subject_that_nothing_names_has_no_referrers() {
    let (api, [sbom, ..]) = demo().await;
    for subject in [ABSENT, &sbom, &Image::new(5).digest(), "md5:00"] {
        assert_eq!(listed(&api, subject, &json!({})).await, [json!(null); 0]);
    }
    api.create("other").await;
    let mut elsewhere = of(&Image::new(1).digest(), &json!({}));
    elsewhere["repositoryName"] = json!("other");
    assert_eq!(
        api.ok("ListImageReferrers", elsewhere).await,
        json!({ "referrers": [] })
    );
}

#[tokio::test]
async fn a_page_has_twenty_unless_another_number_is_named() {
    let api = Api::new();
    api.create("demo").await;
    let subject = Image::new(1);
    for seed in 2..27 {
        let referrer = Image::new(2)
            .with("subject", subject.descriptor())
            .with("annotations", json!({ "n": seed.to_string() }));
        api.push("demo", None, &referrer).await;
    }
    let mut input = of(&subject.digest(), &json!({}));
    let first = api.ok("ListImageReferrers", input.clone()).await;
    assert_eq!(first["referrers"].as_array().unwrap().len(), 20);
    input["nextToken"] = first["nextToken"].clone();
    let second = api.ok("ListImageReferrers", input.clone()).await;
    assert_eq!(second["referrers"].as_array().unwrap().len(), 5);
    assert_eq!(second["nextToken"], Value::Null);
    input["nextToken"] = Value::Null;
    input["maxResults"] = json!(50);
    let all = api.ok("ListImageReferrers", input).await;
    let both = [&first, &second].map(|page| page["referrers"].as_array().unwrap().clone());
    assert_eq!(all, json!({ "referrers": both.concat() }));
}

#[tokio::test]
async fn a_malformed_question_is_refused() {
    let (api, _) = demo().await;
    let subject = Image::new(1).digest();
    let refuse = async |input: Value, member: &str, reason: &str| {
        api.call("ListImageReferrers", input)
            .await
            .refuses_parameter(member, reason);
    };
    let regex = "must satisfy regular expression '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'";
    refuse(of("sha256", &json!({})), "subjectId.imageDigest", regex).await;
    let mut input = of(&subject, &json!({}));
    for (number, bound) in [
        (0, "greater than or equal to 1"),
        (51, "less than or equal to 50"),
    ] {
        input["maxResults"] = json!(number);
        refuse(
            input.clone(),
            "maxResults",
            &format!("Member must have value {bound}"),
        )
        .await;
    }
    let six = json!({ "artifactTypes": ["a", "b", "c", "d", "e", "f"] });
    let reason = "Member must have length less than or equal to 5";
    refuse(of(&subject, &six), "filter.artifactTypes", reason).await;
    let null = "Member must not be null";
    refuse(json!({ "repositoryName": "demo" }), "subjectId", null).await;
    let empty = json!({ "repositoryName": "demo", "subjectId": {} });
    refuse(empty, "subjectId.imageDigest", null).await;
}

#[tokio::test]
async fn a_referrer_that_is_deleted_is_listed_no_more() {
    let (api, [sbom, signature, plain]) = demo().await;
    let ids = json!({ "repositoryName": "demo", "imageIds": [{ "imageTag": "sbom" }, { "imageTag": "v1" }] });
    api.ok("BatchDeleteImage", ids).await;
    let left = listed(&api, &Image::new(1).digest(), &json!({})).await;
    assert_eq!(left, [json!(signature), json!(plain)]);
    assert!(!left.contains(&json!(sbom)));
}
