//! Existing layers: which callers see them, their media type, and their download address.

use ecru_model::{Digest, ErrorCode, RepositoryName};
use ecru_registry::authorization::check_grant;
use serde_json::{Value, json};

use crate::api::{ACCOUNT, Api, NOW_MILLISECONDS, OTHER_ACCOUNT, endpoint, pretty};
use crate::content::{ABSENT, Image, MEBIBYTE, OCI_CONFIG, completion, digest, put};
use crate::repositories::absent;

fn layers(repository: &str, digests: &[&str]) -> Value {
    json!({ "repositoryName": repository, "layerDigests": digests })
}

fn layer(repository: &str, digest: &str) -> Value {
    json!({ "repositoryName": repository, "layerDigest": digest })
}

fn not_found(repository: &str, digest: &str) -> String {
    format!(
        "The layer with digest '{digest}' does not exist within the repository with name '{repository}' in the registry \
         with id '{ACCOUNT}'"
    )
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one element of the answer for each digest")]
async fn each_digest_is_answered_for_by_itself() {
    let api = Api::new();
    api.create("demo").await;
    let image = Image::new(1);
    api.push("demo", None, &image).await;
    let unneeded = api.push_layer("demo", b"unneeded").await;
    let config = image.config_digest();
    let upper = config.to_uppercase().replace("SHA256", "sha256");
    let digests = [
        config.as_str(),
        &image.layer_digest(),
        &unneeded,
        ABSENT,
        &upper,
        "md5:d41d8cd98f00b204e9800998ecf8427e",
        "sha256",
        "",
        &config,
        "sha256:zz",
        "../../etc/passwd",
    ];
    let checked = api
        .ok("BatchCheckLayerAvailability", layers("demo", &digests))
        .await;
    insta::assert_snapshot!(pretty(&checked, &[]), @r#"
    {
      "failures": [
        {
          "failureCode": "InvalidLayerDigest",
          "failureReason": "Invalid request parameters: layer digest should satisfy the regex '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'",
          "layerDigest": "sha256"
        },
        {
          "failureCode": "InvalidLayerDigest",
          "failureReason": "Invalid request parameters: layer digest should satisfy the regex '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'",
          "layerDigest": ""
        },
        {
          "failureCode": "InvalidLayerDigest",
          "failureReason": "Invalid request parameters: layer digest should satisfy the regex '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'",
          "layerDigest": "sha256:zz"
        },
        {
          "failureCode": "InvalidLayerDigest",
          "failureReason": "Invalid request parameters: layer digest should satisfy the regex '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'",
          "layerDigest": "../../etc/passwd"
        }
      ],
      "layers": [
        {
          "layerAvailability": "AVAILABLE",
          "layerDigest": "sha256:55d1b725b5dd95079d8dc705b6a1f4184c3172a2bbf70f6c5b462569cf0d7323",
          "layerSize": 12,
          "mediaType": "application/vnd.oci.image.config.v1+json"
        },
        {
          "layerAvailability": "AVAILABLE",
          "layerDigest": "sha256:eadbef1386f55e106626f0ff6d1739cba0b84aa94c57eaccc5bd5754a5f93b9e",
          "layerSize": 24,
          "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip"
        },
        {
          "layerAvailability": "AVAILABLE",
          "layerDigest": "sha256:a19602c62ba3985800f26f256591bc91c4af1478cd019fa1305601a449205068",
          "layerSize": 8
        },
        {
          "layerAvailability": "UNAVAILABLE",
          "layerDigest": "sha256:00000000000000000000000000000000000000000000000000000000000000ff"
        },
        {
          "layerAvailability": "UNAVAILABLE",
          "layerDigest": "sha256:55D1B725B5DD95079D8DC705B6A1F4184C3172A2BBF70F6C5B462569CF0D7323"
        },
        {
          "layerAvailability": "UNAVAILABLE",
          "layerDigest": "md5:d41d8cd98f00b204e9800998ecf8427e"
        }
      ]
    }
    "#);
}

#[tokio::test]
async fn a_layer_of_another_repository_account_or_region_is_unavailable() {
    let api = Api::new();
    let image = Image::new(1);
    for caller in [&api, &api.by_account(OTHER_ACCOUNT), &api.in_region("eu-west-1")] {
        caller.create("other").await;
    }
    api.create("demo").await;
    api.push("demo", None, &image).await;
    let digest = image.layer_digest();
    for caller in [&api, &api.by_account(OTHER_ACCOUNT), &api.in_region("eu-west-1")] {
        let checked = caller
            .ok("BatchCheckLayerAvailability", layers("other", &[&digest]))
            .await;
        let expected = json!({
            "layers": [{ "layerDigest": digest, "layerAvailability": "UNAVAILABLE" }],
            "failures": [],
        });
        assert_eq!(checked, expected);
        let address = caller
            .call("GetDownloadUrlForLayer", layer("other", &digest))
            .await;
        assert_eq!(address.error(), Some("LayersNotFoundException"));
        let put = caller.call("PutImage", put("other", &image.text(), None)).await;
        assert_eq!(put.error(), Some("LayersNotFoundException"));
    }
}

#[tokio::test]
async fn lookups_need_a_repository() {
    let api = Api::new();
    for (operation, input) in [
        ("BatchCheckLayerAvailability", layers("gone", &[ABSENT])),
        ("GetDownloadUrlForLayer", layer("gone", ABSENT)),
    ] {
        let answer = api.call(operation, input).await;
        answer.refuses(ErrorCode::RepositoryNotFoundException, &absent("gone"));
    }
}

#[tokio::test]
async fn lists_of_digests_have_their_limits() {
    let api = Api::new();
    api.create("demo").await;
    let none = api.call("BatchCheckLayerAvailability", layers("demo", &[])).await;
    none.refuses_parameter(
        "layerDigests",
        "Member must have length greater than or equal to 1",
    );
    let many = api
        .call("BatchCheckLayerAvailability", layers("demo", &[ABSENT; 101]))
        .await;
    many.refuses_parameter(
        "layerDigests",
        "Member must have length less than or equal to 100",
    );
    let long = "a".repeat(1001);
    let long = api
        .call("BatchCheckLayerAvailability", layers("demo", &[&long]))
        .await;
    long.refuses_parameter(
        "layerDigests",
        "Member must satisfy constraint: [Member must have length less than or equal to 1000, Member must have length \
         greater than or equal to 0]",
    );
    let malformed = api.call("GetDownloadUrlForLayer", layer("demo", "sha256")).await;
    malformed.refuses_parameter(
        "layerDigest",
        "must satisfy regular expression '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'",
    );
}

/// The grant in a download address.
fn grant_in(answer: &Value) -> String {
    let url = answer["downloadUrl"].as_str().unwrap();
    url.split_once("?grant=").unwrap().1.to_owned()
}

fn opens(api: &Api, repository: &str, digest: &str, grant: &str) -> bool {
    let name = RepositoryName::parse(repository).unwrap();
    check_grant(
        api.service(),
        &name,
        &Digest::parse(digest).unwrap(),
        grant,
        endpoint(),
    )
    .is_ok()
}

#[tokio::test]
async fn the_address_of_a_layer_opens_that_layer_alone_for_an_hour() {
    let api = Api::new();
    for name in ["demo", "other"] {
        api.create(name).await;
        api.push(name, None, &Image::new(1)).await;
    }
    let (image, wanted) = (Image::new(1), Image::new(1).layer_digest());
    let answer = api.ok("GetDownloadUrlForLayer", layer("demo", &wanted)).await;
    let grant = grant_in(&answer);
    let expected = json!({
        "downloadUrl": format!("http://localhost:4566/v2/demo/blobs/{wanted}?grant={grant}"),
        "layerDigest": wanted,
    });
    assert_eq!(answer, expected);

    assert!(opens(&api, "demo", &wanted, &grant));
    assert!(!opens(&api, "other", &wanted, &grant));
    assert!(!opens(&api, "demo", &image.config_digest(), &grant));
    assert!(!opens(&api, "demo", &wanted, &grant[1..]));
    assert!(!opens(&api, "demo", &wanted, ""));
    let mut changed = grant.clone().into_bytes();
    for at in 0..changed.len() {
        let byte = changed[at];
        changed[at] = if byte == b'A' { b'B' } else { b'A' };
        let text = String::from_utf8(changed.clone()).unwrap();
        assert!(
            !opens(&api, "demo", &wanted, &text),
            "byte {at} of the grant may be changed"
        );
        changed[at] = byte;
    }

    api.service().clock.advance(60 * 60 * 1000 - 1);
    assert!(opens(&api, "demo", &wanted, &grant));
    api.service().clock.advance(1);
    assert!(!opens(&api, "demo", &wanted, &grant));
    assert_eq!(
        api.service().clock.now().as_millis(),
        NOW_MILLISECONDS + 60 * 60 * 1000
    );
}

#[tokio::test]
async fn a_layer_that_is_not_there_has_no_address() {
    let api = Api::new();
    api.create("demo").await;
    for digest in [ABSENT, "md5:d41d8cd98f00b204e9800998ecf8427e"] {
        let answer = api.call("GetDownloadUrlForLayer", layer("demo", digest)).await;
        answer.refuses(ErrorCode::LayersNotFoundException, &not_found("demo", digest));
    }
}

#[tokio::test]
async fn a_layer_that_no_image_needs_has_no_address() {
    let api = Api::new();
    api.create("demo").await;
    let image = Image::new(1);
    api.push_layers("demo", &image).await;
    let digest = image.layer_digest();
    let inaccessible = format!(
        "The layer with digest '{digest}' is not available because it is not associated with an image in the repository \
         with name 'demo' in the registry with id '{ACCOUNT}'"
    );
    let before = api.call("GetDownloadUrlForLayer", layer("demo", &digest)).await;
    before.refuses(ErrorCode::LayerInaccessibleException, &inaccessible);

    api.push("demo", Some("v1"), &image).await;
    api.ok("GetDownloadUrlForLayer", layer("demo", &digest)).await;

    let ids = json!({ "repositoryName": "demo", "imageIds": [{ "imageTag": "v1" }] });
    api.ok("BatchDeleteImage", ids).await;
    let after = api.call("GetDownloadUrlForLayer", layer("demo", &digest)).await;
    after.refuses(ErrorCode::LayerInaccessibleException, &inaccessible);
}

#[tokio::test]
async fn a_damaged_layer_is_absent_until_it_is_pushed_again() {
    let api = Api::new();
    api.create("demo").await;
    let bytes = vec![7; MEBIBYTE];
    let mut image = Image::new(1);
    image.manifest["layers"][0] = crate::content::descriptor(crate::content::OCI_LAYER, &bytes);
    image.blobs[1].clone_from(&bytes);
    api.push("demo", Some("v1"), &image).await;
    let wanted = digest(&bytes);
    damage_files(&api);

    let checked = api
        .ok("BatchCheckLayerAvailability", layers("demo", &[&wanted]))
        .await;
    assert_eq!(checked["layers"][0]["layerAvailability"], "UNAVAILABLE");
    let address = api.call("GetDownloadUrlForLayer", layer("demo", &wanted)).await;
    address.refuses(ErrorCode::LayersNotFoundException, &not_found("demo", &wanted));
    let second = Image {
        blobs: Vec::new(),
        ..image
    }
    .with("annotations", json!({ "second": "yes" }));
    let refused = api.call("PutImage", put("demo", &second.text(), None)).await;
    refused.refuses(
        ErrorCode::LayersNotFoundException,
        &format!(
            "Layers with digests '[{wanted}]' required for pushing image into repository with name 'demo' in the \
             registry with id '{ACCOUNT}' do not exist"
        ),
    );

    let id = api.upload("demo", &bytes).await;
    api.ok("CompleteLayerUpload", completion("demo", &id, &[&wanted]))
        .await;
    api.ok("GetDownloadUrlForLayer", layer("demo", &wanted)).await;
    api.ok("PutImage", put("demo", &second.text(), None)).await;
}

/// Changes a byte in every file of a blob.
fn damage_files(api: &Api) {
    let mut damaged = 0;
    for directory in std::fs::read_dir(api.data().join("blobs")).unwrap() {
        for file in std::fs::read_dir(directory.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let mut bytes = std::fs::read(&path).unwrap();
            bytes[0] ^= 1;
            std::fs::write(&path, bytes).unwrap();
            damaged += 1;
        }
    }
    assert_eq!(damaged, 1, "one layer is too large for its row");
}

#[tokio::test]
async fn a_blob_has_the_type_that_the_image_gives_it() {
    let api = Api::new();
    api.create("demo").await;
    let image = Image::new(1);
    api.push("demo", None, &image).await;
    let checked = api
        .ok(
            "BatchCheckLayerAvailability",
            layers("demo", &[&image.config_digest()]),
        )
        .await;
    assert_eq!(checked["layers"][0]["mediaType"], OCI_CONFIG);
}
