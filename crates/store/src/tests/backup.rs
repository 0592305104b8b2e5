//! Backups: data that was acknowledged before a backup is restored from it, whatever happens in the meantime.

use crate::tests::AtOnce as _;
use std::fs;

use super::verify::verify;
use super::*;

async fn back_up(store: &Store, to: &Path) -> (Result<BackedUp, BackupError>, Vec<String>) {
    let (report, mut heard) = Report::new();
    let (store, to) = (store.clone(), to.to_owned());
    let work = tokio::spawn(async move { store.back_up(&to, &report).await });
    let mut lines = Vec::new();
    while let Some(line) = heard.recv().await {
        lines.push(line);
    }
    (work.await.unwrap(), lines)
}

async fn bring_back(from: &Path, to: &Path) -> (Result<Restored, BackupError>, Vec<String>) {
    let (report, mut heard) = Report::new();
    let (from, to) = (from.to_owned(), to.to_owned());
    let work = tokio::task::spawn_blocking(move || restore(&from, &to, &report));
    let mut lines = Vec::new();
    while let Some(line) = heard.recv().await {
        lines.push(line);
    }
    (work.await.unwrap(), lines)
}

/// The data of a server, a directory for its backup and one to restore to.
struct Places {
    fixture: Fixture,
    around: TempDir,
}

impl Places {
    async fn new() -> Places {
        Places {
            fixture: Fixture::new().await,
            around: TempDir::new().unwrap(),
        }
    }

    fn backup(&self) -> PathBuf {
        self.around.path().join("backup")
    }

    fn restored(&self) -> PathBuf {
        self.around.path().join("restored")
    }

    async fn back_up(&self) -> BackedUp {
        let (backed_up, lines) = back_up(&self.fixture.store, &self.backup()).await;
        assert_eq!(lines, Vec::<String>::new());
        backed_up.unwrap()
    }

    fn blob_of_backup(&self, name: &Path) -> PathBuf {
        let name = name.strip_prefix(self.fixture.directory.path()).unwrap();
        self.backup().join(name)
    }
}

#[tokio::test]
async fn a_backup_is_restored_with_every_blob_and_served_without_hashing_again() {
    let places = Places::new().await;
    let large = places.fixture.push(&text(LARGE)).await;
    let small = places.fixture.push(b"small").await;
    let unfinished = places.fixture.begin().await;

    let backed_up = places.back_up().await;
    assert_eq!((backed_up.blobs, backed_up.copied), (1, 1));
    let (restored, lines) = bring_back(&places.backup(), &places.restored()).await;
    let expected = Restored {
        blobs: 1,
        bytes: LARGE as u64,
        damaged: 0,
    };
    assert_eq!((restored.unwrap(), lines), (expected, Vec::new()));

    let store = open(&places.restored());
    let find = |digest| {
        store
            .read(|at| store.blobs().find(at, digest))
            .at_once()
            .unwrap()
            .unwrap()
    };
    let before = find(&large);
    assert!(store.blobs().check(&before).await.unwrap());
    assert_eq!(
        find(&large),
        before,
        "its identity is the one of the restored file"
    );
    assert!(store.blobs().check(&find(&small)).await.unwrap());
    assert_eq!(verify(&store).await.0.damaged, 0);
    assert!(matches!(
        store.uploads().take(REPOSITORY, &unfinished).await,
        Err(TakeError::NotFound)
    ));
}

#[tokio::test]
async fn a_backup_that_is_renewed_copies_only_what_is_new_and_drops_what_is_gone() {
    let places = Places::new().await;
    let goes = places.fixture.push(&text(LARGE)).await;
    let gone = places.blob_of_backup(&places.fixture.only_file());
    places.back_up().await;
    assert!(gone.exists());

    let stays = places.fixture.push(&text(LARGE + 1)).await;
    let again = places.back_up().await;
    assert_eq!(
        (again.blobs, again.copied, again.copied_bytes),
        (2, 1, LARGE as u64 + 1)
    );

    let goes_id = places.fixture.find(&goes).unwrap().id;
    let unlinked = places
        .fixture
        .store
        .write(move |tx| tx.execute("DELETE FROM links WHERE blob_id = ?1", &[goes_id.into()]));
    unlinked.await.unwrap();
    places.fixture.store.collect(NOW).await.unwrap();
    let third = places.back_up().await;
    assert_eq!((third.blobs, third.copied), (1, 0));
    assert!(!gone.exists());
    let databases = fs::read_dir(places.backup()).unwrap().filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_string_lossy().contains("sqlite")
    });
    assert_eq!(databases.count(), 1);

    bring_back(&places.backup(), &places.restored()).await.0.unwrap();
    let store = open(&places.restored());
    let find = |digest| store.read(|at| store.blobs().find(at, digest)).at_once().unwrap();
    assert!(find(&stays).is_some() && find(&goes).is_none());
}

