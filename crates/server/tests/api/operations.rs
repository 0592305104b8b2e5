//! Every operation of the model exists, and no other.

use ecru_model::Operation;
use serde_json::json;

use crate::api::Api;
use crate::inputs::valid;

#[tokio::test]
async fn every_operation_does_what_it_is_for() {
    let api = Api::new();
    assert_eq!(Operation::ALL.len(), 62);
    for operation in Operation::ALL.iter().copied() {
        let answer = api.call(operation.name(), valid(operation)).await;
        assert!(answer.status < 500, "{operation}: {}", answer.body);
    }
}

#[tokio::test]
async fn an_input_is_checked_before_anything_is_looked_for() {
    let api = Api::new();
    let cases = [
        (
            "PutLifecyclePolicy",
            json!({ "repositoryName": "UPPER", "lifecyclePolicyText": "x" }),
        ),
        (
            "PutLifecyclePolicy",
            json!({ "repositoryName": "demo", "lifecyclePolicyText": "x" }),
        ),
        (
            "GetLifecyclePolicyPreview",
            json!({ "repositoryName": "demo", "maxResults": 101 }),
        ),
        ("StartImageScan", json!({ "repositoryName": "demo" })),
        (
            "CreatePullThroughCacheRule",
            json!({ "ecrRepositoryPrefix": "x", "upstreamRegistryUrl": "quay.io" }),
        ),
        (
            "PutReplicationConfiguration",
            json!({ "replicationConfiguration": { "rules": [{ "destinations": [{ "region": "eu-west-1" }] }] } }),
        ),
        (
            "UpdateImageStorageClass",
            json!({ "repositoryName": "demo", "imageId": {}, "targetStorageClass": "COLD" }),
        ),
        (
            "StopReplicationBackfill",
            json!({ "replicationBackfillId": "../x" }),
        ),
        ("PutRegistryScanningConfiguration", json!({ "scanType": "DEEP" })),
    ];
    for (operation, input) in cases {
        let answer = api.call(operation, input).await;
        assert_eq!(answer.error(), Some("InvalidParameterException"), "{operation}");
    }
}

#[tokio::test]
async fn a_name_that_is_no_operation_is_unknown() {
    let api = Api::new();
    for operation in [
        "",
        "NoSuchThing",
        "createRepository",
        "CreateRepository\t",
        "../CreateRepository",
    ] {
        let answer = api.call(operation, json!({ "repositoryName": "demo" })).await;
        assert_eq!(answer.status, 400);
        assert_eq!(answer.error(), Some("UnknownOperationException"));
    }
    assert_eq!(api.count("SELECT count(*) FROM repositories"), 0);
}
