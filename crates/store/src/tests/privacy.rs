//! Files: private from the beginning, and regular files only.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::*;

/// Each file and directory below a path that others than its owner can access.
pub(super) fn exposed(directory: &Path) -> Vec<(PathBuf, u32)> {
    let mut found = Vec::new();
    let metadata = fs::symlink_metadata(directory).unwrap();
    let private = if metadata.is_dir() { 0o700 } else { 0o600 };
    if metadata.mode() & 0o7777 != private {
        found.push((directory.to_owned(), metadata.mode() & 0o7777));
    }
    if metadata.is_dir() {
        for entry in fs::read_dir(directory).unwrap() {
            found.extend(exposed(&entry.unwrap().path()));
        }
    }
    found
}

fn pipe(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
}

#[tokio::test]
async fn everything_that_is_made_is_its_owners_alone() {
    let around = TempDir::new().unwrap();
    let data = around.path().join("deep/data");
    let store = open(&data);
    let insert =
        "INSERT INTO repositories (id, account, region, name, created_at, tag_mutability, scan_on_push,
                                            encryption_type)
                  VALUES (1, '000000000000', 'us-east-1', 'r', 0, 'MUTABLE', 0, 'AES256')";
    store
        .write(move |tx| tx.execute(insert, &[]))
        .await
        .map_err(|error: StoreError| error)
        .unwrap();
    let fixture = Fixture {
        directory: around,
        store,
    };
    fixture.push(&text(LARGE)).await;
    fixture.push(&text(SMALL)).await;
    let id = fixture.begin().await;
    append(&mut fixture.take(&id).await, &text(LARGE), Durability::Durable)
        .await
        .unwrap();
    assert!(data.join("ecru.sqlite-wal").exists());
    assert_eq!(exposed(&data), []);

    let backup = fixture.directory.path().join("backup");
    let (report, heard) = Report::new();
    fixture.store.back_up(&backup, &report).await.unwrap();
    assert_eq!(exposed(&backup), []);
    let restored = fixture.directory.path().join("restored");
    let (from, to) = (backup.clone(), restored.clone());
    tokio::task::spawn_blocking(move || restore(&from, &to, &report).unwrap())
        .await
        .unwrap();
    drop(heard);
    assert_eq!(exposed(&restored), []);
}

#[test]
fn a_directory_that_others_may_write_to_or_own_is_refused() {
    for mode in [0o770, 0o707, 0o777, 0o1777, 0o720, 0o702] {
        let directory = TempDir::new().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(mode)).unwrap();
        let refused = Store::open(&options(directory.path())).err();
        assert!(
            matches!(refused, Some(StoreError::SharedDirectory { mode: found }) if found == mode),
            "{mode:o}: {refused:?}"
        );
        assert_eq!(
            fs::read_dir(directory.path()).unwrap().count(),
            0,
            "nothing was made in it"
        );
    }
    for mode in [0o700, 0o755] {
        let directory = TempDir::new().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(mode)).unwrap();
        open(directory.path());
    }
    // Only root can change the owner of a directory.
    let directory = TempDir::new().unwrap();
    if std::os::unix::fs::chown(directory.path(), Some(12_345), None).is_ok() {
        let refused = Store::open(&options(directory.path())).err();
        assert!(
            matches!(refused, Some(StoreError::ForeignDirectory { uid: 12_345 })),
            "{refused:?}"
        );
    }
}

#[test]
fn a_link_or_a_pipe_in_the_place_of_a_file_is_refused_and_not_followed() {
    type Put = fn(&Path, &Path);
    let puts: [Put; 2] = [
        |path, target| symlink(target, path).unwrap(),
        |path, _| pipe(path),
    ];
    for name in [
        "lock",
        "ecru.sqlite",
        "ecru.sqlite-wal",
        "ecru.sqlite-shm",
        "blobs",
    ] {
        for put in puts {
            let (directory, elsewhere) = (TempDir::new().unwrap(), TempDir::new().unwrap());
            let victim = elsewhere.path().join("victim");
            if name == "blobs" {
                fs::create_dir(&victim).unwrap();
            } else {
                fs::write(&victim, b"precious").unwrap();
            }
            put(&directory.path().join(name), &victim);
            let refused = Store::open(&options(directory.path())).err();
            assert!(
                matches!(refused, Some(StoreError::Irregular { name: found }) if found == name),
                "{name}: {refused:?}"
            );
            if name != "blobs" {
                assert_eq!(fs::read(&victim).unwrap(), b"precious", "{name}");
            }
        }
    }
}

#[tokio::test]
async fn a_blob_is_not_read_through_a_link_of_its_directory() {
    let fixture = Fixture::new().await;
    let digest = fixture.push(&text(LARGE)).await;
    let prefix = fixture.only_file().parent().unwrap().to_owned();
    let elsewhere = TempDir::new().unwrap();
    let fixture = fixture.reopened().await;
    fs::rename(&prefix, elsewhere.path().join("moved")).unwrap();
    symlink(elsewhere.path().join("moved"), &prefix).unwrap();
    assert!(matches!(fixture.read(&digest).await, Err(BlobError::Damaged)));
}