#[tokio::test]
async fn files_that_a_snapshot_names_stay_while_a_hold_stands() {
    let fixture = Fixture::new().await;
    fixture.push(&text(LARGE)).await;
    let hold = fixture.store.hold_files();
    let collected = fixture.store.collect(NOW + DAY + 1).await.unwrap();
    assert_eq!((collected.blobs, fixture.files().len()), (1, 1));
    drop(hold);
    assert_eq!(fixture.files().len(), 0);
}

#[tokio::test]
async fn a_damaged_blob_is_said_left_out_and_answers_as_damaged_where_it_is_restored() {
    let places = Places::new().await;
    let digest = places.fixture.push(&text(LARGE)).await;
    fs::write(places.fixture.only_file(), b"other").unwrap();

    let (backed_up, lines) = back_up(&places.fixture.store, &places.backup()).await;
    assert_eq!(backed_up.unwrap().damaged, 1);
    assert!(
        lines.len() == 1 && lines[0].contains(&digest.to_string()),
        "{lines:?}"
    );

    let (restored, lines) = bring_back(&places.backup(), &places.restored()).await;
    assert_eq!((restored.unwrap().damaged, lines.len()), (1, 1));
    let store = open(&places.restored());
    let blob = store
        .read(|at| store.blobs().find(at, &digest))
        .await
        .unwrap()
        .unwrap();
    assert!(!blob.is_intact());
}

#[tokio::test]
async fn a_blob_that_decayed_in_the_backup_is_found_by_the_restore() {
    let places = Places::new().await;
    let digest = places.fixture.push(&text(LARGE)).await;
    places.back_up().await;
    let file = places.blob_of_backup(&places.fixture.only_file());
    let mut bytes = fs::read(&file).unwrap();
    bytes[0] ^= 1;
    fs::write(&file, bytes).unwrap();

    let (restored, lines) = bring_back(&places.backup(), &places.restored()).await;
    assert_eq!((restored.unwrap().damaged, lines.len()), (1, 1));
    assert!(lines[0].starts_with(&format!("blob {digest} cannot be restored")));
}

#[tokio::test]
async fn what_is_no_backup_or_not_a_whole_one_is_refused() {
    let places = Places::new().await;
    let foreign = places.around.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("notes"), "mine").unwrap();
    assert!(matches!(
        back_up(&places.fixture.store, &foreign).await.0,
        Err(BackupError::NotOurs)
    ));
    assert!(matches!(
        bring_back(&foreign, &places.restored()).await.0,
        Err(BackupError::NoBackup)
    ));
    assert!(!places.restored().exists());

    places.back_up().await;
    fs::remove_file(places.backup().join("backup.json")).unwrap();
    assert!(matches!(
        bring_back(&places.backup(), &places.restored()).await.0,
        Err(BackupError::Unfinished)
    ));

    places.back_up().await;
    assert!(matches!(
        bring_back(&places.backup(), &foreign).await.0,
        Err(BackupError::NotEmpty)
    ));
    assert_eq!(fs::read(foreign.join("notes")).unwrap(), b"mine");
}

#[tokio::test]
async fn an_interrupted_backup_leaves_the_one_before_whole_and_is_continued() {
    let places = Places::new().await;
    places.fixture.push(&text(LARGE)).await;
    places.back_up().await;
    let digest = places.fixture.push(&text(LARGE + 1)).await;

    let (report, heard) = Report::new();
    drop(heard);
    let interrupted = places.fixture.store.back_up(&places.backup(), &report).await;
    assert!(matches!(
        interrupted,
        Err(BackupError::Store(StoreError::Unheard))
    ));
    bring_back(&places.backup(), &places.restored()).await.0.unwrap();

    fs::remove_dir_all(places.restored()).unwrap();
    assert_eq!(places.back_up().await.copied, 1);
    bring_back(&places.backup(), &places.restored()).await.0.unwrap();
    let store = open(&places.restored());
    assert!(
        store
            .read(|at| store.blobs().find(at, &digest))
            .await
            .unwrap()
            .is_some()
    );
}

