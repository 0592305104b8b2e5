//! The error sentence of each invalid body.

use ecru_model::{EncryptionType, ImageTagMutability, Operation};
use ecru_registry::generated::{parse, service::FACTS};

use super::*;

const REGISTRY: &str = r#""registryId":"123456789012""#;
const NAME: &str = "[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*)*";

fn facts(operation: Operation) -> &'static OperationFacts {
    &FACTS.operations[FACTS.find(operation.name()).unwrap()]
}

fn body(operation: Operation, text: &str) -> Document {
    let mut document = Document::new(facts(operation).streamed);
    document.push(text.as_bytes());
    document
}

#[track_caller]
fn check<T>(operation: Operation, parse: Parse<JsonFields, T>, text: &str, member: &str, reason: &str) {
    let error = read_here(facts(operation), body(operation, text), parse)
        .err()
        .unwrap();
    let sentence = format!("Invalid parameter at '{member}' failed to satisfy constraint: '{reason}'");
    assert_eq!(
        (error.code.name, error.message),
        ("InvalidParameterException", sentence)
    );
}

#[track_caller]
fn check_unreadable<T>(parse: Parse<JsonFields, T>, text: &str, message: &str) {
    let operation = Operation::CreateRepository;
    let error = read_here(facts(operation), body(operation, text), parse)
        .err()
        .unwrap();
    assert_eq!(
        (error.code.name, error.message.as_str()),
        ("SerializationException", message)
    );
}

