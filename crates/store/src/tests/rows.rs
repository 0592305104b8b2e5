//! Rows: opening a data directory, the guarantees of a write, and the view of a reader.

use crate::tests::AtOnce as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

fn refusal(directory: &Path) -> StoreError {
    Store::open(&options(directory)).err().unwrap()
}

fn put(tx: &Tx<'_>, name: &str) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO registry_settings (account, region, name, value) VALUES ('0', 'r', ?1, 'v')",
        &[name.into()],
    )
    .map(drop)
}

fn names(snapshot: &Snapshot<'_>) -> Result<Vec<String>, StoreError> {
    snapshot.query("SELECT name FROM registry_settings ORDER BY name", &[], |row| {
        Ok(row.text(0)?.to_owned())
    })
}

#[tokio::test]
async fn what_was_written_is_there_after_a_new_start() {
    let directory = TempDir::new().unwrap();

    let store = open(directory.path());
    store.write(|tx| put(tx, "a")).await.unwrap();
    store.close().await;
    assert!(matches!(
        store.write(|tx| put(tx, "b")).await,
        Err(StoreError::Closed)
    ));
    assert_eq!(store.health(), Health::Closed);

    let store = open(directory.path());
    assert_eq!(store.read(names).await.unwrap(), ["a"]);
    assert_eq!(store.read_many(names).await.unwrap(), ["a"]);
}

#[tokio::test]
async fn a_second_owner_is_refused_until_the_first_is_gone() {
    let directory = TempDir::new().unwrap();

    let first = open(directory.path());
    let second = first.clone();
    assert!(matches!(refusal(directory.path()), StoreError::InUse));
    drop(first);
    assert!(matches!(refusal(directory.path()), StoreError::InUse));
    drop(second);
    open(directory.path());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_writers_at_once_none_is_lost() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path());

    let writers: Vec<_> = (0..32)
        .map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                for round in 0..20 {
                    store
                        .write(move |tx| put(tx, &format!("{writer:02}-{round:02}")))
                        .await
                        .unwrap();
                    let name = format!("{writer:02}-{round:02}");
                    assert!(
                        store.read(names).await.unwrap().contains(&name),
                        "an answered write is seen"
                    );
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(store.read(names).await.unwrap().len(), 640);
}

#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("no")]
    No,
    #[error(transparent)]
    Store(#[from] StoreError),
}

type Write<T> = Box<dyn Fn(&Tx<'_>) -> Result<T, Refusal> + Send>;

/// Blocks the writer thread in one write until the other writes are in the queue, so that they share a
/// transaction.
async fn in_one_batch<T: Send + 'static>(store: &Store, writes: Vec<Write<T>>) -> Vec<Result<T, Refusal>> {
    let (entered, has_entered) = tokio::sync::oneshot::channel::<()>();
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let (entered, gate) = (std::sync::Mutex::new(Some(entered)), std::sync::Mutex::new(gate));
    let holder = tokio::spawn({
        let store = store.clone();
        async move {
            store
                .write(move |_| {
                    drop(entered.lock().unwrap().take());
                    gate.lock().unwrap().recv().unwrap();
                    Ok::<_, StoreError>(())
                })
                .await
        }
    });
    drop(has_entered.await);

    let mut waiting: Vec<_> = writes
        .into_iter()
        .map(|work| Box::pin(store.write(work)))
        .collect();
    for write in &mut waiting {
        assert!(poll_once(write.as_mut()).is_none(), "the write waits");
    }
    open.send(()).unwrap();
    holder.await.unwrap().unwrap();

    let mut results = Vec::new();
    for write in waiting {
        results.push(write.await);
    }
    results
}

#[tokio::test]
async fn a_write_that_fails_or_panics_takes_only_its_own_changes_along() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path());

    let results = in_one_batch(
        &store,
        vec![
            Box::new(|tx| Ok(put(tx, "a")?)),
            Box::new(|tx| {
                put(tx, "refused")?;
                Err(Refusal::No)
            }),
            Box::new(|tx| {
                put(tx, "panicked")?;
                panic!("as the test wants")
            }),
            Box::new(|tx| {
                put(tx, "swallowed")?;
                let twice = put(tx, "swallowed");
                assert!(matches!(twice, Err(StoreError::Statement(_))));
                assert!(matches!(put(tx, "later"), Err(StoreError::Poisoned)));
                Ok(())
            }),
            Box::new(|tx| Ok(put(tx, "b")?)),
        ],
    )
    .await;

    assert!(results[0].is_ok() && results[4].is_ok());
    assert!(matches!(results[1], Err(Refusal::No)));
    assert!(matches!(results[2], Err(Refusal::Store(StoreError::Panicked))));
    assert!(matches!(results[3], Err(Refusal::Store(StoreError::Poisoned))));
    assert_eq!(store.read(names).await.unwrap(), ["a", "b"]);
}

#[tokio::test]
async fn a_lone_write_that_fails_or_panics_leaves_nothing() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path());

    let refused = store
        .write(|tx| {
            put(tx, "refused")?;
            Err::<(), _>(Refusal::No)
        })
        .await;
    assert!(matches!(refused, Err(Refusal::No)));

    let panicked: Result<(), StoreError> = store
        .write(|tx| {
            put(tx, "panicked")?;
            panic!("as the test wants")
        })
        .await;
    assert!(matches!(panicked, Err(StoreError::Panicked)));

    store.write(|tx| put(tx, "a")).await.unwrap();
    assert_eq!(store.read(names).await.unwrap(), ["a"]);
}