#[tokio::test]
async fn an_interrupted_restore_is_refused_by_the_store_and_begun_anew_by_the_next() {
    let places = Places::new().await;
    places.fixture.push(&text(LARGE)).await;
    places.back_up().await;

    let (report, heard) = Report::new();
    drop(heard);
    let (from, to) = (places.backup(), places.restored());
    let interrupted = tokio::task::spawn_blocking(move || restore(&from, &to, &report));
    assert!(interrupted.await.unwrap().is_err());
    assert!(matches!(
        Store::open(&options(&places.restored())),
        Err(StoreError::HalfRestored)
    ));

    bring_back(&places.backup(), &places.restored()).await.0.unwrap();
    assert_eq!(verify(&open(&places.restored())).await.0.damaged, 0);
}

#[tokio::test]
async fn a_backup_made_while_blobs_come_and_go_is_consistent() {
    let places = Places::new().await;
    let store = places.fixture.store.clone();
    let mut last = places.fixture.push(&text(LARGE)).await;
    for round in 0..5 {
        let backing_up = {
            let (store, to) = (store.clone(), places.backup());
            tokio::spawn(async move { back_up(&store, &to).await })
        };
        for at in 1..10 {
            last = places.fixture.push(&text(LARGE + round * 10 + at)).await;
            store.collect(NOW + DAY + 1).await.unwrap();
        }
        let (backed_up, lines) = backing_up.await.unwrap();
        assert_eq!((backed_up.unwrap().damaged, lines), (0, Vec::new()));
        let _ = fs::remove_dir_all(places.restored());
        let (restored, _) = bring_back(&places.backup(), &places.restored()).await;
        assert_eq!(restored.unwrap().damaged, 0);
    }
    assert!(places.fixture.find(&last).is_none(), "collection went on");
}

type Harm = fn(&Path, &Marked);

/// The declarations of a backup.
struct Marked {
    database: PathBuf,
    blob: PathBuf,
    marker: serde_json::Value,
}

impl Marked {
    fn of(backup: &Path) -> Marked {
        let text = fs::read(backup.join("backup.json")).unwrap();
        let marker: serde_json::Value = serde_json::from_slice(&text).unwrap();
        let prefix = fs::read_dir(backup.join("blobs"))
            .unwrap()
            .next()
            .unwrap()
            .unwrap()
            .path();
        Marked {
            database: backup.join(marker["database"].as_str().unwrap()),
            blob: fs::read_dir(prefix).unwrap().next().unwrap().unwrap().path(),
            marker,
        }
    }

    fn set(&self, backup: &Path, member: &str, value: serde_json::Value) {
        let mut marker = self.marker.clone();
        marker[member] = value;
        fs::write(backup.join("backup.json"), marker.to_string()).unwrap();
    }

    fn execute(&self, backup: &Path, sql: &str) {
        rusqlite::Connection::open(&self.database)
            .unwrap()
            .execute_batch(sql)
            .unwrap();
        let size = fs::metadata(&self.database).unwrap().len();
        self.set(backup, "database_bytes", size.into());
    }
}

const TEBIBYTE: u64 = 1 << 40;

fn pipe(path: &Path) {
    let _ = fs::remove_file(path);
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
}

fn stretch(path: &Path) {
    fs::File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_len(TEBIBYTE)
        .unwrap();
}

fn link(path: &Path, to: &str) {
    let _ = fs::remove_file(path);
    std::os::unix::fs::symlink(to, path).unwrap();
}

