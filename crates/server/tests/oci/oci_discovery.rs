//! Discovery: the catalog, the tags of a repository, and the referrers of a manifest.

use ecru_model::DigestAlgorithm;
use serde_json::{Value, json};

use crate::client::{Registry, Reply};
use crate::content::{
    ALGORITHMS, CONFIG, EMPTY, INDEX, Image, MANIFEST, descriptor, digest, index, index_with, sha256,
};

async fn tagged(tags: &[String]) -> Registry {
    let registry = Registry::start().await;
    let empty = index(&[]);
    for some in tags.chunks(100) {
        let query = some
            .iter()
            .map(|tag| format!("tag={tag}"))
            .collect::<Vec<_>>()
            .join("&");
        registry
            .put_manifest("demo", &format!("{}?{query}", sha256(&empty)), &empty)
            .await
            .is(201);
    }
    registry
}

#[track_caller]
fn tags(reply: &Reply) -> Vec<String> {
    let document = reply.is(200).has("content-type", "application/json").json();
    document["tags"]
        .as_array()
        .expect("tags")
        .iter()
        .map(|tag| tag.as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn tags_are_listed_in_order() {
    let given = ["b", "a", "10", "2", "Z", "_", "a.1", "a-1"].map(str::to_owned);
    let registry = tagged(&given).await;
    let reply = registry.get("/v2/demo/tags/list").send().await;
    assert_eq!(reply.json()["name"], "demo");
    let mut sorted = given.to_vec();
    sorted.sort();
    assert_eq!(tags(&reply), sorted);
    assert_eq!(reply.next_page(), None);
    registry.head("/v2/demo/tags/list").send().await.is(200);
}

#[tokio::test]
async fn a_repository_without_tags_has_an_empty_list() {
    let registry = Registry::start().await;
    assert_eq!(
        registry.get("/v2/demo/tags/list").send().await.json(),
        json!({ "name": "demo", "tags": [] })
    );
    registry
        .get("/v2/absent/tags/list")
        .send()
        .await
        .refuses(404, "NAME_UNKNOWN");
}

#[tokio::test]
async fn tags_are_given_by_page() {
    let all = (0..250).map(|tag| format!("t{tag:03}")).collect::<Vec<_>>();
    let registry = tagged(&all).await;
    for (query, first) in [("", 100), ("?n=7", 7), ("?n=249", 249)] {
        let mut listed = Vec::new();
        let mut address = Some(format!("/v2/demo/tags/list{query}"));
        let mut pages = 0;
        while let Some(page) = address {
            let reply = registry.get(&page).send().await;
            let found = tags(&reply);
            address = reply.next_page();
            assert!(
                found.len() == first || address.is_none(),
                "{} tags on a page of {first}",
                found.len()
            );
            listed.extend(found);
            pages += 1;
            assert!(pages < 50, "the pages of {query} do not end");
        }
        assert_eq!(listed, all);
    }
    // A full page that is also the last has no next page.
    for query in ["?n=250", "?n=1000", "?n=1001", "?n=99999999999999999999999999"] {
        let reply = registry.get(&format!("/v2/demo/tags/list{query}")).send().await;
        assert_eq!((tags(&reply).len(), reply.next_page()), (250, None), "{query}");
    }
}

#[tokio::test]
async fn a_page_begins_after_the_last_tag_named() {
    let registry = tagged(&["a", "b", "c", "d"].map(str::to_owned)).await;
    for (query, expected) in [
        ("last=b", vec!["c", "d"]),
        ("last=bb", vec!["c", "d"]),
        ("last=d", vec![]),
        ("last=", vec!["a", "b", "c", "d"]),
        ("n=1&last=a", vec!["b"]),
        ("n=2&last=A", vec!["a", "b"]),
        ("n=0&last=a", vec![]),
    ] {
        let reply = registry.get(&format!("/v2/demo/tags/list?{query}")).send().await;
        assert_eq!(tags(&reply), expected, "{query}");
    }
    let none = registry.get("/v2/demo/tags/list?n=0").send().await;
    assert_eq!((tags(&none), none.next_page()), (Vec::new(), None));
}

#[tokio::test]
async fn a_page_that_is_none_is_refused() {
    let registry = Registry::start().await;
    let long = format!("last={}", "a".repeat(301));
    for list in ["demo/tags/list", "_catalog"] {
        for query in [
            "n=-1",
            "n=x",
            "n=1.5",
            "n=+1",
            "n=%00",
            "n=1%20",
            "last=%00",
            "last=a%0Ab",
            "last=%5C",
            &long,
        ] {
            registry
                .get(&format!("/v2/{list}?{query}"))
                .send()
                .await
                .refuses(400, "UNSUPPORTED");
        }
    }
}

#[tokio::test]
async fn the_catalogue_lists_the_repositories_of_the_registry_in_order_and_by_page() {
    let registry = Registry::start().await;
    for name in ["zebra", "a/b", "a-b", "alpha"] {
        registry.create(name).await;
    }
    registry
        .aws_as(
            "123456789012",
            "us-east-1",
            "CreateRepository",
            json!({ "repositoryName": "foreign" }),
        )
        .await;
    registry
        .aws_as(
            "test",
            "eu-west-1",
            "CreateRepository",
            json!({ "repositoryName": "far" }),
        )
        .await;

    let all = ["a-b", "a/b", "alpha", "demo", "zebra"];
    let reply = registry.get("/v2/_catalog").send().await;
    reply.is(200).has("content-type", "application/json");
    assert_eq!(reply.json(), json!({ "repositories": all }));
    assert_eq!(reply.next_page(), None);

    let first = registry.get("/v2/_catalog?n=2").send().await;
    assert_eq!(first.json()["repositories"], json!(all[..2]));
    let second = registry.get(&first.next_page().unwrap()).send().await;
    assert_eq!(second.json()["repositories"], json!(all[2..4]));
    let third = registry.get(&second.next_page().unwrap()).send().await;
    assert_eq!(
        (third.json()["repositories"].clone(), third.next_page()),
        (json!(all[4..]), None)
    );

    let none = registry.get("/v2/_catalog?n=0").send().await;
    assert_eq!(
        (none.json(), none.next_page()),
        (json!({ "repositories": [] }), None)
    );
}

#[track_caller]
fn referrers(reply: &Reply) -> Vec<Value> {
    reply.is(200).has("content-type", INDEX);
    let document = reply.json();
    assert_eq!(
        (document["schemaVersion"].as_u64(), document["mediaType"].as_str()),
        (Some(2), Some(INDEX))
    );
    document["manifests"].as_array().expect("manifests").clone()
}

/// A subject in `demo` and its referrers in this order: an image, two artifacts, and an index.
async fn referred(algorithm: DigestAlgorithm) -> (Registry, String, Vec<(String, Vec<u8>)>) {
    let registry = Registry::start().await;
    let subject = Image::digested(algorithm, 1, |_| {});
    registry.push_blobs(algorithm, "demo", &subject).await;
    let subject_digest = digest(algorithm, &subject.manifest);
    registry
        .put_manifest("demo", &subject_digest, &subject.manifest)
        .await
        .is(201);
    let link = descriptor(MANIFEST, &subject_digest, subject.manifest.len());

    let empty = registry.push_blob_as(algorithm, "demo", b"{}").await;
    let thing = |kind: &str| {
        json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": kind,
            "config": descriptor(EMPTY, &empty, 2),
            "layers": [descriptor(EMPTY, &empty, 2)],
            "subject": link,
            "annotations": { "org.example.of": kind },
        })
        .to_string()
        .into_bytes()
    };
    let image = Image::digested(algorithm, 2, |manifest| manifest["subject"] = link.clone());
    registry.push_blobs(algorithm, "demo", &image).await;
    let manifests = [
        image.manifest,
        thing("application/vnd.example.one"),
        thing("application/vnd.example.two+json"),
        index_with(&[], |index| {
            index["subject"] = link.clone();
            index["annotations"] = json!({ "org.example.of": "index" });
        }),
    ];
    let mut pushed = Vec::new();
    for manifest in manifests {
        let digest = digest(algorithm, &manifest);
        registry
            .put_manifest("demo", &digest, &manifest)
            .await
            .is(201)
            .has("oci-subject", &subject_digest);
        pushed.push((digest, manifest));
    }
    (registry, subject_digest, pushed)
}

