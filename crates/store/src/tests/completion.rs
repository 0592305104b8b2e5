//! Completion: the outcome of an upload, and the digest that it is stored under.

use super::*;

#[tokio::test]
async fn small_blobs_live_in_their_row_and_large_ones_in_a_file() {
    let fixture = Fixture::new().await;
    for (length, files) in [(0, 0), (1, 0), (64 * 1024, 0), (64 * 1024 + 1, 1), (LARGE, 2)] {
        let bytes = text(length);
        let digest = fixture.push(&bytes).await;
        assert_eq!(fixture.read(&digest).await.unwrap(), bytes);
        assert_eq!(fixture.files().len(), files, "after {length} bytes");
    }
}

#[tokio::test]
async fn a_wrong_digest_keeps_the_upload_for_the_right_one() {
    for length in [SMALL, LARGE] {
        let fixture = Fixture::new().await;
        let bytes = text(length);
        let digest = Digest::of(&bytes);
        let wrong = Digest::of(b"other");
        let id = fixture.begin().await;
        let mut upload = fixture.take(&id).await;
        append(&mut upload, &bytes, Durability::Streamed).await.unwrap();

        match fixture.complete(upload, &wrong).await {
            Err(CompleteError::Mismatch { computed }) => assert_eq!(computed, digest),
            other => panic!("{other:?}"),
        }
        assert!(fixture.find(&wrong).is_none() && fixture.find(&digest).is_none());

        let upload = fixture.take(&id).await;
        upload
            .complete(&[wrong, digest], publish(&fixture.store))
            .await
            .unwrap();
        assert_eq!(fixture.read(&digest).await.unwrap(), bytes);
        assert!(matches!(
            fixture.store.uploads().take(REPOSITORY, &id).await,
            Err(TakeError::NotFound)
        ));
    }
}

#[tokio::test]
async fn the_last_bytes_go_with_a_completion_that_fails() {
    for (before, last) in [(0, SMALL), (SMALL, LARGE), (LARGE, SMALL)] {
        let fixture = Fixture::new().await;
        let bytes = text(before + last);
        let digest = Digest::of(&bytes);
        let id = fixture.begin().await;
        append(
            &mut fixture.take(&id).await,
            &bytes[..before],
            Durability::Streamed,
        )
        .await
        .unwrap();

        let last_of = async |source: &mut Chunks| {
            let mut upload = fixture.take(&id).await;
            assert_eq!(upload.offset(), before as u64);
            let taken = upload.append_last(source, ANY_SIZE).await;
            (upload, taken)
        };
        let (upload, taken) = last_of(&mut Chunks::broken_after(&bytes[before..])).await;
        assert!(matches!(taken, Err(AppendError::Source(_))));
        drop(upload);

        let (upload, taken) = last_of(&mut Chunks::of(&bytes[before..])).await;
        assert_eq!(taken.unwrap(), last as u64);
        let mismatch = fixture.complete(upload, &Digest::of(b"other")).await;
        assert!(matches!(mismatch, Err(CompleteError::Mismatch { .. })));

        let (upload, _) = last_of(&mut Chunks::of(&bytes[before..])).await;
        fixture.complete(upload, &digest).await.unwrap();
        assert_eq!(fixture.read(&digest).await.unwrap(), bytes);
    }
}

#[tokio::test]
async fn a_refused_publication_keeps_the_upload_and_shows_nothing() {
    for length in [SMALL, LARGE] {
        let fixture = Fixture::new().await;
        let bytes = text(length);
        let digest = Digest::of(&bytes);
        let id = fixture.begin().await;
        let mut upload = fixture.take(&id).await;
        append(&mut upload, &bytes, Durability::Streamed).await.unwrap();

        let publish_all = publish(&fixture.store);
        let refused = upload
            .complete(std::slice::from_ref(&digest), move |tx, received| {
                publish_all(tx, received)?;
                Err::<(), _>(StoreError::Poisoned)
            })
            .await;
        assert!(matches!(
            refused,
            Err(CompleteError::Refused(StoreError::Poisoned))
        ));
        assert!(fixture.find(&digest).is_none());

        fixture.complete(fixture.take(&id).await, &digest).await.unwrap();
        assert_eq!(fixture.read(&digest).await.unwrap(), bytes);
    }
}

