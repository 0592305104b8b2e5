//! Uploads: begun, filled by chunks or by a stream, queried, completed and cancelled.

use crate::client::{Registry, Reply};
use crate::content::{ALGORITHMS, bytes, digest, sha256};

#[track_caller]
pub(crate) fn holds(reply: &Reply, status: u16, range: &str) -> String {
    reply.is(status).has("range", range);
    let location = reply.header("location").expect("a location");
    let id = reply.header("docker-upload-uuid").expect("an id");
    assert!(location.ends_with(id), "{location} is not of {id}");
    location.to_owned()
}

#[tokio::test]
async fn an_upload_begins_empty_with_an_address_of_its_own() {
    let registry = Registry::start().await;
    let first = registry.post("/v2/demo/blobs/uploads/").send().await;
    let second = registry.post("/v2/demo/blobs/uploads").send().await;
    assert_ne!(holds(&first, 202, "0-0"), holds(&second, 202, "0-0"));

    let location = first.header("location").unwrap();
    assert!(location.starts_with(&format!("http://{}/v2/demo/blobs/uploads/", registry.authority())));
    holds(&registry.get(location).send().await, 204, "0-0");
    holds(&registry.head(location).send().await, 204, "0-0");
}

#[tokio::test]
async fn an_upload_may_announce_its_algorithm() {
    let registry = Registry::start().await;
    for algorithm in ALGORITHMS {
        let begun = registry
            .post(&format!("/v2/demo/blobs/uploads/?digest-algorithm={algorithm}"))
            .send()
            .await;
        let location = holds(&begun, 202, "0-0");
        let blob = bytes(3, 90_000);
        registry.patch(&location).body(&*blob).send().await.is(202);
        let digest = digest(algorithm, &blob);
        registry
            .put(&format!("{location}?digest={digest}"))
            .send()
            .await
            .is(201);
        assert!(
            registry
                .get(&format!("/v2/demo/blobs/{digest}"))
                .send()
                .await
                .is(200)
                .body
                == blob
        );
    }
    for unknown in ["md5", "sha384", "SHA256", "sha256:"] {
        let reply = registry
            .post(&format!("/v2/demo/blobs/uploads/?digest-algorithm={unknown}"))
            .send()
            .await;
        reply.refuses(400, "DIGEST_INVALID");
    }
}

#[tokio::test]
async fn an_upload_is_fed_in_chunks_and_closed_without_a_body() {
    let registry = Registry::start().await;
    for algorithm in ALGORITHMS {
        for chunk in [1024, 50_000] {
            let blob = bytes(chunk as u64, chunk * 3 - 5);
            let mut location = registry.begin_upload().await;
            let mut first = 0;
            for piece in blob.chunks(chunk) {
                let last = first + piece.len() - 1;
                let reply = registry
                    .patch(&location)
                    .header("Content-Range", &format!("{first}-{last}"))
                    .header("Content-Type", "application/octet-stream")
                    .body(piece)
                    .send()
                    .await;
                location = holds(&reply, 202, &format!("0-{last}"));
                holds(&registry.get(&location).send().await, 204, &format!("0-{last}"));
                first = last + 1;
            }
            let digest = digest(algorithm, &blob);
            let reply = registry.put(&format!("{location}?digest={digest}")).send().await;
            reply.is(201).has("docker-content-digest", &digest);
            let pulled = registry.get(reply.header("location").unwrap()).send().await;
            assert!(pulled.is(200).body == blob, "chunks of {chunk} under {algorithm}");
        }
    }
}