#[tokio::test]
async fn referrers_are_described_in_full() {
    for algorithm in ALGORITHMS {
        let (registry, subject, pushed) = referred(algorithm).await;
        let reply = registry
            .get(&format!("/v2/demo/referrers/{subject}"))
            .send()
            .await;
        assert_eq!(reply.header("oci-filters-applied"), None);
        let mut found = referrers(&reply);
        let of = |at: usize, media_type: &str, more: Value| {
            let (digest, manifest) = &pushed[at];
            let mut described = descriptor(media_type, digest, manifest.len());
            described
                .as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            described
        };
        let thing = |kind: &str| json!({ "artifactType": kind, "annotations": { "org.example.of": kind } });
        let mut expected = vec![
            of(0, MANIFEST, json!({ "artifactType": CONFIG })),
            of(1, MANIFEST, thing("application/vnd.example.one")),
            of(2, MANIFEST, thing("application/vnd.example.two+json")),
            of(3, INDEX, json!({ "annotations": { "org.example.of": "index" } })),
        ];
        for list in [&mut found, &mut expected] {
            list.sort_by_key(|described| described["digest"].as_str().unwrap().to_owned());
        }
        assert_eq!(found, expected);
    }
}

#[tokio::test]
async fn referrers_are_filtered_by_their_type() {
    let (registry, subject, pushed) = referred(ALGORITHMS[0]).await;
    for (wanted, expected) in [
        (CONFIG, vec![0]),
        ("application/vnd.example.one", vec![1]),
        ("application/vnd.example.two%2Bjson", vec![2]),
        ("application/vnd.example.other", vec![]),
    ] {
        let reply = registry
            .get(&format!("/v2/demo/referrers/{subject}?artifactType={wanted}"))
            .send()
            .await;
        reply.has("oci-filters-applied", "artifactType");
        let found = referrers(&reply);
        let expected = expected
            .into_iter()
            .map(|at: usize| pushed[at].0.clone())
            .collect::<Vec<_>>();
        let found = found
            .iter()
            .map(|one| one["digest"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>();
        assert_eq!(found, expected, "{wanted}");
    }
}

#[tokio::test]
async fn referrers_are_given_by_page() {
    let (registry, subject, pushed) = referred(ALGORITHMS[0]).await;
    for query in [
        "n=1",
        "n=3",
        "n=4",
        "n=1&artifactType=application/vnd.example.two%2Bjson",
    ] {
        let mut listed = Vec::new();
        let mut address = Some(format!("/v2/demo/referrers/{subject}?{query}"));
        let mut pages = 0;
        while let Some(page) = address {
            let reply = registry.get(&page).send().await;
            let filtered = query.contains("artifactType").then_some("artifactType");
            assert_eq!(reply.header("oci-filters-applied"), filtered);
            listed.extend(
                referrers(&reply)
                    .iter()
                    .map(|one| one["digest"].as_str().unwrap().to_owned()),
            );
            address = reply.next_page();
            pages += 1;
            assert!(pages < 10, "the pages of {query} do not end");
        }
        let expected = if query.contains("artifactType") {
            &pushed[2..3]
        } else {
            &pushed[..]
        };
        let mut expected = expected
            .iter()
            .map(|(digest, _)| digest.clone())
            .collect::<Vec<_>>();
        expected.sort();
        listed.sort();
        assert_eq!(listed, expected, "{query}");
    }
    registry
        .get(&format!("/v2/demo/referrers/{subject}?last=x"))
        .send()
        .await
        .refuses(400, "UNSUPPORTED");
}

#[tokio::test]
async fn what_nothing_refers_to_has_an_empty_list_and_never_404() {
    let registry = Registry::start().await;
    for algorithm in ALGORITHMS {
        let absent = digest(algorithm, b"absent");
        for repository in ["demo", "absent"] {
            let reply = registry
                .get(&format!("/v2/{repository}/referrers/{absent}"))
                .send()
                .await;
            assert!(referrers(&reply).is_empty());
        }
    }
    for bad in ["sha256:baddigeststring", "latest", "sha1:0000", "sha256:"] {
        registry
            .get(&format!("/v2/demo/referrers/{bad}"))
            .send()
            .await
            .refuses(400, "DIGEST_INVALID");
    }
}

#[tokio::test]
async fn a_referrer_counts_before_its_subject_is_there_and_no_longer_than_it_is_itself() {
    let registry = Registry::start().await;
    let subject = Image::new(1);
    let referrer = Image::with(2, |manifest| manifest["subject"] = subject.descriptor());
    let digest = registry.push("demo", "referrer", &referrer).await;
    let list = format!("/v2/demo/referrers/{}", subject.digest());
    assert_eq!(referrers(&registry.get(&list).send().await).len(), 1);

    registry.push("demo", "subject", &subject).await;
    assert_eq!(referrers(&registry.get(&list).send().await).len(), 1);
    registry.create("other").await;
    let elsewhere = list.replace("/demo/", "/other/");
    assert!(referrers(&registry.get(&elsewhere).send().await).is_empty());

    registry
        .delete(&format!("/v2/demo/manifests/{digest}"))
        .send()
        .await
        .is(202);
    assert!(referrers(&registry.get(&list).send().await).is_empty());
    registry.get("/v2/demo/manifests/subject").send().await.is(200);
}

#[tokio::test]
async fn lists_are_found_with_a_slash_at_their_end() {
    let registry = Registry::start().await;
    let image = Image::new(1);
    registry.push("demo", "1.0", &image).await;
    for path in [
        "/v2/_catalog".to_owned(),
        "/v2/demo/tags/list".to_owned(),
        format!("/v2/demo/referrers/{}", image.digest()),
    ] {
        let without = registry.get(&path).send().await;
        let with = registry.get(&format!("{path}/")).send().await;
        assert_eq!(with.is(200).json(), without.is(200).json(), "{path}");
    }
    let page = registry.get("/v2/demo/tags/list/?n=1").send().await;
    page.is(200);
    registry.get("/v2/demo/manifests/1.0/").send().await.is(404);
}

#[tokio::test]
async fn referrers_with_large_annotations_are_given_by_pages_of_four_mebibytes() {
    let registry = Registry::start().await;
    let subject = Image::new(1);
    registry
        .push_blobs(DigestAlgorithm::Sha256, "demo", &subject)
        .await;
    let link = descriptor(MANIFEST, &sha256(&subject.manifest), subject.manifest.len());
    let text = "\u{e9}\"\\ ".repeat(400_000);
    let mut pushed = Vec::new();
    for seed in 2..5 {
        let referrer = Image::with(seed, |manifest| {
            manifest["subject"] = link.clone();
            manifest["annotations"] = json!({ "n": seed.to_string(), "text": text });
        });
        registry
            .push_blobs(DigestAlgorithm::Sha256, "demo", &referrer)
            .await;
        let digest = sha256(&referrer.manifest);
        registry
            .put_manifest("demo", &digest, &referrer.manifest)
            .await
            .is(201);
        pushed.push(json!(digest));
    }

    let mut address = Some(format!("/v2/demo/referrers/{}", sha256(&subject.manifest)));
    let mut found = Vec::new();
    while let Some(page) = address {
        let reply = registry.get(&page).send().await;
        assert!(reply.body.len() <= (4 << 20) + 4096);
        for described in referrers(&reply) {
            assert_eq!(described["annotations"]["text"], text);
            found.push(described["digest"].clone());
        }
        address = reply.next_page();
    }
    assert_eq!(found, pushed);
}

#[tokio::test]
async fn a_manifest_whose_types_are_long_or_no_media_types_is_refused() {
    let registry = Registry::start().await;
    let long = format!("application/{}", "x".repeat(1 << 20));
    for kind in [&long, "thing", "text/a b"] {
        for member in ["artifactType", "config"] {
            let image = Image::with(1, |manifest| match member {
                "config" => manifest["config"]["mediaType"] = json!(kind),
                _ => manifest["artifactType"] = json!(kind),
            });
            registry.push_blobs(DigestAlgorithm::Sha256, "demo", &image).await;
            registry
                .put_manifest("demo", "v1", &image.manifest)
                .await
                .refuses(400, "MANIFEST_INVALID");
        }
    }
}