#[tokio::test]
async fn a_publication_that_wants_no_blob_ends_the_upload_and_removes_its_file() {
    let fixture = Fixture::new().await;
    let bytes = text(LARGE);
    let id = fixture.begin().await;
    let mut upload = fixture.take(&id).await;
    append(&mut upload, &bytes, Durability::Streamed).await.unwrap();

    let outcome = upload
        .complete(&[Digest::of(&bytes)], |_, _| {
            Ok::<_, StoreError>("it stands already")
        })
        .await;
    assert_eq!(outcome.unwrap(), "it stands already");
    assert!(fixture.files().is_empty());
    assert_eq!(
        fixture.store.uploads().offset(REPOSITORY, &id).await.unwrap(),
        None
    );
}

#[tokio::test]
async fn sha512_is_taken_whether_or_not_it_was_announced() {
    for length in [SMALL, LARGE] {
        for begun_with in [DigestAlgorithm::Sha256, DigestAlgorithm::Sha512] {
            for asked in [DigestAlgorithm::Sha256, DigestAlgorithm::Sha512] {
                let fixture = Fixture::new().await;
                let bytes = text(length);
                let id = fixture
                    .store
                    .uploads()
                    .begin(REPOSITORY, begun_with, NOW)
                    .await
                    .unwrap();
                let mut upload = fixture.take(&id).await;
                append(&mut upload, &bytes, Durability::Durable).await.unwrap();

                let digest = Digest::computed(asked, &bytes);
                let wrong = Digest::computed(asked, b"other");
                let mismatch = fixture.complete(upload, &wrong).await;
                assert!(matches!(mismatch, Err(CompleteError::Mismatch { .. })));
                fixture.complete(fixture.take(&id).await, &digest).await.unwrap();
                assert_eq!(fixture.read(&digest).await.unwrap(), bytes);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_uploads_of_one_blob_all_succeed_and_one_is_stored() {
    let fixture = Fixture::new().await;
    let bytes = text(LARGE);
    let digest = Digest::of(&bytes);

    let mut completing = Vec::new();
    for _ in 0..5 {
        let mut upload = fixture.take(&fixture.begin().await).await;
        append(&mut upload, &bytes, Durability::Streamed).await.unwrap();
        let (digest, publish) = (digest, publish(&fixture.store));
        completing.push(tokio::spawn(
            async move { upload.complete(&[digest], publish).await },
        ));
    }
    let mut ids = Vec::new();
    for completing in completing {
        ids.push(completing.await.unwrap().unwrap());
    }

    assert!(ids.iter().all(|id| *id == ids[0]));
    assert_eq!(fixture.files().len(), 1);
    assert_eq!(fixture.read(&digest).await.unwrap(), bytes);
}

#[tokio::test]
async fn a_blob_received_whole_is_kept_only_if_it_is_inserted() {
    let fixture = Fixture::new().await;
    for length in [SMALL, LARGE] {
        let bytes = text(length);
        let algorithm = DigestAlgorithm::Sha256;
        let uploads = fixture.store.uploads();
        let received = uploads
            .receive(algorithm, &mut Chunks::of(&bytes), ANY_SIZE)
            .await
            .unwrap();
        assert_eq!(
            (received.digest(), received.size()),
            (&Digest::of(&bytes), length as u64)
        );

        let publish = publish(&fixture.store);
        fixture
            .store
            .write(move |tx| publish(tx, &received))
            .await
            .unwrap();
        assert_eq!(fixture.read(&Digest::of(&bytes)).await.unwrap(), bytes);

        let broken = uploads
            .receive(algorithm, &mut Chunks::broken_after(&bytes), ANY_SIZE)
            .await;
        assert!(matches!(broken, Err(AppendError::Source(_))));
    }
}