#[tokio::test]
async fn the_last_chunk_may_come_with_the_close() {
    let registry = Registry::start().await;
    for algorithm in ALGORITHMS {
        for announced in [true, false] {
            let blob = bytes(5, 150_000);
            let (front, back) = blob.split_at(100_000);
            let location = registry.begin_upload().await;
            let chunk = registry
                .patch(&location)
                .header("Content-Range", "0-99999")
                .body(front)
                .send()
                .await;
            let location = holds(&chunk, 202, "0-99999");
            let digest = digest(algorithm, &blob);
            let mut close = registry.put(&format!("{location}?digest={digest}")).body(back);
            if announced {
                close = close.header("Content-Range", "100000-149999");
            }
            close.send().await.is(201);
            assert!(
                registry
                    .get(&format!("/v2/demo/blobs/{digest}"))
                    .send()
                    .await
                    .is(200)
                    .body
                    == blob
            );
        }
    }
}

#[tokio::test]
async fn an_upload_is_fed_in_one_stream() {
    let registry = Registry::start().await;
    for algorithm in ALGORITHMS {
        let blob = bytes(8, 2_000_000);
        let location = registry.begin_upload().await;
        let reply = registry.patch(&location).body(&*blob).send().await;
        let location = holds(&reply, 202, "0-1999999");
        let digest = digest(algorithm, &blob);
        registry
            .put(&format!("{location}?digest={digest}"))
            .send()
            .await
            .is(201);
        assert!(
            registry
                .get(&format!("/v2/demo/blobs/{digest}"))
                .send()
                .await
                .is(200)
                .body
                == blob
        );
    }
}

#[tokio::test]
async fn an_upload_closed_without_a_byte_is_the_empty_blob() {
    let registry = Registry::start().await;
    for algorithm in ALGORITHMS {
        let location = registry.begin_upload().await;
        let location = holds(&registry.patch(&location).send().await, 202, "0-0");
        let digest = digest(algorithm, b"");
        registry
            .put(&format!("{location}?digest={digest}"))
            .send()
            .await
            .is(201);
        let reply = registry.get(&format!("/v2/demo/blobs/{digest}")).send().await;
        reply.is(200).has("content-length", "0");
    }
}

#[tokio::test]
async fn a_chunk_out_of_order_is_refused_and_the_upload_goes_on_where_it_stood() {
    let registry = Registry::start().await;
    let blob = bytes(6, 3067);
    let digest = sha256(&blob);
    let location = registry.begin_upload().await;

    // A gap before the first chunk.
    let chunk = registry
        .patch(&location)
        .header("Content-Range", "1024-2047")
        .body(&blob[1024..2048]);
    let reply = chunk.send().await;
    reply.refuses(416, "BLOB_UPLOAD_INVALID");
    let location = holds(&reply, 416, "0-0");
    let chunk = registry
        .patch(&location)
        .header("Content-Range", "0-1023")
        .body(&blob[..1024])
        .send()
        .await;
    let location = holds(&chunk, 202, "0-1023");

    // A repeated chunk, a gap, and overlapping chunks.
    for (first, last) in [(0, 1023), (2048, 3066), (1000, 2000), (1023, 1024)] {
        let chunk = registry
            .patch(&location)
            .header("Content-Range", &format!("{first}-{last}"));
        let reply = chunk.body(&blob[first..=last]).send().await;
        reply.refuses(416, "BLOB_UPLOAD_INVALID");
        holds(&reply, 416, "0-1023");
        holds(&registry.get(&location).send().await, 204, "0-1023");
    }

    // The closing chunk is refused too.
    let close = format!("{location}?digest={digest}");
    let early = registry
        .put(&close)
        .header("Content-Range", "2048-3066")
        .body(&blob[2048..])
        .send()
        .await;
    early.refuses(416, "BLOB_UPLOAD_INVALID");
    holds(&early, 416, "0-1023");
    holds(&registry.get(&close).send().await, 204, "0-1023");

    registry
        .patch(&location)
        .header("Content-Range", "1024-2047")
        .body(&blob[1024..2048])
        .send()
        .await
        .is(202);
    registry
        .put(&close)
        .header("Content-Range", "2048-3066")
        .body(&blob[2048..])
        .send()
        .await
        .is(201);
    assert!(
        registry
            .get(&format!("/v2/demo/blobs/{digest}"))
            .send()
            .await
            .is(200)
            .body
            == blob
    );
}

