//! Migrations: every schema reaches the newest with every row. An unknown schema is refused and left
//! unchanged.

use crate::tests::AtOnce as _;
use std::fs;

use super::verify::verify;
use super::*;
use crate::backend::Access;
use crate::composition::{database, database_path};
use crate::migrations::{STEPS, migrate_to};

/// The rows of each schema as that schema stored them. A released step gets its own rows here, which never
/// change.
const FIXTURES: [(i64, &str); 3] = [
    (1, include_str!("fixtures/0001.sql")),
    (2, include_str!("fixtures/0002.sql")),
    (3, include_str!("fixtures/0003.sql")),
];

/// The digests of the steps that have been released.
const RELEASED: [(i64, &str); 0] = [];

/// Data as a program of that schema left it.
fn data_of(number: i64, rows: &str) -> TempDir {
    let directory = TempDir::new().unwrap();
    fs::create_dir(directory.path().join("blobs")).unwrap();
    let path = database_path(directory.path());
    fs::File::create(&path).unwrap();
    let connection = database(directory.path(), Flushing::Never)
        .connect(Access::Write)
        .unwrap();
    migrate_to(connection.as_ref(), true, number, &[]).unwrap();
    drop(connection);
    rusqlite::Connection::open(path)
        .unwrap()
        .execute_batch(rows)
        .unwrap();
    directory
}

#[test]
fn every_step_has_rows_of_its_own() {
    let numbers = |steps: &[(i64, &str)]| steps.iter().map(|(number, _)| *number).collect::<Vec<_>>();
    assert_eq!(numbers(&FIXTURES), numbers(&STEPS));
}

#[test]
fn a_released_step_has_not_changed() {
    for (number, digest) in RELEASED {
        let (_, step) = STEPS.iter().find(|(step, _)| *step == number).unwrap();
        assert_eq!(Digest::of(step.as_bytes()).to_string(), digest, "step {number}");
    }
}

#[tokio::test]
async fn every_schema_opens_with_all_its_rows() {
    for (number, rows) in FIXTURES {
        let directory = data_of(number, rows);
        let store = open(directory.path());

        assert_eq!(verify(&store).await.1, Vec::<String>::new(), "schema {number}");
        let blob = store
            .read(|at| store.blobs().find(at, &Digest::of(b"abc")))
            .await
            .unwrap()
            .unwrap();
        assert!(store.blobs().check(&blob).await.unwrap());
        assert_eq!(store.read(keys::list).await.unwrap().len(), 1);
        let tagged = store
            .read(|at| {
                at.find(
                    "SELECT i.manifest FROM tags t JOIN images i ON i.id = t.image_id WHERE t.tag = 'latest'",
                    &[],
                    |row| Ok(row.blob(0)?.to_vec()),
                )
            })
            .await;
        assert_eq!(tagged.unwrap(), Some(b"index".to_vec()));
        assert_eq!(kept_of_others(&store), KEPT_OF_OTHERS, "schema {number}");
    }
}

/// Rows that the store keeps and other crates read, after the newest step.
fn kept_of_others(store: &Store) -> Vec<String> {
    const LOOKS: [&str; 7] = [
        "SELECT images || ' ' || active_images || ' ' || media_type FROM links",
        "SELECT hex(blob_ids) FROM images ORDER BY id",
        "SELECT sequence || ' ' || repository FROM outbox",
        "SELECT '' || sequence FROM outbox_floor",
        "SELECT sink || ' ' || sequence FROM sink_cursors",
        "SELECT thing || ' ' || held FROM registry_counters",
        "SELECT images || ' ' || push_sequence || ' ' || uploads FROM repository_counters",
    ];
    let read = |at: &Snapshot<'_>| {
        let rows = LOOKS.map(|sql| at.query(sql, &[], |row| Ok(row.text(0)?.to_owned())));
        rows.into_iter().collect::<Result<Vec<_>, StoreError>>()
    };
    store.read(read).at_once().unwrap().concat()
}

const KEPT_OF_OTHERS: [&str; 8] = [
    "1 1 application/vnd.oci.image.layer.v1.tar",
    "0000000000000001",
    "",
    "7 team/app",
    "6",
    "webhook 6",
    "repositories 1",
    "2 2 1",
];

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_as_it_was() {
    let directory = data_of(1, FIXTURES[0].1);
    let path = database_path(directory.path());
    let database = rusqlite::Connection::open(&path).unwrap();
    database
        .execute_batch("INSERT INTO migrations VALUES (999); PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
    drop(database);
    let before = fs::read(&path).unwrap();

    let refused = Store::open(&options(directory.path()));
    assert!(matches!(refused, Err(StoreError::Newer { found: 999, known: 3 })));
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_database_that_has_lost_its_tables_is_not_taken_for_a_new_one() {
    let directory = data_of(1, FIXTURES[0].1);
    let path = database_path(directory.path());
    for _ in 0..2 {
        fs::write(&path, b"").unwrap();
        let refused = Store::open(&options(directory.path()));
        assert!(
            matches!(refused, Err(StoreError::Damaged { .. })),
            "{:?}",
            refused.err()
        );
    }
    fs::remove_file(&path).unwrap();
    let refused = Store::open(&options(directory.path()));
    assert!(
        matches!(refused, Err(StoreError::Damaged { .. })),
        "{:?}",
        refused.err()
    );
}

#[tokio::test]
async fn a_start_that_was_cut_off_before_the_first_commit_is_begun_again() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("lock"), b"").unwrap();
    fs::write(database_path(directory.path()), b"").unwrap();
    let store = open(directory.path());
    assert_eq!(store.read(keys::list).await.unwrap().len(), 1);
}