#[test]
fn a_repository_name_is_refused_in_the_words_of_the_service() {
    let long = "a".repeat(257);
    let cases = [
        ("{}".to_owned(), "must not be null".to_owned()),
        (
            r#"{"repositoryName":null}"#.to_owned(),
            "must not be null".to_owned(),
        ),
        (
            r#"{"repositoryName":"a"}"#.to_owned(),
            "must have length greater than or equal to 2".to_owned(),
        ),
        (
            format!(r#"{{"repositoryName":"{long}"}}"#),
            "must have length less than or equal to 256".to_owned(),
        ),
        (
            r#"{"repositoryName":"UPPER"}"#.to_owned(),
            format!("must satisfy regular expression '{NAME}'"),
        ),
        (
            r#"{"repositoryName":"a/b\n"}"#.to_owned(),
            format!("must satisfy regular expression '{NAME}'"),
        ),
    ];
    for (text, reason) in cases {
        check(
            Operation::CreateRepository,
            parse::create_repository_input,
            &text,
            "repositoryName",
            &reason,
        );
    }
}

#[test]
fn a_registry_id_is_refused_alone_and_in_a_list() {
    check(
        Operation::DescribeRepositories,
        parse::describe_repositories_input,
        r#"{"registryId":"12"}"#,
        "registryId",
        "must satisfy regular expression [0-9]{12}",
    );
    check(
        Operation::GetAuthorizationToken,
        parse::get_authorization_token_input,
        r#"{"registryIds":["123456789012","x"]}"#,
        "registryIds",
        "Member must satisfy constraint: [Member must satisfy regular expression pattern: [0-9]{12}]",
    );
}

#[test]
fn tags_and_digests_of_an_image_are_refused_by_their_grammar() {
    let put = |member: &str| format!(r#"{{"repositoryName":"demo","imageManifest":"{{}}",{member}}}"#);
    let cases = [
        (
            r#""imageTag":"a b""#,
            "imageTag",
            "must satisfy regular expression '[a-zA-Z0-9-_.]+'",
        ),
        (
            r#""imageTag":"""#,
            "imageTag",
            "must have length greater than or equal to 1",
        ),
        (
            r#""imageDigest":"latest""#,
            "imageDigest",
            "must satisfy regular expression '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'",
        ),
    ];
    for (member, path, reason) in cases {
        check(
            Operation::PutImage,
            parse::put_image_input,
            &put(member),
            path,
            reason,
        );
    }
}

#[test]
fn malformed_image_ids_are_left_to_be_answered_as_failures() {
    let text = r#"{"repositoryName":"demo","imageIds":[{"imageTag":"a b","imageDigest":"x"},{}]}"#;
    let operation = Operation::BatchGetImage;
    let input = read_here(
        facts(operation),
        body(operation, text),
        parse::batch_get_image_input,
    )
    .unwrap();
    assert_eq!(input.image_ids.len(), 2);
    let text = r#"{"repositoryName":"demo","layerDigests":["x",""]}"#;
    let parse = parse::batch_check_layer_availability_input;
    let operation = Operation::BatchCheckLayerAvailability;
    let input = read_here(facts(operation), body(operation, text), parse).unwrap();
    assert_eq!(input.layer_digests, ["x", ""]);
}

#[test]
fn lists_are_bounded() {
    let ids = |count| {
        format!(
            r#"{{"repositoryName":"demo","imageIds":[{}]}}"#,
            vec!["{}"; count].join(",")
        )
    };
    let check = |text: &str, reason: &str| {
        check(
            Operation::BatchGetImage,
            parse::batch_get_image_input,
            text,
            "imageIds",
            reason,
        );
    };
    check(&ids(101), "Member must have length less than or equal to 100");
    check(&ids(0), "Member must have length greater than or equal to 1");
    check(r#"{"repositoryName":"demo"}"#, "Member must not be null");
}

#[test]
fn numbers_are_bounded() {
    let check = |number: &str, reason: &str| {
        let text = format!(r#"{{"maxResults":{number}}}"#);
        check(
            Operation::DescribeRepositories,
            parse::describe_repositories_input,
            &text,
            "maxResults",
            reason,
        );
    };
    check("1001", "Member must have value less than or equal to 1000");
    check("0", "Member must have value greater than or equal to 1");
    check("-2147483648", "Member must have value greater than or equal to 1");
}

#[test]
fn enumerations_list_their_values_in_the_order_of_the_service() {
    check(
        Operation::PutImageTagMutability,
        parse::put_image_tag_mutability_input,
        r#"{"repositoryName":"demo","imageTagMutability":"mutable"}"#,
        "imageTagMutability",
        "Member must satisfy enum value set: \
         [IMMUTABLE, MUTABLE, MUTABLE_WITH_EXCLUSION, IMMUTABLE_WITH_EXCLUSION]",
    );
    check(
        Operation::CreateRepository,
        parse::create_repository_input,
        r#"{"repositoryName":"demo","encryptionConfiguration":{"encryptionType":"aes256"}}"#,
        "encryptionConfiguration.encryptionType",
        "Member must satisfy enum value set: [AES256, KMS, KMS_DSSE]",
    );
    check(
        Operation::UpdateRepositoryCreationTemplate,
        parse::update_repository_creation_template_input,
        r#"{"prefix":"demo","appliedFor":["REPLICATION","x"]}"#,
        "appliedFor",
        "Member must satisfy constraint: \
         [Member must satisfy enum value set: [REPLICATION, PULL_THROUGH_CACHE, CREATE_ON_PUSH]]",
    );
}

#[test]
fn members_of_elements_are_named_by_their_place() {
    let tags = |tags: &str| format!(r#"{{"repositoryName":"demo","tags":{tags}}}"#);
    let cases = [
        (r#"[{"Key":"a","Value":"b"},{"Value":"b"}]"#, "tags.2.member.key"),
        (r#"[{"Key":"a"}]"#, "tags.1.member.value"),
        (r#"[{"Key":"a","Value":"b"},null]"#, "tags.2.member"),
    ];
    for (list, path) in cases {
        let text = tags(list);
        check(
            Operation::CreateRepository,
            parse::create_repository_input,
            &text,
            path,
            "Member must not be null",
        );
    }
    check(
        Operation::DescribeRepositories,
        parse::describe_repositories_input,
        r#"{"repositoryNames":["demo",null]}"#,
        "repositoryNames.2.member",
        "Member must not be null",
    );
}

#[test]
fn policies_and_manifests_are_capitalised() {
    let name = r#"{"repositoryName":"demo"}"#;
    check(
        Operation::SetRepositoryPolicy,
        parse::set_repository_policy_input,
        name,
        "PolicyText",
        "Cannot be null",
    );
    check(
        Operation::PutRegistryPolicy,
        parse::put_registry_policy_input,
        "{}",
        "PolicyText",
        "Cannot be null",
    );
    check(
        Operation::PutLifecyclePolicy,
        parse::put_lifecycle_policy_input,
        r#"{"repositoryName":"demo","lifecyclePolicyText":"{}"}"#,
        "LifecyclePolicyText",
        "Member must have length greater than or equal to 100",
    );
    check(
        Operation::PutImage,
        parse::put_image_input,
        name,
        "ImageManifest",
        "Member must not be null",
    );
}

#[test]
fn blobs_are_bounded_by_their_decoded_length() {
    let id = "0d3c2c1e-6d1f-4a1f-9a0e-0123456789ab";
    let text = |bytes: usize| {
        let blob = BASE64_STANDARD.encode(vec![0; bytes]);
        format!(
            r#"{{"repositoryName":"demo","uploadId":"{id}","partFirstByte":0,"partLastByte":1,"layerPartBlob":"{blob}"}}"#
        )
    };
    let max = 20_971_520;
    let reason = "Member must have length less than or equal to 20971520";
    let parse = parse::upload_layer_part_input;
    check(
        Operation::UploadLayerPart,
        parse,
        &text(max + 1),
        "layerPartBlob",
        reason,
    );
    let operation = Operation::UploadLayerPart;
    let input = read_here(facts(operation), body(operation, &text(max)), parse).unwrap();
    assert_eq!(
        (
            input.layer_part_blob.len(),
            input.part_last_byte,
            input.upload_id.as_str()
        ),
        (max, 1, id)
    );
}

#[test]
fn the_first_violated_member_in_the_models_order_is_reported() {
    check(
        Operation::CreateRepository,
        parse::create_repository_input,
        r#"{"imageTagMutability":"x","repositoryName":"A","registryId":"1"}"#,
        "registryId",
        "must satisfy regular expression [0-9]{12}",
    );
    check(
        Operation::CreateRepository,
        parse::create_repository_input,
        &format!(r#"{{"imageTagMutability":"x","repositoryName":"a",{REGISTRY}}}"#),
        "repositoryName",
        "must have length greater than or equal to 2",
    );
}

#[test]
fn values_of_the_wrong_type_come_before_broken_constraints() {
    let name = |value: &str| format!(r#"{{"registryId":"1","repositoryName":{value}}}"#);
    let cases = [
        (name("5"), "NUMBER_VALUE can not be converted to a String"),
        (name("true"), "TRUE_VALUE can not be converted to a String"),
        (name("[]"), "Start of list found where not expected"),
        (name("{}"), "Start of structure or map found where not expected"),
        (r#"{"tags":{}}"#.to_owned(), "Expected list or null"),
        (r#"{"tags":[5]}"#.to_owned(), "Unexpected field type"),
        (
            r#"{"imageScanningConfiguration":[]}"#.to_owned(),
            "Start of list found where not expected",
        ),
        (
            r#"{"imageScanningConfiguration":{"scanOnPush":"true"}}"#.to_owned(),
            "STRING_VALUE can not be converted to a Boolean",
        ),
        ("5".to_owned(), "Unexpected field type"),
        ("[]".to_owned(), "Start of list found where not expected"),
    ];
    for (text, message) in cases {
        check_unreadable(parse::create_repository_input, &text, message);
    }
    let number = |number: &str| format!(r#"{{"maxResults":{number}}}"#);
    let integer = "NUMBER_VALUE can not be converted to an Integer";
    for (text, message) in [("1.5", integer), ("2147483648", integer), ("1e3", integer)] {
        check_unreadable(parse::describe_repositories_input, &number(text), message);
    }
    let quoted = "STRING_VALUE can not be converted to a Number";
    check_unreadable(parse::describe_repositories_input, &number(r#""5""#), quoted);
    check_unreadable(
        parse::upload_layer_part_input,
        r#"{"layerPartBlob":"a b"}"#,
        "STRING_VALUE is not base64",
    );
}

#[test]
fn what_is_not_one_bounded_json_document_is_unreadable() {
    let deep = format!("{}1{}", r#"{"a":"#.repeat(65), "}".repeat(65));
    let unclosed = "[".repeat(1_000_000);
    let wide = format!("[{}0]", "0,".repeat(20_000));
    let cases = [
        (" ", "the body is not JSON"),
        ("{", "the body is not JSON"),
        ("{} {}", "the body is not JSON"),
        (r#"{"a":"\ud800"}"#, "the body is not JSON"),
        (&deep, "the body is nested deeper than 64 levels"),
        (&unclosed, "the body is nested deeper than 64 levels"),
        (&wide, "the body holds more than 20000 values"),
    ];
    for (text, message) in cases {
        check_unreadable(parse::create_repository_input, text, message);
    }
    let mut document = Document::new(None);
    document.push(&[b'"', 0xff, b'"']);
    let invalid = read_here(
        facts(Operation::CreateRepository),
        document,
        parse::create_repository_input,
    );
    assert_eq!(
        invalid.err().map(|error| error.code.name),
        Some("SerializationException")
    );
}

#[test]
fn a_body_within_the_depth_is_read_and_unknown_members_are_passed_over() {
    let nested = format!("{}1{}", r#"{"a":"#.repeat(63), "}".repeat(63));
    let text = format!(
        r#"{{"repositoryName":"x","repositoryName":"team/demo",{REGISTRY},"unknown":{nested},
            "imageTagMutability":"IMMUTABLE","tags":null,"imageScanningConfiguration":{{"scanOnPush":true}},
            "encryptionConfiguration":{{"encryptionType":"KMS","kmsKey":"alias/demo"}}}}"#
    );
    let input = read_here(
        facts(Operation::CreateRepository),
        body(Operation::CreateRepository, &text),
        parse::create_repository_input,
    )
    .unwrap();
    assert_eq!(input.repository_name.as_str(), "team/demo");
    assert_eq!(input.registry_id.unwrap().as_str(), "123456789012");
    assert_eq!(input.image_tag_mutability, Some(ImageTagMutability::Immutable));
    assert_eq!(input.tags, None);
    assert_eq!(
        input.image_scanning_configuration.unwrap().scan_on_push,
        Some(true)
    );
    let encryption = input.encryption_configuration.unwrap();
    assert_eq!(encryption.encryption_type, EncryptionType::Kms);
    assert_eq!(encryption.kms_key.unwrap().as_str(), "alias/demo");
}

#[tokio::test]
async fn a_large_body_is_read_the_same_on_another_thread() {
    let manifest = "x".repeat(2 * INLINE_BYTES_MAX);
    let text = format!(r#"{{"repositoryName":"demo","imageManifest":"{manifest}"}}"#);
    let operation = Operation::PutImage;
    let given = Given {
        document: body(operation, &text),
        ..Given::default()
    };
    let input = Json::read(facts(operation), given, parse::put_image_input)
        .await
        .unwrap();
    assert_eq!(input.image_manifest, manifest);
}

/// The result for a layer part whose body arrives in pieces of this size. `operation` determines whether the
/// blob is decoded on arrival.
fn part_in_pieces(
    operation: Operation,
    text: &str,
    size: usize,
) -> Result<(i64, Vec<u8>), (&'static str, String)> {
    let mut document = Document::new(facts(operation).streamed);
    for piece in text.as_bytes().chunks(size) {
        document.push(piece);
    }
    read_here(
        facts(Operation::UploadLayerPart),
        document,
        parse::upload_layer_part_input,
    )
    .map(|input| (input.part_last_byte, input.layer_part_blob))
    .map_err(|error| (error.code.name, error.message))
}

#[test]
fn a_part_is_read_the_same_whether_or_not_it_is_decoded_as_it_arrives() {
    let others = format!(
        r#"{REGISTRY},"repositoryName":"demo","uploadId":"0d3c2c1e-6d1f-4a1f-9a0e-0123456789ab","partFirstByte":0,"partLastByte":4"#
    );
    let long = BASE64_STANDARD.encode((0..=255).collect::<Vec<u8>>());
    let blobs = [
        "\"\"",
        "\"bGF5ZXI=\"",
        "\"bGF5ZXI\"",
        "\"bGF5ZXI==\"",
        "\"bGF5ZXJ=\"",
        "\"bA==bGF5ZXI=\"",
        "\"bGF5 ZXI=\"",
        "\"bGF5\\nZXI=\"",
        "\"bGF5\\/\\/\\/\\/ZXI=\"",
        "\"bGF5ZX\\u0049=\"",
        "\"bGF5\\ud800\"",
        "\"bGF5\nZXI=\"",
        "\"bGF5é\"",
        "\"*bGF5ZXI=\"",
        "\"bGF5ZXI=",
        "\"bGF5ZXI=\\",
        "null",
        "5",
        "[\"bGF5ZXI=\"]",
        "{\"layerPartBlob\":\"bGF5ZXI=\"}",
        &format!("\"{long}\""),
    ];
    let mut texts = vec![
        format!("{{{others}}}"),
        format!(r#"{{"layerPart\u0042lob":"bGF5ZXI=",{others}}}"#),
        format!(r#"{{"a\"layerPartBlob":"bGF5","layerPartBlob":"ZXIx",{others}}}"#),
        format!(r#"{{"a":{{"layerPartBlob":"bGF5bGF5"}},"layerPartBlob":"ZXIx",{others}}}"#),
        format!(r#"{{"layerPartBlob":"ZXIxZXIx","a":{{"layerPartBlob":"bGF5bGF5"}},{others}}}"#),
        format!(r#"{{"a":"b"layerPartBlob":"bGF5bGF5",{others}}}"#),
        r#"["layerPartBlob":"bGF5bGF5"]"#.to_owned(),
        r#""layerPartBlob":"bGF5bGF5""#.to_owned(),
    ];
    for blob in blobs {
        texts.push(format!(r#"{{"layerPartBlob":{blob},{others}}}"#));
        texts.push(format!("{{{others},\n\t\"layerPartBlob\" :\r {blob} }}"));
        texts.push(format!(
            r#"{{"layerPartBlob":"bGF5bGF5",{others},"layerPartBlob":{blob}}}"#
        ));
        texts.push(format!(
            r#"{{"layerPartBlob":{blob},{others},"layerPartBlob":"bGF5ZXI="}}"#
        ));
        texts.push(format!(
            r#"{{"layerPartBlob":{blob},{others},"layerPartBlob":null}}"#
        ));
        texts.push(format!(
            r#"{{"layerPartBlob":{blob},{others},"partLastByte":"5"}}"#
        ));
    }
    // A body may repeat the blob, and the second one may contain the letter that marks decoded bytes. Such a
    // body is accepted.
    texts.retain(|text| !(text.contains("\"*") && text.matches("layerPartBlob").count() > 1));
    let mut taken = 0;
    for text in texts {
        let whole = part_in_pieces(Operation::PutImage, &text, text.len());
        taken += usize::from(whole.is_ok());
        for size in [1, 2, 3, 5, 7, 64, text.len()] {
            let decoded = part_in_pieces(Operation::UploadLayerPart, &text, size);
            assert_eq!(decoded, whole, "{text} in pieces of {size}");
        }
    }
    assert!(taken > 20, "few bodies were taken: {taken}");
}
