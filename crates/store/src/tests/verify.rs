//! Verifying: every damage is found, and nothing else.

use std::fs;

use super::*;

/// The totals and the reported lines.
pub(super) async fn verify(store: &Store) -> (Verified, Vec<String>) {
    let (report, mut heard) = Report::new();
    let working = store.clone();
    let work = tokio::spawn(async move { working.verify(&report).await.unwrap() });
    let mut lines = Vec::new();
    while let Some(line) = heard.recv().await {
        lines.push(line);
    }
    (work.await.unwrap(), lines)
}

#[tokio::test]
async fn what_is_whole_is_read_and_nothing_is_said() {
    let fixture = Fixture::new().await;
    fixture.push(&text(LARGE)).await;
    fixture.push(&text(SMALL)).await;

    let (verified, lines) = verify(&fixture.store).await;
    let expected = Verified {
        blobs: 2,
        bytes: (LARGE + SMALL) as u64,
        damaged: 0,
        unused_files: 0,
    };
    assert_eq!((verified, lines), (expected, Vec::new()));
}

#[tokio::test]
async fn each_damaged_blob_is_a_line_and_is_stored_anew_by_the_next_push() {
    type Harm = fn(&Path);
    let harms: [(Harm, &str); 4] = [
        (|file| fs::remove_file(file).unwrap(), "is missing"),
        (
            |file| fs::write(file, b"short").unwrap(),
            "has 5 bytes instead of",
        ),
        (
            |file| {
                let mut bytes = fs::read(file).unwrap();
                bytes[7] ^= 1;
                fs::write(file, bytes).unwrap();
            },
            "its bytes are those of sha256:",
        ),
        (
            |file| {
                fs::remove_file(file).unwrap();
                fs::create_dir(file).unwrap();
            },
            "cannot be read",
        ),
    ];
    for (harm, words) in harms {
        let fixture = Fixture::new().await;
        let digest = fixture.push(&text(LARGE)).await;
        harm(&fixture.only_file());

        let (verified, lines) = verify(&fixture.store).await;
        assert_eq!((verified.damaged, lines.len()), (1, 1), "{lines:?}");
        assert!(
            lines[0].starts_with(&format!("blob {digest} ")) && lines[0].contains(words),
            "{lines:?}"
        );
        assert!(!fixture.find(&digest).unwrap().is_intact());

        fixture.push(&text(LARGE)).await;
        assert_eq!(fixture.read(&digest).await.unwrap(), text(LARGE));
        assert_eq!(verify(&fixture.store).await.0.damaged, 0);
    }
}

#[tokio::test]
async fn a_blob_that_was_taken_for_damaged_is_served_again_when_its_file_is_whole() {
    let fixture = Fixture::new().await;
    let digest = fixture.push(&text(LARGE)).await;
    let condemned = fixture
        .store
        .write(|tx| tx.execute("UPDATE blobs SET damaged = 1", &[]));
    condemned.await.unwrap();
    assert!(fixture.read(&digest).await.is_err());

    assert_eq!(verify(&fixture.store).await.0.damaged, 0);
    assert_eq!(fixture.read(&digest).await.unwrap(), text(LARGE));
}

#[tokio::test]
async fn damaged_bytes_of_a_row_are_found() {
    let fixture = Fixture::new().await;
    let digest = fixture.push(b"small").await;
    let harmed = fixture
        .store
        .write(|tx| tx.execute("UPDATE blobs SET bytes = ?1", &[b"smell".as_slice().into()]));
    harmed.await.unwrap();

    let (verified, lines) = verify(&fixture.store).await;
    assert_eq!(verified.damaged, 1);
    assert!(
        lines[0].starts_with(&format!("blob {digest} is damaged: its bytes")),
        "{lines:?}"
    );
}

#[tokio::test]
async fn a_row_that_refers_to_nothing_is_found() {
    let fixture = Fixture::new().await;
    fixture.store.close().await;
    let path = fixture.directory.path().join("ecru.sqlite");
    let database = rusqlite::Connection::open(path).unwrap();
    database
        .execute_batch("PRAGMA foreign_keys = OFF; INSERT INTO links (repository_id, blob_id, used_at) VALUES (1, 77, 0)")
        .unwrap();
    drop(database);

    let fixture = fixture.reopened().await;
    let (verified, lines) = verify(&fixture.store).await;
    assert_eq!((verified.damaged, lines.len()), (1, 1));
    assert!(
        lines[0].contains("`links` refers to a row of `blobs`"),
        "{lines:?}"
    );
}

#[tokio::test]
async fn a_verification_that_nobody_listens_to_ends() {
    let fixture = Fixture::new().await;
    fixture.push(b"small").await;
    let (report, heard) = Report::new();
    drop(heard);
    assert!(matches!(
        fixture.store.verify(&report).await,
        Err(StoreError::Unheard)
    ));
}

#[tokio::test]
async fn every_column_of_an_upload_is_compared_with_its_bytes() {
    for (harm, words) in [
        (
            "UPDATE uploads SET synced_offset = 3 WHERE file IS NULL",
            "holds 5 bytes instead of 3",
        ),
        (
            "UPDATE uploads SET synced_offset = 299999 WHERE file IS NOT NULL",
            "other bytes than were hashed",
        ),
        (
            "UPDATE uploads SET synced_offset = 300001 WHERE file IS NOT NULL",
            "bytes instead of 300001",
        ),
        (
            "UPDATE uploads SET part_count = 7 WHERE file IS NULL",
            "counts other parts",
        ),
        (
            "UPDATE uploads SET part_count = 0 WHERE file IS NULL",
            "counts other parts",
        ),
        (
            "UPDATE uploads SET last_part = 7 WHERE file IS NOT NULL",
            "counts other parts",
        ),
        (
            "UPDATE uploads SET smallest_inner_part = 1 WHERE file IS NULL",
            "counts other parts",
        ),
        (
            "UPDATE uploads SET file = '0b/0b7d1c1e-58a6-4d2b-8f7e-2f6a3c1f9d10' WHERE file IS NOT NULL",
            "is missing",
        ),
    ] {
        let fixture = Fixture::new().await;
        let (small, large) = (fixture.begin().await, fixture.begin().await);
        let mut upload = fixture.take(&small).await;
        upload
            .append_part(&mut Chunks::of(b"small"), ANY_SIZE)
            .await
            .unwrap();
        append(&mut fixture.take(&large).await, &text(LARGE), Durability::Durable)
            .await
            .unwrap();
        assert_eq!(verify(&fixture.store).await.1, Vec::<String>::new());

        let harmed = fixture.store.write(move |tx| tx.execute(harm, &[]));
        assert_eq!(harmed.await.map_err(|error: StoreError| error).unwrap(), 1);
        let (verified, lines) = verify(&fixture.store).await;
        assert_eq!((verified.damaged, lines.len()), (1, 1), "{harm}: {lines:?}");
        assert!(
            lines[0].starts_with("upload ") && lines[0].contains(words),
            "{harm}: {lines:?}"
        );
    }
}

#[tokio::test]
async fn a_blob_with_bytes_in_two_places_is_found() {
    let fixture = Fixture::new().await;
    fixture.push(&text(LARGE)).await;
    let harmed = fixture
        .store
        .write(|tx| tx.execute("UPDATE blobs SET bytes = x'00'", &[]));
    harmed.await.map_err(|error: StoreError| error).unwrap();
    let (verified, lines) = verify(&fixture.store).await;
    assert!(
        verified.damaged > 0 && lines[0].contains("in its row and in a file"),
        "{lines:?}"
    );
}