#[tokio::test]
async fn who_writes_alone_commits_on_his_own_thread_and_the_writer_has_its_turn() {
    let directory = TempDir::new().unwrap();
    let store = Store::open(&Options {
        ephemeral: true,
        ..options(directory.path())
    })
    .unwrap();
    let own = std::thread::current().id();
    let (mut in_place, mut elsewhere) = (0, 0);
    for number in 0..10_000 {
        let by = store
            .write(move |tx| put(tx, &number.to_string()).map(|()| std::thread::current().id()))
            .await
            .unwrap();
        *if by == own { &mut in_place } else { &mut elsewhere } += 1;
        if in_place > 0 && elsewhere > 1 {
            return;
        }
    }
    panic!("{in_place} in place, {elsewhere} elsewhere");
}

#[tokio::test]
async fn a_write_is_finished_although_nobody_waits_for_it() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path());

    let mut write = Box::pin(store.write(|tx| put(tx, "a")));
    assert!(poll_once(write.as_mut()).is_none());
    drop(write);

    store.write(|tx| put(tx, "b")).await.unwrap();
    assert_eq!(store.read(names).await.unwrap(), ["a", "b"]);
}

#[tokio::test]
async fn a_reader_keeps_its_snapshot_while_others_write() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path());
    store.write(|tx| put(tx, "a")).await.unwrap();

    let (looked, has_looked) = tokio::sync::oneshot::channel::<()>();
    let (written, was_written) = std::sync::mpsc::channel::<()>();
    let reading = {
        let store = store.clone();
        tokio::spawn(async move {
            store
                .read_many(move |snapshot| {
                    let before = names(snapshot)?;
                    looked.send(()).unwrap();
                    was_written.recv().unwrap();
                    Ok::<_, StoreError>((before, names(snapshot)?))
                })
                .await
        })
    };
    has_looked.await.unwrap();
    store.write(|tx| put(tx, "b")).await.unwrap();
    written.send(()).unwrap();

    let (before, after) = reading.await.unwrap().unwrap();
    assert_eq!(
        (before.as_slice(), after.as_slice()),
        (["a".to_owned()].as_slice(), ["a".to_owned()].as_slice())
    );
    assert_eq!(store.read(names).await.unwrap(), ["a", "b"]);
}

#[tokio::test]
async fn a_read_within_a_read_has_a_connection_of_its_own() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path());
    store.write(|tx| put(tx, "a")).await.unwrap();

    let twice = store
        .read(|outer| {
            let inner = store.read(names).at_once()?;
            Ok::<_, StoreError>((names(outer)?, inner))
        })
        .await;
    assert_eq!(twice.unwrap(), (vec!["a".to_owned()], vec!["a".to_owned()]));
}

#[tokio::test]
async fn a_write_may_run_the_last_handle_to_the_store_out() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path());
    let runs = Arc::new(AtomicU32::new(0));

    let (handle, counted) = (std::sync::Mutex::new(Some(store.clone())), runs.clone());
    let mut write = Box::pin(store.write(move |tx| {
        drop(handle.lock().unwrap().take());
        counted.fetch_add(1, Ordering::Relaxed);
        put(tx, "a")
    }));
    assert!(poll_once(write.as_mut()).is_none());
    write.await.unwrap();
    drop(store);

    assert_eq!(runs.load(Ordering::Relaxed), 1);
    assert_eq!(open(directory.path()).read(names).await.unwrap(), ["a"]);
}

#[tokio::test]
async fn a_damaged_database_is_refused() {
    let spoil: [fn(&Path); 4] = [
        |database| std::fs::write(database, b"this is no database, but longer than a header of one").unwrap(),
        |database| {
            let file = std::fs::OpenOptions::new().write(true).open(database).unwrap();
            file.set_len(8192).unwrap();
        },
        |database| {
            use std::os::unix::fs::FileExt;
            let file = std::fs::OpenOptions::new().write(true).open(database).unwrap();
            let pages = file.metadata().unwrap().len() / 4096;
            (1..pages).for_each(|page| file.write_all_at(&[0xff; 4096], page * 4096).unwrap());
        },
        |database| std::fs::remove_file(database).unwrap(),
    ];
    for spoil in spoil {
        let directory = TempDir::new().unwrap();
        let store = open(directory.path());
        store.write(|tx| put(tx, "a")).await.unwrap();
        store.close().await;
        drop(store);

        std::fs::create_dir(directory.path().join("blobs/00")).unwrap();
        spoil(&directory.path().join("ecru.sqlite"));
        assert!(matches!(refusal(directory.path()), StoreError::Damaged { .. }));
    }
}

#[tokio::test]
async fn everything_in_the_data_directory_is_private() {
    use std::os::unix::fs::PermissionsExt;

    let parent = TempDir::new().unwrap();
    let directory = parent.path().join("data");
    let store = open(&directory);
    store.write(|tx| put(tx, "a")).await.unwrap();

    let mut paths = vec![directory];
    while let Some(path) = paths.pop() {
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode & 0o077, 0, "{path:?}");
        if path.is_dir() {
            paths.extend(
                std::fs::read_dir(path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        }
    }
}