#[tokio::test]
async fn a_hostile_backup_is_refused_without_filling_the_disk_or_waiting() {
    let harms: [Harm; 14] = [
        |_, it| stretch(&it.database),
        |backup, it| {
            stretch(&it.database);
            it.set(backup, "database_bytes", TEBIBYTE.into());
        },
        |_, it| pipe(&it.database),
        |_, it| link(&it.database, "/dev/zero"),
        |backup, _| pipe(&backup.join("backup.json")),
        |backup, _| link(&backup.join("backup.json"), "/dev/zero"),
        |backup, _| stretch(&backup.join("backup.json")),
        |backup, _| pipe(&backup.join("backup.lock")),
        |backup, it| it.set(backup, "database", "../ecru.sqlite".into()),
        |backup, it| it.set(backup, "database", "..".into()),
        |backup, it| it.set(backup, "blob_bytes", (TEBIBYTE << 10).into()),
        |backup, it| {
            it.execute(
                backup,
                "UPDATE blobs SET size = 1099511627776 WHERE file IS NOT NULL",
            );
        },
        |backup, it| {
            let again = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
                         INSERT INTO blobs (digest, size, file, identity)
                         SELECT randomblob(32), size, file, identity FROM blobs, n WHERE file IS NOT NULL";
            it.execute(backup, again);
        },
        |backup, it| {
            let bomb = "CREATE TRIGGER t AFTER UPDATE ON blobs BEGIN
                            INSERT INTO keys (created_at, secret) VALUES (0, zeroblob(900000000)); END";
            it.execute(backup, bomb);
        },
    ];
    for (number, harm) in harms.into_iter().enumerate() {
        let places = Places::new().await;
        places.fixture.push(&text(LARGE)).await;
        places.back_up().await;
        harm(&places.backup(), &Marked::of(&places.backup()));

        let (refused, lines) = bring_back(&places.backup(), &places.restored()).await;
        assert!(refused.is_err(), "{number}: {refused:?} {lines:?}");
        assert!(blocks_below(places.around.path()) < 16 << 20, "{number}");
    }
}

#[tokio::test]
async fn a_blob_of_a_backup_that_is_no_file_or_of_another_size_is_left_out() {
    let harms: [Harm; 5] = [
        |_, it| stretch(&it.blob),
        |_, it| pipe(&it.blob),
        |_, it| link(&it.blob, "/dev/zero"),
        |_, it| link(&it.blob, "../../../elsewhere"),
        |backup, _| {
            fs::rename(backup.join("blobs"), backup.join("moved")).unwrap();
            link(&backup.join("blobs"), "moved");
        },
    ];
    for (number, harm) in harms.into_iter().enumerate() {
        let places = Places::new().await;
        places.fixture.push(&text(LARGE)).await;
        places.back_up().await;
        fs::write(places.around.path().join("elsewhere"), text(LARGE)).unwrap();
        harm(&places.backup(), &Marked::of(&places.backup()));

        let (restored, lines) = bring_back(&places.backup(), &places.restored()).await;
        assert_eq!(
            (restored.unwrap().damaged, lines.len()),
            (1, 1),
            "{number}: {lines:?}"
        );
        assert!(blocks_below(places.around.path()) < 16 << 20, "{number}");
    }
}

#[tokio::test]
async fn a_backup_is_not_written_through_links() {
    let places = Places::new().await;
    places.fixture.push(&text(LARGE)).await;
    places.back_up().await;
    let marked = Marked::of(&places.backup());
    let victim = places.around.path().join("victim");
    fs::write(&victim, b"precious").unwrap();
    fs::remove_file(&marked.blob).unwrap();
    for name in [
        marked.blob.with_extension("part"),
        places.backup().join("backup.json.part"),
    ] {
        link(&name, victim.to_str().unwrap());
    }
    places.back_up().await;
    assert_eq!(fs::read(&victim).unwrap(), b"precious");
    assert!(marked.blob.is_file());

    link(&places.backup().join("backup.lock"), victim.to_str().unwrap());
    assert!(back_up(&places.fixture.store, &places.backup()).await.0.is_err());
    assert_eq!(fs::read(&victim).unwrap(), b"precious");
}

/// The disk space of the files below a directory, in bytes.
fn blocks_below(directory: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;

    let entries = fs::read_dir(directory).unwrap();
    let sizes = entries.map(|entry| {
        let path = entry.unwrap().path();
        let metadata = fs::symlink_metadata(&path).unwrap();
        if metadata.is_dir() {
            blocks_below(&path)
        } else {
            metadata.blocks() * 512
        }
    });
    sizes.sum()
}
