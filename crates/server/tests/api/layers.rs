//! Layer uploads: their parts and their completion.

use ecru_model::ErrorCode;
use ecru_store::UploadId;
use serde_json::{Value, json};

use crate::api::{ACCOUNT, Api, OTHER_ACCOUNT, pretty};
use crate::content::{ABSENT, MEBIBYTE, completion, digest, encoded, part};
use crate::inputs::ZERO_ID;
use crate::repositories::absent;

fn upload_not_found(repository: &str, id: &str) -> String {
    format!(
        "The upload with id '{id}' does not exist in the repository with name '{repository}' in the registry with id \
         '{ACCOUNT}'"
    )
}

async fn demo() -> Api {
    let api = Api::new();
    api.create("demo").await;
    api
}

#[tokio::test]
async fn a_layer_comes_in_parts() {
    let api = demo().await;
    let begun = api
        .ok("InitiateLayerUpload", json!({ "repositoryName": "demo" }))
        .await;
    insta::assert_snapshot!(pretty(&begun, &["uploadId"]), @r#"
    {
      "partSize": 10485760,
      "uploadId": "<uploadId>"
    }
    "#);
    let id = begun["uploadId"].as_str().unwrap();
    assert_eq!(id, uuid::Uuid::parse_str(id).unwrap().to_string());

    let first = vec![b'a'; 5 * MEBIBYTE];
    let taken = api.ok("UploadLayerPart", part("demo", id, 0, &first)).await;
    insta::assert_snapshot!(pretty(&taken, &["uploadId"]), @r#"
    {
      "lastByteReceived": 5242879,
      "registryId": "000000000000",
      "repositoryName": "demo",
      "uploadId": "<uploadId>"
    }
    "#);
    assert_eq!(taken["uploadId"], id);
    let taken = api
        .ok("UploadLayerPart", part("demo", id, first.len(), b"tail"))
        .await;
    assert_eq!(taken["lastByteReceived"], first.len() + 3);

    let whole = digest([first.as_slice(), b"tail"].concat());
    let ended = api
        .ok("CompleteLayerUpload", completion("demo", id, &[&whole]))
        .await;
    insta::assert_snapshot!(pretty(&ended, &["uploadId", "layerDigest"]), @r#"
    {
      "layerDigest": "<layerDigest>",
      "registryId": "000000000000",
      "repositoryName": "demo",
      "uploadId": "<uploadId>"
    }
    "#);
    assert_eq!(
        (&ended["uploadId"], &ended["layerDigest"]),
        (&json!(id), &json!(whole))
    );
    let layers = json!({ "repositoryName": "demo", "layerDigests": [whole] });
    let checked = api.ok("BatchCheckLayerAvailability", layers).await;
    assert_eq!(checked["layers"][0]["layerSize"], first.len() + 4);
}

#[tokio::test]
async fn an_id_may_be_written_in_upper_case() {
    let api = demo().await;
    let id = api.begin_upload("demo").await.to_uppercase();
    let taken = api.ok("UploadLayerPart", part("demo", &id, 0, b"layer")).await;
    assert_eq!(taken["uploadId"], id);
    api.ok(
        "CompleteLayerUpload",
        completion("demo", &id, &[&digest("layer")]),
    )
    .await;
}

#[tokio::test]
async fn a_part_that_does_not_follow_is_refused_and_the_upload_goes_on() {
    let api = demo().await;
    let id = api.begin_upload("demo").await;
    let early = api.call("UploadLayerPart", part("demo", &id, 1, b"x")).await;
    early.refuses(
        ErrorCode::InvalidLayerPartException,
        "First byte of the layer part is 1 instead of 0",
    );
    assert_eq!(early.body["lastValidByteReceived"], -1);

    api.ok("UploadLayerPart", part("demo", &id, 0, b"half")).await;
    for first in [0, 3, 5, 4_000_000_000] {
        let answer = api
            .call("UploadLayerPart", part("demo", &id, first, b"rest"))
            .await;
        answer.refuses(
            ErrorCode::InvalidLayerPartException,
            &format!("First byte of the layer part is {first} instead of 4"),
        );
        let expected = json!({
            "__type": "InvalidLayerPartException",
            "message": answer.message(),
            "registryId": ACCOUNT,
            "repositoryName": "demo",
            "uploadId": id,
            "lastValidByteReceived": 3,
        });
        assert_eq!(answer.body, expected);
    }
    let below = json!({ "partFirstByte": -1 });
    let below = api
        .call("UploadLayerPart", with(part("demo", &id, 0, b"x"), &below))
        .await;
    below.refuses_parameter(
        "partFirstByte",
        "Member must have value greater than or equal to 0",
    );

    api.ok("UploadLayerPart", part("demo", &id, 4, b"rest")).await;
    let small = completion("demo", &id, &[&digest("halfrest")]);
    let small = api.call("CompleteLayerUpload", small).await;
    assert_eq!(small.error(), Some("LayerPartTooSmallException"));
}

fn with(mut input: Value, changes: &Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        input[name] = value.clone();
    }
    input
}

#[tokio::test]
async fn a_part_of_another_length_than_it_says_is_refused() {
    let api = demo().await;
    let id = api.upload("demo", b"half").await;
    let cases = [
        (4, 6, "rest"),
        (4, 8, "rest"),
        (4, 3, ""),
        (4, 3, "r"),
        (4, 4, ""),
        (4, 0, "rest"),
        (4, i64::MAX, "rest"),
    ];
    for (first, last, bytes) in cases {
        let changes = json!({ "partFirstByte": first, "partLastByte": last });
        let input = with(part("demo", &id, 4, b"rest"), &changes);
        let input = with(input, &json!({ "layerPartBlob": encoded(bytes.as_bytes()) }));
        let answer = api.call("UploadLayerPart", input).await;
        answer.refuses(
            ErrorCode::InvalidLayerPartException,
            &format!(
                "The layer part holds {} bytes, which is not what partFirstByte {first} and partLastByte {last} say",
                bytes.len()
            ),
        );
        assert_eq!(answer.body["lastValidByteReceived"], 3);
    }
    api.ok("CompleteLayerUpload", completion("demo", &id, &[&digest("half")]))
        .await;
}

#[tokio::test]
async fn a_part_has_a_largest_size() {
    let api = demo().await;
    let id = api.begin_upload("demo").await;
    let large = vec![0; 20 * MEBIBYTE + 1];
    let answer = api.call("UploadLayerPart", part("demo", &id, 0, &large)).await;
    answer.refuses_parameter(
        "layerPartBlob",
        "Member must have length less than or equal to 20971520",
    );
    let taken = api.ok("UploadLayerPart", part("demo", &id, 0, &large[1..])).await;
    assert_eq!(taken["lastByteReceived"], 20 * MEBIBYTE - 1);
}

#[tokio::test]
async fn an_upload_has_so_many_parts_and_no_more() {
    let api = demo().await;
    let id = api.upload("demo", b"half").await;
    api.execute("UPDATE uploads SET part_count = 4199").await;
    api.ok("UploadLayerPart", part("demo", &id, 4, b"rest")).await;
    let over = api.call("UploadLayerPart", part("demo", &id, 8, b"over")).await;
    over.refuses(
        ErrorCode::LimitExceededException,
        "The upload already has the maximum allowed number of parts which is '4200'",
    );
}

#[tokio::test]
async fn only_the_last_part_may_be_small() {
    let api = demo().await;
    let id = api.begin_upload("demo").await;
    let (first, second) = (vec![1; 5 * MEBIBYTE - 1], vec![2; 5 * MEBIBYTE]);
    api.ok("UploadLayerPart", part("demo", &id, 0, &first)).await;
    api.ok("UploadLayerPart", part("demo", &id, first.len(), &second))
        .await;
    let whole = digest([first, second].concat());
    for _ in 0..2 {
        let answer = api
            .call("CompleteLayerUpload", completion("demo", &id, &[&whole]))
            .await;
        answer.refuses(
            ErrorCode::LayerPartTooSmallException,
            "All layer parts except the last part should be at least 5MB",
        );
    }
}

#[tokio::test]
async fn a_wrong_digest_keeps_the_upload_for_the_right_one() {
    let api = demo().await;
    let id = api.upload("demo", b"layer").await;
    let text = "None of the provided layer digests match the calculated layer digest";
    let wrong = digest("other");
    let sha1 = "sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709";
    for digests in [&[wrong.as_str()][..], &[sha1], &[ABSENT, sha1, &wrong]] {
        let input = completion("demo", &id, digests);
        let answer = api.call("CompleteLayerUpload", input.clone()).await;
        answer.refuses(ErrorCode::LayerDigestMismatchException, text);
        let answer = api.with_aws_names().call("CompleteLayerUpload", input).await;
        answer.refuses(ErrorCode::InvalidLayerException, text);
    }
    let right = digest("layer");
    let ended = api
        .ok(
            "CompleteLayerUpload",
            completion("demo", &id, &[&wrong, sha1, &right]),
        )
        .await;
    assert_eq!(ended["layerDigest"], right);
}

#[tokio::test]
async fn digests_of_other_algorithms_are_tolerated_and_the_answer_is_in_sha256() {
    let api = demo().await;
    let id = api.upload("demo", b"layer").await;
    let sha512 = ecru_model::Digest::computed(ecru_model::DigestAlgorithm::Sha512, b"layer").to_string();
    let right = digest("layer");
    let ended = api
        .ok("CompleteLayerUpload", completion("demo", &id, &[&sha512, &right]))
        .await;
    assert_eq!(ended["layerDigest"], right);
}

#[tokio::test]
async fn a_layer_that_is_there_ends_the_upload() {
    let api = demo().await;
    api.push_layer("demo", b"layer").await;
    let id = api.upload("demo", b"layer").await;
    let right = digest("layer");
    let again = api
        .call("CompleteLayerUpload", completion("demo", &id, &[&right]))
        .await;
    again.refuses(
        ErrorCode::LayerAlreadyExistsException,
        &format!(
            "The layer with digest '{right}' already exists in the repository with name 'demo' in registry with id \
             '{ACCOUNT}'"
        ),
    );
    let gone = api
        .call("CompleteLayerUpload", completion("demo", &id, &[&right]))
        .await;
    gone.refuses(ErrorCode::UploadNotFoundException, &upload_not_found("demo", &id));

    // The layer is not visible in another repository.
    api.create("other").await;
    api.push_layer("other", b"layer").await;
    assert_eq!(api.count("SELECT count(*) FROM blobs"), 1);
}

#[tokio::test]
async fn an_upload_without_parts_is_empty() {
    let api = demo().await;
    let id = api.begin_upload("demo").await;
    for _ in 0..2 {
        let answer = api
            .call("CompleteLayerUpload", completion("demo", &id, &[&digest("")]))
            .await;
        answer.refuses(
            ErrorCode::EmptyUploadException,
            &format!(
                "The upload with id '{id}' in the repository with name 'demo' in registry with id '{ACCOUNT}' cannot be \
                 completed because it does not have any parts"
            ),
        );
    }
}

#[tokio::test]
async fn an_upload_is_known_in_its_own_repository_only() {
    let api = demo().await;
    let id = api.upload("demo", b"half").await;
    let other_account = api.by_account(OTHER_ACCOUNT);
    let other_region = api.in_region("eu-west-1");
    for stranger in [&other_account, &other_region] {
        stranger.create("demo").await;
        let answer = stranger
            .call("UploadLayerPart", part("demo", &id, 4, b"rest"))
            .await;
        assert_eq!(answer.error(), Some("UploadNotFoundException"));
    }
    api.create("other").await;
    for (repository, id) in [("other", id.as_str()), ("demo", ZERO_ID)] {
        let answer = api
            .call("UploadLayerPart", part(repository, id, 4, b"rest"))
            .await;
        answer.refuses(
            ErrorCode::UploadNotFoundException,
            &upload_not_found(repository, id),
        );
        let answer = api
            .call(
                "CompleteLayerUpload",
                completion(repository, id, &[&digest("half")]),
            )
            .await;
        answer.refuses(
            ErrorCode::UploadNotFoundException,
            &upload_not_found(repository, id),
        );
    }
    api.ok("CompleteLayerUpload", completion("demo", &id, &[&digest("half")]))
        .await;
}

#[tokio::test]
async fn uploads_need_a_repository() {
    let api = Api::new();
    for (operation, input) in [
        ("InitiateLayerUpload", json!({ "repositoryName": "gone" })),
        ("UploadLayerPart", part("gone", ZERO_ID, 0, b"x")),
        ("CompleteLayerUpload", completion("gone", ZERO_ID, &[ABSENT])),
    ] {
        let answer = api.call(operation, input).await;
        answer.refuses(ErrorCode::RepositoryNotFoundException, &absent("gone"));
    }
}

#[tokio::test]
async fn an_upload_that_another_request_works_on_is_left_alone() {
    let api = demo().await;
    let id = api.upload("demo", b"half").await;
    let repository_id = api.count("SELECT id FROM repositories");
    let uploads = api.service().store.uploads();
    let held = uploads
        .take(repository_id, &UploadId::parse(&id).unwrap())
        .await
        .unwrap();

    let answer = api.call("UploadLayerPart", part("demo", &id, 4, b"rest")).await;
    answer.refuses(
        ErrorCode::InvalidLayerPartException,
        "Another part of the layer is being received",
    );
    assert_eq!(answer.body["lastValidByteReceived"], 3);
    let input = completion("demo", &id, &[&digest("half")]);
    let answer = api.call("CompleteLayerUpload", input.clone()).await;
    answer.refuses(
        ErrorCode::InvalidParameterException,
        &format!("The upload with id '{id}' in the repository with name 'demo' is in use by another request"),
    );

    drop(held);
    api.ok("CompleteLayerUpload", input).await;
}

#[tokio::test]
async fn of_many_who_end_an_upload_one_succeeds() {
    let api = demo().await;
    let id = api.upload("demo", b"layer").await;
    let right = digest("layer");
    let all = (0..8).map(|_| api.call("CompleteLayerUpload", completion("demo", &id, &[&right])));
    let answers = crate::api::join_all(all).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        let lost = ["InvalidParameterException", "UploadNotFoundException"];
        assert!(lost.contains(&answer.error().unwrap()), "{}", answer.body);
    }
}

#[tokio::test]
async fn of_many_who_send_one_part_one_succeeds() {
    let api = demo().await;
    let id = api.begin_upload("demo").await;
    let all = (0..8).map(|_| api.call("UploadLayerPart", part("demo", &id, 0, b"layer")));
    let answers = crate::api::join_all(all).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    let refused = answers
        .iter()
        .filter(|answer| answer.error() == Some("InvalidLayerPartException"));
    assert_eq!(refused.count(), 7);
    api.ok(
        "CompleteLayerUpload",
        completion("demo", &id, &[&digest("layer")]),
    )
    .await;
}

#[tokio::test]
async fn ids_and_digests_that_are_none_are_refused() {
    let api = demo().await;
    let id = api.begin_upload("demo").await;
    let grammar = "must satisfy regular expression \
                   '[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}'";
    for none in [
        "",
        "1234",
        "../../etc",
        "00000000-0000-0000-0000-00000000000\u{0}",
    ] {
        let answer = api.call("UploadLayerPart", part("demo", none, 0, b"x")).await;
        answer.refuses_parameter("uploadId", grammar);
        let answer = api
            .call("CompleteLayerUpload", completion("demo", none, &[ABSENT]))
            .await;
        answer.refuses_parameter("uploadId", grammar);
    }
    let name = json!({ "repositoryName": "X" });
    assert_eq!(
        api.call("InitiateLayerUpload", name).await.error(),
        Some("InvalidParameterException")
    );
    let none = api
        .call(
            "CompleteLayerUpload",
            completion("demo", &id, &["sha256", ABSENT]),
        )
        .await;
    none.refuses_parameter(
        "layerDigests",
        "Member must satisfy constraint: [Member must satisfy regular expression pattern: \
         [a-zA-Z0-9-_+.]+:[a-fA-F0-9]+]",
    );
    let none = api
        .call("CompleteLayerUpload", completion("demo", &id, &[]))
        .await;
    none.refuses_parameter(
        "layerDigests",
        "Member must have length greater than or equal to 1",
    );
    let many = vec![ABSENT; 101];
    let many = api
        .call("CompleteLayerUpload", completion("demo", &id, &many))
        .await;
    many.refuses_parameter(
        "layerDigests",
        "Member must have length less than or equal to 100",
    );
    let text = with(
        part("demo", &id, 0, b"x"),
        &json!({ "layerPartBlob": "not base64!" }),
    );
    let text = api.call("UploadLayerPart", text).await;
    assert_eq!(text.error(), Some("SerializationException"));
}
