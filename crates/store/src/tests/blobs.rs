//! Blobs: a read returns the bytes that were verified.

use std::fs;
use std::os::unix::fs::FileExt;

use super::*;

#[tokio::test]
async fn an_edited_file_is_found_out_and_mended_by_the_next_push() {
    let edit: [fn(&Path) -> io::Result<()>; 4] = [
        |file| fs::File::options().write(true).open(file)?.write_all_at(b"!", 7),
        |file| fs::File::options().write(true).open(file)?.set_len(17),
        |file| fs::write(file, b""),
        |file| fs::remove_file(file),
    ];
    for edit in edit {
        let fixture = Fixture::new().await;
        let bytes = text(LARGE);
        let digest = fixture.push(&bytes).await;
        edit(&fixture.only_file()).unwrap();

        let blob = fixture.find(&digest).unwrap();
        assert!(!fixture.store.blobs().check(&blob).await.unwrap());
        assert!(matches!(fixture.read(&digest).await, Err(BlobError::Damaged)));
        let fixture = fixture.reopened().await;
        assert!(matches!(fixture.read(&digest).await, Err(BlobError::Damaged)));

        assert_eq!(fixture.push(&bytes).await, digest);
        let mended = fixture.find(&digest).unwrap();
        assert_eq!(mended.id, blob.id);
        assert!(fixture.store.blobs().check(&mended).await.unwrap());
        assert_eq!(fixture.read(&digest).await.unwrap(), bytes);
    }
}

#[tokio::test]
async fn a_damaged_size_is_an_error_and_is_mended_by_the_next_push() {
    for (bytes, others) in [(text(LARGE), 300_000_i64), (text(SMALL), 1_000)] {
        for size in [others - 1, others + 1, -others, 0] {
            let fixture = Fixture::new().await;
            let digest = fixture.push(&bytes).await;
            let intact = fixture.find(&digest).unwrap();
            let harm = move |tx: &Tx<'_>| tx.execute("UPDATE blobs SET size = ?1", &[size.into()]);
            fixture
                .store
                .write(harm)
                .await
                .map_err(|error: StoreError| error)
                .unwrap();

            let blob = fixture.find(&digest).unwrap();
            assert!(!fixture.store.blobs().check(&blob).await.unwrap(), "{size}");
            assert!(
                matches!(fixture.read(&digest).await, Err(BlobError::Damaged)),
                "{size}"
            );
            let (verified, lines) = verify::verify(&fixture.store).await;
            assert_eq!(verified.damaged, 1, "{lines:?}");
            assert!(lines[0].contains("bytes instead of"), "{lines:?}");

            assert_eq!(fixture.push(&bytes).await, digest);
            assert_eq!(fixture.read(&digest).await.unwrap(), bytes);
            assert_eq!(fixture.find(&digest).unwrap().size, intact.size);
            assert_eq!(verify::verify(&fixture.store).await.0.damaged, 0);
        }
    }
}

#[tokio::test]
async fn a_copied_file_is_hashed_once_and_then_trusted_again() {
    let fixture = Fixture::new().await;
    let bytes = text(LARGE);
    let digest = fixture.push(&bytes).await;
    let before = fixture.find(&digest).unwrap();
    let file = fixture.only_file();
    let copy = file.with_extension("copy");
    fs::copy(&file, &copy).unwrap();
    fs::rename(&copy, &file).unwrap();

    assert_eq!(fixture.read(&digest).await.unwrap(), bytes);
    let after = fixture.find(&digest).unwrap();
    assert_ne!(before.place, after.place);
    assert!(fixture.store.blobs().check(&after).await.unwrap());
    assert_eq!(fixture.find(&digest).unwrap(), after);
}

#[tokio::test]
async fn bytes_in_a_row_are_hashed_at_each_read() {
    let fixture = Fixture::new().await;
    let digest = fixture.push(b"right").await;
    assert!(
        fixture
            .store
            .blobs()
            .check(&fixture.find(&digest).unwrap())
            .await
            .unwrap()
    );
    let spoilt = fixture
        .store
        .write(|tx| tx.execute("UPDATE blobs SET bytes = ?1", &[b"wrong".as_slice().into()]));
    spoilt.await.map_err(|error: StoreError| error).unwrap();

    assert!(matches!(fixture.read(&digest).await, Err(BlobError::Damaged)));
    assert!(
        !fixture
            .store
            .blobs()
            .check(&fixture.find(&digest).unwrap())
            .await
            .unwrap()
    );
    assert_eq!(fixture.push(b"right").await, digest);
    assert_eq!(fixture.read(&digest).await.unwrap(), b"right");
}

#[tokio::test]
async fn a_blob_that_went_or_moved_since_it_was_found_is_looked_up_anew() {
    let fixture = Fixture::new().await;
    let bytes = text(LARGE);
    let digest = fixture.push(&bytes).await;
    let found = fixture.find(&digest).unwrap();

    fs::remove_file(fixture.only_file()).unwrap();
    assert!(!fixture.store.blobs().check(&found).await.unwrap());
    fixture.push(&bytes).await;
    assert!(fixture.store.blobs().open(&found).await.is_ok());

    let remove = |tx: &Tx<'_>| {
        tx.execute("DELETE FROM links", &[])?;
        tx.execute("DELETE FROM blobs", &[])
    };
    fixture.store.write(remove).await.unwrap();
    fs::remove_file(fixture.only_file()).unwrap();
    assert!(matches!(
        fixture.store.blobs().open(&found).await,
        Err(BlobError::Missing)
    ));
    assert!(!fixture.store.blobs().check(&found).await.unwrap());
}

#[tokio::test]
async fn a_blob_with_something_else_in_its_place_is_damaged_and_stored_anew() {
    type Put = fn(&Path);
    let others: [Put; 3] = [
        |path| fs::create_dir(path).unwrap(),
        |path| std::os::unix::fs::symlink(path, path).unwrap(),
        |path| {
            let mode = rustix::fs::Mode::from_raw_mode(0o600);
            rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        },
    ];
    for put in others {
        let fixture = Fixture::new().await;
        let digest = fixture.push(&text(LARGE)).await;
        let path = fixture.only_file();
        fs::remove_file(&path).unwrap();
        put(&path);

        let read = fixture.read(&digest).await;
        assert!(matches!(read, Err(BlobError::Damaged)), "{read:?}");
        assert!(!fixture.find(&digest).unwrap().is_intact());
        fixture.push(&text(LARGE)).await;
        assert_eq!(fixture.read(&digest).await.unwrap(), text(LARGE));
    }
}
