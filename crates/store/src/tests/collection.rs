//! Collection: content that nothing needs is removed, and nothing else.

use crate::tests::AtOnce as _;
use std::fs;
use std::time::{Duration, SystemTime};

use super::*;

#[tokio::test]
async fn a_link_goes_after_its_grace_and_the_blob_with_it() {
    let fixture = Fixture::new().await;
    let (large, small) = (fixture.push(&text(LARGE)).await, fixture.push(b"small").await);

    assert_eq!(
        fixture.store.collect(NOW + DAY).await.unwrap(),
        Collected::default()
    );
    assert_eq!(fixture.files().len(), 1);

    let collected = fixture.store.collect(NOW + DAY + 1).await.unwrap();
    assert_eq!(
        collected,
        Collected {
            links: 2,
            blobs: 2,
            files: 0,
            bytes: LARGE as u64 + 5
        }
    );
    assert!(fixture.find(&large).is_none() && fixture.find(&small).is_none());
    assert!(fixture.files().is_empty());

    assert_eq!(fixture.push(&text(LARGE)).await, large);
    assert_eq!(fixture.read(&large).await.unwrap(), text(LARGE));
}

#[tokio::test]
async fn what_an_image_needs_or_another_repository_links_stays() {
    let fixture = Fixture::new().await;
    let needed = fixture.push(b"needed").await;
    let shared = fixture.push(b"shared").await;
    let (needed_id, shared_id) = (
        fixture.find(&needed).unwrap().id,
        fixture.find(&shared).unwrap().id,
    );
    fixture
        .store
        .write(move |tx| {
            tx.execute(
                "UPDATE links SET images = 1 WHERE repository_id = ?1 AND blob_id = ?2",
                &[REPOSITORY.into(), needed_id.into()],
            )?;
            links::insert(tx, OTHER_REPOSITORY, shared_id, NOW + 1)
        })
        .await
        .unwrap();

    let collected = fixture.store.collect(NOW + DAY + 1).await.unwrap();
    assert_eq!(
        collected,
        Collected {
            links: 1,
            blobs: 0,
            files: 0,
            bytes: 0
        }
    );
    let link = |repository, blob| {
        fixture
            .store
            .read(|at| links::find(at, repository, blob))
            .at_once()
            .unwrap()
    };
    assert!(link(REPOSITORY, needed_id).is_some());
    assert_eq!(
        (
            link(REPOSITORY, shared_id),
            link(OTHER_REPOSITORY, shared_id).is_some()
        ),
        (None, true)
    );
    assert_eq!(fixture.read(&needed).await.unwrap(), b"needed");
    assert_eq!(fixture.read(&shared).await.unwrap(), b"shared");
}

#[tokio::test]
async fn more_than_one_step_can_hold_is_collected_too() {
    let fixture = Fixture::new().await;
    let filled = fixture.store.write(|tx| {
        for at in 0..1_201_i64 {
            let digest = Digest::of(&at.to_le_bytes());
            tx.execute(
                "INSERT INTO blobs (digest, size, bytes) VALUES (?1, 0, ?2)",
                &[digest.as_bytes().into(), [].as_slice().into()],
            )?;
        }
        Ok::<_, StoreError>(())
    });
    filled.await.unwrap();

    assert_eq!(fixture.store.collect(NOW).await.unwrap().blobs, 1_201);
}

#[tokio::test]
async fn a_link_is_renewed_but_never_aged() {
    let fixture = Fixture::new().await;
    let digest = fixture.push(b"bytes").await;
    let id = fixture.find(&digest).unwrap().id;

    for (used_at, stands) in [(NOW - 5, NOW), (NOW + 5, NOW + 5)] {
        fixture
            .store
            .write(move |tx| links::insert(tx, REPOSITORY, id, used_at))
            .await
            .unwrap();
        let link = fixture
            .store
            .read(|at| links::find(at, REPOSITORY, id))
            .await
            .unwrap();
        assert_eq!(link.unwrap().used_at, stands);
    }
}

#[tokio::test]
async fn only_old_files_that_no_row_names_are_strays() {
    let fixture = Fixture::new().await;
    let named = fixture.push(&text(LARGE)).await;
    let id = fixture.begin().await;
    let mut upload = fixture.take(&id).await;
    upload
        .append(&mut Chunks::of(&text(LARGE)), Durability::Durable, ANY_SIZE)
        .await
        .unwrap();
    drop(upload);

    let blobs = fixture.directory.path().join("blobs");
    let stray = |name: &str| blobs.join(&name[..2]).join(name);
    let old = stray("0b7d1c1e-58a6-4d2b-8f7e-2f6a3c1f9d10");
    let young = stray("0c7d1c1e-58a6-4d2b-8f7e-2f6a3c1f9d10");
    let foreign = stray("0d-notes");
    for file in [&old, &young, &foreign] {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, b"left behind").unwrap();
    }
    let age = |file: &Path, age: Duration| {
        let written = fs::metadata(file).unwrap().modified().unwrap();
        let older: SystemTime = written - age;
        fs::File::options()
            .write(true)
            .open(file)
            .unwrap()
            .set_modified(older)
            .unwrap();
    };
    for file in fixture.files().iter().filter(|file| **file != young) {
        age(file, Duration::from_hours(2));
    }

    let fixture = fixture.reopened().await;
    assert_eq!(fixture.store.collect(NOW).await.unwrap().files, 1);
    assert_eq!(
        (old.exists(), young.exists(), foreign.exists()),
        (false, true, true)
    );
    assert_eq!(fixture.read(&named).await.unwrap(), text(LARGE));
    fixture.complete(fixture.take(&id).await, &named).await.unwrap();
    assert_eq!(fixture.store.collect(NOW).await.unwrap().files, 0);
}