#[tokio::test]
async fn a_wrong_digest_keeps_the_upload_for_the_right_one() {
    let registry = Registry::start().await;
    for size in [100, 100_000] {
        let blob = bytes(2, size);
        let location = registry.begin_upload().await;
        registry.patch(&location).body(&*blob).send().await.is(202);

        let wrong = registry
            .put(&format!("{location}?digest={}", sha256(b"other")))
            .send()
            .await;
        wrong.refuses(400, "DIGEST_INVALID");
        let digest = sha256(&blob);
        registry
            .head(&format!("/v2/demo/blobs/{digest}"))
            .send()
            .await
            .is(404);
        registry
            .put(&format!("{location}?digest={digest}"))
            .send()
            .await
            .is(201);
        assert!(
            registry
                .get(&format!("/v2/demo/blobs/{digest}"))
                .send()
                .await
                .is(200)
                .body
                == blob
        );
    }
}

#[tokio::test]
async fn a_cancelled_upload_is_gone() {
    let registry = Registry::start().await;
    for size in [0, 100, 100_000] {
        let location = registry.begin_upload().await;
        registry
            .patch(&location)
            .body(bytes(1, size))
            .send()
            .await
            .is(202);
        registry.delete(&location).send().await.is(204);
        is_unknown(&registry, &location).await;
    }
}

pub(crate) async fn is_unknown(registry: &Registry, location: &str) {
    let close = format!("{location}?digest={}", sha256(b"x"));
    registry
        .get(location)
        .send()
        .await
        .refuses(404, "BLOB_UPLOAD_UNKNOWN");
    registry
        .patch(location)
        .body("x")
        .send()
        .await
        .refuses(404, "BLOB_UPLOAD_UNKNOWN");
    registry
        .put(&close)
        .body("x")
        .send()
        .await
        .refuses(404, "BLOB_UPLOAD_UNKNOWN");
    registry
        .delete(location)
        .send()
        .await
        .refuses(404, "BLOB_UPLOAD_UNKNOWN");
}

#[tokio::test]
async fn uploads_side_by_side_do_not_mix() {
    let registry = Registry::start().await;
    let blobs = [bytes(1, 80_000), bytes(2, 80_000), bytes(3, 300)];
    let mut locations = Vec::new();
    for _ in &blobs {
        locations.push(registry.begin_upload().await);
    }
    for half in [0, 1] {
        for (blob, location) in blobs.iter().zip(&locations) {
            let (front, back) = blob.split_at(blob.len() / 2);
            registry
                .patch(location)
                .body(if half == 0 { front } else { back })
                .send()
                .await
                .is(202);
        }
    }
    for (blob, location) in blobs.iter().zip(&locations) {
        let digest = sha256(blob);
        registry
            .put(&format!("{location}?digest={digest}"))
            .send()
            .await
            .is(201);
        assert!(
            registry
                .get(&format!("/v2/demo/blobs/{digest}"))
                .send()
                .await
                .is(200)
                .body
                == *blob
        );
    }
}

#[tokio::test]
async fn of_many_chunks_for_one_place_one_is_taken() {
    let registry = Registry::start().await;
    let location = registry.begin_upload().await;
    let send = |seed| {
        let chunk = registry
            .patch(&location)
            .header("Content-Range", "0-69999")
            .body(bytes(seed, 70_000));
        async move { chunk.send().await.status }
    };
    let (a, b, c, d) = tokio::join!(send(1), send(2), send(3), send(4));
    let mut statuses = [a, b, c, d];
    statuses.sort_unstable();
    assert_eq!(statuses, [202, 416, 416, 416]);
    holds(&registry.get(&location).send().await, 204, "0-69999");
}
