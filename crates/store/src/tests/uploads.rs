//! Uploads: what is kept of them, and which caller may work on them.

use super::*;

#[tokio::test]
async fn a_durable_append_is_there_after_a_new_start() {
    for (first, second) in [(SMALL, SMALL), (SMALL, LARGE), (LARGE, SMALL)] {
        let fixture = Fixture::new().await;
        let bytes = text(first + second);
        let id = fixture.begin().await;
        let mut upload = fixture.take(&id).await;
        append(&mut upload, &bytes[..first], Durability::Durable)
            .await
            .unwrap();
        drop(upload);

        let fixture = fixture.reopened().await;
        let mut upload = fixture.take(&id).await;
        assert_eq!(upload.offset(), first as u64);
        append(&mut upload, &bytes[first..], Durability::Durable)
            .await
            .unwrap();
        drop(upload);

        let fixture = fixture.reopened().await;
        let digest = Digest::of(&bytes);
        fixture.complete(fixture.take(&id).await, &digest).await.unwrap();
        assert_eq!(fixture.read(&digest).await.unwrap(), bytes);
    }
}

#[tokio::test]
async fn what_was_streamed_stays_in_the_process_and_goes_back_to_what_was_synced_after_a_new_start() {
    let fixture = Fixture::new().await;
    let bytes = text(LARGE + LARGE + SMALL);
    let id = fixture.begin().await;
    let mut upload = fixture.take(&id).await;
    append(&mut upload, &bytes[..LARGE], Durability::Durable)
        .await
        .unwrap();
    append(&mut upload, &bytes[LARGE..], Durability::Streamed)
        .await
        .unwrap();
    drop(upload);
    assert_eq!(
        fixture.store.uploads().offset(REPOSITORY, &id).await.unwrap(),
        Some(bytes.len() as u64)
    );
    assert_eq!(fixture.take(&id).await.offset(), bytes.len() as u64);

    let fixture = fixture.reopened().await;
    assert_eq!(
        fixture.store.uploads().offset(REPOSITORY, &id).await.unwrap(),
        Some(LARGE as u64)
    );
    let mut upload = fixture.take(&id).await;
    append(&mut upload, &bytes[LARGE..], Durability::Streamed)
        .await
        .unwrap();
    let digest = Digest::of(&bytes);
    fixture.complete(upload, &digest).await.unwrap();
    assert_eq!(fixture.read(&digest).await.unwrap(), bytes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_is_taken_whole_at_whatever_pace_it_comes() {
    let fixture = Fixture::new().await;
    for pace in 0..24 {
        let bytes = text(2_000_000 + pace * 77_777);
        let mut upload = fixture.take(&fixture.begin().await).await;
        let mut body = Paced {
            chunks: Chunks::of(&bytes),
            pace,
        };
        upload
            .append(&mut body, Durability::Streamed, ANY_SIZE)
            .await
            .unwrap();
        let digest = Digest::of(&bytes);
        fixture.complete(upload, &digest).await.unwrap();
        assert!(fixture.read(&digest).await.unwrap() == bytes, "pace {pace}");
    }
}

#[tokio::test]
async fn a_long_stream_goes_on_after_a_new_start_near_where_it_was() {
    const MIB: usize = 1 << 20;
    let bytes = (0..100)
        .map(|number| vec![number; MIB])
        .collect::<Vec<_>>()
        .concat();
    let fixture = Fixture::new().await;
    let id = fixture.begin().await;
    let mut upload = fixture.take(&id).await;
    append(&mut upload, &bytes[..90 * MIB], Durability::Streamed)
        .await
        .unwrap();
    drop(upload);

    let fixture = fixture.reopened().await;
    let mut upload = fixture.take(&id).await;
    let came = usize::try_from(upload.offset()).unwrap();
    assert!((64 * MIB..90 * MIB).contains(&came), "{came} bytes were saved");
    append(&mut upload, &bytes[came..], Durability::Streamed)
        .await
        .unwrap();
    let digest = Digest::of(&bytes);
    fixture.complete(upload, &digest).await.unwrap();
    assert_eq!(fixture.find(&digest).unwrap().size, bytes.len() as u64);
}

#[tokio::test]
async fn a_broken_append_keeps_what_was_streamed_and_nothing_of_a_durable_one() {
    for length in [SMALL, LARGE] {
        let bytes = text(length);
        for before in [0, SMALL, LARGE] {
            let fixture = Fixture::new().await;
            let id = fixture.begin().await;
            let mut upload = fixture.take(&id).await;
            append(&mut upload, &text(before), Durability::Durable)
                .await
                .unwrap();

            let broken = upload
                .append(&mut Chunks::broken_after(&bytes), Durability::Durable, ANY_SIZE)
                .await;
            assert!(matches!(broken, Err(AppendError::Source(_))));
            assert_eq!(upload.offset(), before as u64);

            let broken = upload
                .append(&mut Chunks::broken_after(&bytes), Durability::Streamed, ANY_SIZE)
                .await;
            assert!(matches!(broken, Err(AppendError::Source(_))));
            assert_eq!(upload.offset(), (before + length) as u64);

            let whole = [text(before), bytes.clone()].concat();
            let digest = Digest::of(&whole);
            fixture.complete(upload, &digest).await.unwrap();
            assert_eq!(fixture.read(&digest).await.unwrap(), whole);
        }
    }
}

#[tokio::test]
async fn an_append_that_nobody_waits_for_any_more_ends_as_a_broken_one() {
    for (durability, kept) in [(Durability::Streamed, SMALL), (Durability::Durable, 0)] {
        let fixture = Fixture::new().await;
        let id = fixture.begin().await;
        let mut upload = fixture.take(&id).await;
        {
            let mut source = Stalled(Chunks::of(&text(SMALL)));
            let mut appending = Box::pin(upload.append(&mut source, durability, ANY_SIZE));
            assert!(poll_once(appending.as_mut()).is_none());
        }
        assert!(matches!(
            append(&mut upload, b"more", durability).await,
            Err(AppendError::Gone)
        ));
        drop(upload);
        assert_eq!(fixture.take(&id).await.offset(), kept as u64);
    }
}

#[tokio::test]
async fn more_bytes_than_allowed_are_refused() {
    let fixture = Fixture::new().await;
    let mut upload = fixture.take(&fixture.begin().await).await;
    let limit = (SMALL - 1) as u64;

    let large = upload
        .append(&mut Chunks::of(&text(SMALL)), Durability::Durable, limit)
        .await;
    assert!(matches!(large, Err(AppendError::TooLarge)));
    assert_eq!(upload.offset(), 0);
    upload
        .append(&mut Chunks::of(&text(SMALL - 1)), Durability::Durable, limit)
        .await
        .unwrap();
    assert_eq!(upload.offset(), limit);
}

#[tokio::test]
async fn an_upload_has_one_worker_at_a_time_and_one_repository() {
    let fixture = Fixture::new().await;
    let uploads = fixture.store.uploads();
    let id = fixture.begin().await;

    let upload = fixture.take(&id).await;
    assert!(matches!(
        uploads.take(REPOSITORY, &id).await,
        Err(TakeError::Busy)
    ));
    assert!(matches!(
        uploads.cancel(REPOSITORY, &id).await,
        Err(TakeError::Busy)
    ));
    assert!(matches!(
        uploads.take(OTHER_REPOSITORY, &id).await,
        Err(TakeError::NotFound)
    ));
    uploads.abandon(OTHER_REPOSITORY, &id).await.unwrap();
    drop(upload);

    assert!(matches!(
        uploads.take(OTHER_REPOSITORY, &id).await,
        Err(TakeError::NotFound)
    ));
    assert!(matches!(
        uploads.take(REPOSITORY, &UploadId::random()).await,
        Err(TakeError::NotFound)
    ));
    assert_eq!(uploads.offset(OTHER_REPOSITORY, &id).await.unwrap(), None);
    assert_eq!(uploads.offset(REPOSITORY, &id).await.unwrap(), Some(0));
    fixture.take(&id).await;
}

#[tokio::test]
async fn another_repository_does_not_disturb_what_was_streamed() {
    let fixture = Fixture::new().await;
    let id = fixture.begin().await;
    append(&mut fixture.take(&id).await, b"streamed", Durability::Streamed)
        .await
        .unwrap();

    let other = fixture.store.uploads().take(OTHER_REPOSITORY, &id).await;
    assert!(matches!(other, Err(TakeError::NotFound)));
    assert_eq!(fixture.take(&id).await.offset(), 8);
}

#[tokio::test]
async fn parts_are_counted_over_a_new_start() {
    let fixture = Fixture::new().await;
    let id = fixture.begin().await;
    let mut upload = fixture.take(&id).await;
    assert_eq!((upload.part_count(), upload.smallest_inner_part()), (0, None));

    for (size, smallest) in [(500, None), (700, Some(500)), (100, Some(500))] {
        upload
            .append_part(&mut Chunks::of(&text(size)), ANY_SIZE)
            .await
            .unwrap();
        assert_eq!(upload.smallest_inner_part(), smallest);
    }
    let broken = upload
        .append_part(&mut Chunks::broken_after(&text(3)), ANY_SIZE)
        .await;
    assert!(broken.is_err());
    assert_eq!(upload.part_count(), 3);
    drop(upload);

    let fixture = fixture.reopened().await;
    let mut upload = fixture.take(&id).await;
    assert_eq!((upload.part_count(), upload.offset()), (3, 1_300));
    upload
        .append_part(&mut Chunks::of(&text(900)), ANY_SIZE)
        .await
        .unwrap();
    assert_eq!(
        (upload.part_count(), upload.smallest_inner_part()),
        (4, Some(100))
    );
}

#[tokio::test]
async fn a_cancelled_or_abandoned_upload_leaves_nothing() {
    let fixture = Fixture::new().await;
    let uploads = fixture.store.uploads();
    for durability in [Durability::Streamed, Durability::Durable] {
        let id = fixture.begin().await;
        append(&mut fixture.take(&id).await, &text(LARGE), durability)
            .await
            .unwrap();
        uploads.cancel(REPOSITORY, &id).await.unwrap();
        assert_eq!(
            (
                uploads.offset(REPOSITORY, &id).await.unwrap(),
                fixture.files().len()
            ),
            (None, 0)
        );
    }

    let busy = fixture.begin().await;
    let working = fixture.take(&busy).await;
    let abandoned = fixture.begin().await;
    append(
        &mut fixture.take(&abandoned).await,
        &text(LARGE),
        Durability::Streamed,
    )
    .await
    .unwrap();
    assert_eq!(uploads.expire(NOW + DAY).await.unwrap(), 0);
    assert_eq!(uploads.expire(NOW + DAY + 1).await.unwrap(), 1);
    assert_eq!(
        (
            uploads.offset(REPOSITORY, &abandoned).await.unwrap(),
            fixture.files().len()
        ),
        (None, 0)
    );

    drop(working);
    uploads.abandon(OTHER_REPOSITORY, &busy).await.unwrap();
    assert_eq!(uploads.offset(REPOSITORY, &busy).await.unwrap(), Some(0));
    uploads.abandon(REPOSITORY, &busy).await.unwrap();
    uploads.abandon(REPOSITORY, &busy).await.unwrap();
    assert_eq!(
        fixture
            .store
            .read(|at| uploads.count(at, REPOSITORY))
            .await
            .unwrap(),
        0
    );
}

#[tokio::test]
async fn an_upload_whose_file_is_lost_can_still_be_ended() {
    let fixture = Fixture::new().await;
    let uploads = fixture.store.uploads();
    for _ in 0..2 {
        let id = fixture.begin().await;
        append(&mut fixture.take(&id).await, &text(LARGE), Durability::Durable)
            .await
            .unwrap();
        std::fs::remove_file(fixture.only_file()).unwrap();
        assert!(matches!(
            uploads.take(REPOSITORY, &id).await,
            Err(TakeError::Store(_))
        ));
    }
    assert_eq!(uploads.expire(NOW + DAY + 1).await.unwrap(), 2);
}

#[tokio::test]
async fn an_upload_abandoned_while_somebody_works_on_it_takes_nothing_more() {
    for durability in [Durability::Streamed, Durability::Durable] {
        let fixture = Fixture::new().await;
        let id = fixture.begin().await;
        let mut upload = fixture.take(&id).await;
        append(&mut upload, &text(LARGE), durability).await.unwrap();

        fixture.store.uploads().abandon(REPOSITORY, &id).await.unwrap();
        let completed = fixture.complete(upload, &Digest::of(&text(LARGE))).await;
        assert!(matches!(completed, Err(CompleteError::Gone)));
        assert!(matches!(
            fixture.store.uploads().take(REPOSITORY, &id).await,
            Err(TakeError::NotFound)
        ));
        assert!(fixture.find(&Digest::of(&text(LARGE))).is_none());
    }
}

#[tokio::test]
async fn an_upload_whose_row_is_gone_takes_nothing_more() {
    let fixture = Fixture::new().await;
    let id = fixture.begin().await;
    let mut upload = fixture.take(&id).await;
    append(&mut upload, &text(LARGE), Durability::Streamed)
        .await
        .unwrap();
    let mut other = fixture.take(&fixture.begin().await).await;

    let removed = fixture
        .store
        .write(|tx| tx.execute("DELETE FROM uploads", &[]))
        .await;
    assert_eq!(removed.map_err(|error: StoreError| error).unwrap(), 2);

    let completed = fixture.complete(upload, &Digest::of(&text(LARGE))).await;
    assert!(matches!(completed, Err(CompleteError::Gone)));
    let appended = append(&mut other, b"bytes", Durability::Durable).await;
    assert!(matches!(appended, Err(AppendError::Gone)));
    assert!(fixture.find(&Digest::of(&text(LARGE))).is_none());
}

#[tokio::test]
async fn beyond_so_many_unsaved_uploads_each_append_is_durable() {
    let fixture = Fixture::new().await;
    let mut last = fixture.begin().await;
    for _ in 0..257 {
        append(&mut fixture.take(&last).await, b"few", Durability::Streamed)
            .await
            .unwrap();
        last = fixture.begin().await;
    }
    append(&mut fixture.take(&last).await, b"few", Durability::Streamed)
        .await
        .unwrap();

    let fixture = fixture.reopened().await;
    let saved = fixture
        .store
        .read(|at| {
            at.query("SELECT id FROM uploads WHERE synced_offset > 0", &[], |row| {
                Ok(row.blob(0)?.to_vec())
            })
        })
        .await;
    let saved: Vec<Vec<u8>> = saved.map_err(|error: StoreError| error).unwrap();
    assert!(saved.contains(&last.as_bytes().to_vec()));
    assert_eq!(saved.len(), 2);
}

#[tokio::test]
async fn a_state_of_another_version_is_hashed_again() {
    let fixture = Fixture::new().await;
    let bytes = text(LARGE);
    let id = fixture.begin().await;
    append(&mut fixture.take(&id).await, &bytes, Durability::Durable)
        .await
        .unwrap();
    let changed = fixture.store.write(|tx| {
        tx.execute(
            "UPDATE uploads SET hash_state = ?1",
            &[b"\x00\x0anobody knows".as_slice().into()],
        )
    });
    changed.await.map_err(|error: StoreError| error).unwrap();

    let digest = Digest::of(&bytes);
    fixture.complete(fixture.take(&id).await, &digest).await.unwrap();
    assert_eq!(fixture.read(&digest).await.unwrap(), bytes);
}

impl Fixture {
    fn issue(&self, now: i64) -> UploadId {
        let new = NewUpload {
            repository_id: REPOSITORY,
            algorithm: DigestAlgorithm::Sha256,
            now_milliseconds: now,
        };
        let uploads = self.store.uploads();
        let issued: Result<_, StoreError> = self.store.read(|at| uploads.issue(at, new, u64::MAX)).at_once();
        issued.unwrap().unwrap()
    }

    fn stored_uploads(&self) -> usize {
        let ids = self
            .store
            .read(|at| at.query("SELECT id FROM uploads", &[], |_| Ok(())))
            .at_once();
        ids.map_err(|error: StoreError| error).unwrap().len()
    }
}

#[tokio::test]
async fn an_upload_has_a_row_once_something_is_saved_of_it() {
    let fixture = Fixture::new().await;
    let count = || {
        fixture
            .store
            .read(|at| fixture.store.uploads().count(at, REPOSITORY))
            .at_once()
            .unwrap()
    };
    let id = fixture.issue(NOW);
    assert_eq!((fixture.stored_uploads(), count()), (0, 1));
    append(&mut fixture.take(&id).await, b"streamed", Durability::Streamed)
        .await
        .unwrap();
    assert_eq!(
        (
            fixture.stored_uploads(),
            fixture.store.uploads().offset(REPOSITORY, &id).await.unwrap()
        ),
        (0, Some(8))
    );
    append(&mut fixture.take(&id).await, b" saved", Durability::Durable)
        .await
        .unwrap();
    assert_eq!((fixture.stored_uploads(), count()), (1, 1));

    let fixture = fixture.reopened().await;
    let digest = Digest::of(b"streamed saved");
    fixture.complete(fixture.take(&id).await, &digest).await.unwrap();
    let gone = fixture.store.uploads().take(REPOSITORY, &id).await;
    assert!(matches!(gone, Err(TakeError::NotFound)));
    let fixture = fixture.reopened().await;
    let gone = fixture.store.uploads().take(REPOSITORY, &id).await;
    assert!(
        matches!(gone, Err(TakeError::NotFound)),
        "nor does a new start bring it back"
    );
    assert_eq!(
        fixture.store.uploads().offset(REPOSITORY, &id).await.unwrap(),
        None
    );
    assert_eq!(fixture.read(&digest).await.unwrap(), b"streamed saved");
}

#[tokio::test]
async fn an_upload_that_ends_without_a_row_is_gone() {
    let fixture = Fixture::new().await;
    let (completed, cancelled) = (fixture.issue(NOW), fixture.issue(NOW));
    let mut upload = fixture.take(&completed).await;
    upload
        .append_last(&mut Chunks::of(b"abc"), ANY_SIZE)
        .await
        .unwrap();
    fixture.complete(upload, &Digest::of(b"abc")).await.unwrap();
    append(
        &mut fixture.take(&cancelled).await,
        &text(LARGE),
        Durability::Streamed,
    )
    .await
    .unwrap();
    fixture
        .store
        .uploads()
        .cancel(REPOSITORY, &cancelled)
        .await
        .unwrap();

    for id in [completed, cancelled] {
        let gone = fixture.store.uploads().take(REPOSITORY, &id).await;
        assert!(matches!(gone, Err(TakeError::NotFound)));
        assert_eq!(
            fixture.store.uploads().offset(REPOSITORY, &id).await.unwrap(),
            None
        );
    }
    assert_eq!(fixture.files().len(), 0);
}

#[tokio::test]
async fn an_upload_of_which_nothing_has_come_outlives_the_process() {
    let fixture = Fixture::new().await;
    let old = fixture.issue(NOW);
    let id = fixture.issue(fixture.opened_at());
    let ahead = fixture.issue(fixture.opened_at() + DAY);
    let other = fixture.store.uploads().take(OTHER_REPOSITORY, &id).await;
    assert!(matches!(other, Err(TakeError::NotFound)));

    let fixture = fixture.reopened().await;
    for id in [old, ahead] {
        let gone = fixture.store.uploads().take(REPOSITORY, &id).await;
        assert!(matches!(gone, Err(TakeError::NotFound)));
        assert_eq!(
            fixture.store.uploads().offset(REPOSITORY, &id).await.unwrap(),
            None
        );
    }
    let uploads = fixture.store.uploads();
    assert_eq!(uploads.offset(REPOSITORY, &id).await.unwrap(), Some(0));
    assert_eq!(uploads.offset(OTHER_REPOSITORY, &id).await.unwrap(), None);
    let other = uploads.take(OTHER_REPOSITORY, &id).await;
    assert!(matches!(other, Err(TakeError::NotFound)));

    let upload = fixture.take(&id).await;
    assert!(matches!(
        uploads.take(REPOSITORY, &id).await,
        Err(TakeError::Busy)
    ));
    drop(upload);
    uploads.cancel(REPOSITORY, &id).await.unwrap();
    let gone = uploads.take(REPOSITORY, &id).await;
    assert!(matches!(gone, Err(TakeError::NotFound)));
}

impl Fixture {
    /// Descriptors of this process that refer to blob files of this store.
    fn open_files(&self) -> usize {
        let blobs = self.directory.path().join("blobs");
        let descriptors = std::fs::read_dir("/proc/self/fd").unwrap();
        let targets =
            descriptors.filter_map(|descriptor| std::fs::read_link(descriptor.unwrap().path()).ok());
        targets.filter(|target| target.starts_with(&blobs)).count()
    }

    /// Rests uploads until every idle upload has closed its file.
    fn let_rest(&self) {
        while !self.store.uploads().rest() {
            std::thread::yield_now();
        }
    }
}

#[tokio::test]
async fn an_upload_that_nobody_works_on_holds_no_descriptor_and_goes_on_where_it_was() {
    let fixture = Fixture::new().await;
    let bytes = text(LARGE);
    let mut ids = Vec::new();
    for _ in 0..40 {
        let id = fixture.issue(NOW);
        append(
            &mut fixture.take(&id).await,
            &bytes[..200_000],
            Durability::Streamed,
        )
        .await
        .unwrap();
        ids.push(id);
    }
    fixture.let_rest();
    assert_eq!(fixture.open_files(), 0);

    let uploads = fixture.store.uploads();
    for id in &ids {
        assert_eq!(uploads.offset(REPOSITORY, id).await.unwrap(), Some(200_000));
        let mut upload = fixture.take(id).await;
        append(&mut upload, &bytes[200_000..], Durability::Streamed)
            .await
            .unwrap();
        drop(upload);
        fixture.let_rest();
        fixture
            .complete(fixture.take(id).await, &Digest::of(&bytes))
            .await
            .unwrap();
        assert_eq!(fixture.open_files(), 0);
    }
    assert_eq!(fixture.read(&Digest::of(&bytes)).await.unwrap(), bytes);
}

#[tokio::test]
async fn an_upload_is_not_completed_whose_file_was_cut_while_it_rested() {
    let fixture = Fixture::new().await;
    let bytes = text(LARGE);
    let id = fixture.issue(NOW);
    append(&mut fixture.take(&id).await, &bytes, Durability::Streamed)
        .await
        .unwrap();
    fixture.let_rest();
    let file = std::fs::File::options()
        .write(true)
        .open(fixture.only_file())
        .unwrap();
    file.set_len(1_000).unwrap();
    let completed = fixture
        .complete(fixture.take(&id).await, &Digest::of(&bytes))
        .await;
    assert!(matches!(completed, Err(CompleteError::Store(_))), "{completed:?}");
    assert_eq!(fixture.find(&Digest::of(&bytes)), None);
}

#[tokio::test]
async fn every_upload_of_a_repository_is_abandoned_and_old_ones_expire() {
    let fixture = Fixture::new().await;
    let uploads = fixture.store.uploads();
    let (issued, begun) = (fixture.issue(NOW), fixture.begin().await);
    append(
        &mut fixture.take(&issued).await,
        &text(LARGE),
        Durability::Streamed,
    )
    .await
    .unwrap();
    uploads.abandon_all(REPOSITORY).await.unwrap();
    for id in [issued, begun] {
        assert_eq!(uploads.offset(REPOSITORY, &id).await.unwrap(), None);
    }
    assert_eq!(fixture.files().len(), 0);

    for elsewhen in [NOW + DAY + 1, NOW - DAY - 1] {
        let (issued, begun) = (fixture.issue(NOW), fixture.begin().await);
        assert_eq!(uploads.expire(NOW + DAY).await.unwrap(), 0);
        assert_eq!(uploads.expire(NOW - DAY).await.unwrap(), 0);
        assert_eq!(uploads.expire(elsewhen).await.unwrap(), 2);
        for id in [issued, begun] {
            assert_eq!(uploads.offset(REPOSITORY, &id).await.unwrap(), None);
        }
    }
}
