//! Fails the n-th call of the disk or the database during a push, for n = 1, 2, … until a whole push passes.
//! After each failure, no acknowledged data is lost and no data is half visible. This holds for the process
//! that goes on, for one started after a kill, and for one started after a power cut.

use std::io;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use ecru_model::{Digest, DigestAlgorithm};
use ecru_store::{
    BlobContent, ByteSource, Durability, Foundation, Health, NewUpload, Options, Received, Store, StoreError,
    Tx, UploadId, links,
};
use tempfile::TempDir;

use crate::disk::{FailingBackend, FailingDisk, Fault, Faults, copy};

pub(crate) const REPOSITORY: i64 = 1;
const NOW: i64 = 1_700_000_000_000;
const CALLS_MAX: i64 = 500;

type Failure = Box<dyn std::error::Error>;

/// The data that was acknowledged to a client.
#[derive(Default)]
struct Acknowledged {
    upload: Option<(UploadId, u64)>,
    published: Vec<Digest>,
}

const SMALL: &[u8] = b"small";
static LARGE: LazyLock<Vec<u8>> = LazyLock::new(|| (0..250_000_u32).flat_map(u32::to_le_bytes).collect());

#[tokio::test]
async fn a_push_survives_a_call_that_does_nothing() {
    check(Fault::Undone).await;
}

#[tokio::test]
async fn a_push_survives_a_call_that_does_its_work_and_denies_it() {
    check(Fault::Unsaid).await;
}

#[tokio::test]
async fn a_push_survives_a_disk_that_goes_away() {
    check(Fault::Gone).await;
}

async fn check(fault: Fault) {
    let mut call = 1;
    while fails_at(call, fault).await {
        call += 1;
        assert!(call < CALLS_MAX, "a push takes fewer calls");
    }
    assert!(call > 20, "a push takes more than {call} calls");
}

/// Returns whether the push reached the call.
async fn fails_at(call: i64, fault: Fault) -> bool {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let faults = Faults::new(fault);
    let disk = Arc::new(FailingDisk::new(faults.clone()));
    let store = open_failing(&data, &faults, &disk);
    add_repository(&store).await;

    let mut acknowledged = Acknowledged::default();
    faults.fail_at(call);
    let pushed = push(&store, &mut acknowledged).await;
    if !faults.have_struck() {
        pushed.unwrap();
        return false;
    }

    let killed = directory.path().join("killed");
    copy(&data, &killed, &|path| Ok(Some(std::fs::metadata(path)?.len())));
    let cut = directory.path().join("cut");
    disk.copy_after_power_cut(&data, &cut);

    faults.heal();
    let mut health = store.watch_health();
    let healed = health.wait_for(|health| *health == Health::Writable);
    tokio::time::timeout(Duration::from_mins(1), healed)
        .await
        .unwrap()
        .unwrap();
    check_state(&store, &acknowledged).await;

    for left in [killed, cut] {
        let store = Store::open(&Options {
            directory: left,
            ephemeral: true,
        })
        .unwrap();
        check_state(&store, &acknowledged).await;
        store.close().await;
    }
    true
}

/// Opens a store on a disk that fails. A simulated power cut keeps what this disk was asked to flush, so the real disk is
/// not flushed.
fn open_failing(directory: &Path, faults: &Arc<Faults>, disk: &Arc<FailingDisk>) -> Store {
    let options = Options {
        directory: directory.to_owned(),
        ephemeral: true,
    };
    let mut foundation = Foundation::new(&options);
    foundation.io = disk.clone();
    foundation.backend = Arc::new(FailingBackend {
        faults: faults.clone(),
        backend: foundation.backend,
    });
    foundation.probe_interval = Duration::from_millis(1);
    Store::open_on(directory, foundation).unwrap()
}

pub(crate) async fn add_repository(store: &Store) {
    let added = store.write(|tx| {
        tx.execute(
            "INSERT INTO repositories (id, account, region, name, created_at, tag_mutability, scan_on_push,
                                       encryption_type)
             VALUES (?1, '000000000000', 'us-east-1', 'r', 0, 'MUTABLE', 0, 'AES256')",
            &[REPOSITORY.into()],
        )
    });
    added.await.map_err(|error: StoreError| error).unwrap();
}

/// A large layer in three appends, and a small one in a single request.
async fn push(store: &Store, acknowledged: &mut Acknowledged) -> Result<(), Failure> {
    let bytes = &*LARGE;
    let uploads = store.uploads();
    let new = NewUpload {
        repository_id: REPOSITORY,
        algorithm: DigestAlgorithm::Sha256,
        now_milliseconds: now(),
    };
    let given: Result<_, StoreError> = store.read(|at| uploads.issue(at, new, u64::MAX)).await;
    let id = given?.ok_or("there is no room for an upload")?;
    acknowledged.upload = Some((id, 0));

    let mut offset = 0;
    for (end, durability) in [
        (30_000, Durability::Durable),
        (400_000, Durability::Durable),
        (700_000, Durability::Streamed),
        (900_000, Durability::Durable),
    ] {
        let mut upload = store.uploads().take(REPOSITORY, &id).await?;
        assert_eq!(upload.offset(), offset as u64);
        upload
            .append(&mut Chunks::of(&bytes[offset..end]), durability, u64::MAX)
            .await?;
        offset = end;
        if durability == Durability::Durable {
            acknowledged.upload = Some((id, end as u64));
        }
    }
    let mut upload = store.uploads().take(REPOSITORY, &id).await?;
    upload
        .append_last(&mut Chunks::of(&bytes[offset..]), u64::MAX)
        .await?;
    upload.complete(&[Digest::of(bytes)], publish(store)).await?;
    acknowledged.upload = None;
    acknowledged.published.push(Digest::of(bytes));

    let received = store
        .uploads()
        .receive(DigestAlgorithm::Sha256, &mut Chunks::of(SMALL), u64::MAX)
        .await?;
    let publish = publish(store);
    store.write(move |tx| publish(tx, &received)).await?;
    acknowledged.published.push(Digest::of(SMALL));
    Ok(())
}

/// An upload without a row outlives its process for only a day.
fn now() -> i64 {
    let made = tempfile::tempfile()
        .unwrap()
        .metadata()
        .unwrap()
        .modified()
        .unwrap();
    let age = made.duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(age.as_millis()).unwrap()
}

async fn complete(store: &Store, id: &UploadId, bytes: &[u8]) -> Result<(), Failure> {
    let upload = store.uploads().take(REPOSITORY, id).await?;
    upload.complete(&[Digest::of(bytes)], publish(store)).await?;
    Ok(())
}

pub(crate) fn publish(
    store: &Store,
) -> impl Fn(&Tx<'_>, &Received) -> Result<(), StoreError> + Send + 'static {
    let store = store.clone();
    move |tx, received| {
        let id = store.blobs().insert(tx, received)?;
        links::insert(tx, REPOSITORY, id, NOW)
    }
}

async fn check_state(store: &Store, acknowledged: &Acknowledged) {
    for (digest, bytes) in [(Digest::of(&LARGE), &LARGE[..]), (Digest::of(SMALL), SMALL)] {
        let visible = is_whole(store, &digest, bytes).await;
        assert!(
            visible || !acknowledged.published.contains(&digest),
            "what was published is there"
        );
    }

    if let Some((id, offset)) = &acknowledged.upload {
        match store.uploads().take(REPOSITORY, id).await {
            Ok(mut upload) => {
                assert!(upload.offset() >= *offset, "what was saved of an upload is there");
                let came = usize::try_from(upload.offset()).unwrap();
                let bytes = &*LARGE;
                upload
                    .append(&mut Chunks::of(&bytes[came..]), Durability::Streamed, u64::MAX)
                    .await
                    .unwrap();
                drop(upload);
                complete(store, id, bytes).await.unwrap();
            }
            Err(ecru_store::TakeError::NotFound) => {}
            Err(error) => panic!("{error}"),
        }
        assert!(
            is_whole(store, &Digest::of(&LARGE), &LARGE).await,
            "an upload that is gone was published"
        );
    }

    push(store, &mut Acknowledged::default()).await.unwrap();
    for (digest, bytes) in [(Digest::of(&LARGE), &LARGE[..]), (Digest::of(SMALL), SMALL)] {
        assert!(is_whole(store, &digest, bytes).await);
    }
}

/// Whether the blob is there, and if so, with its link and all its bytes.
async fn is_whole(store: &Store, digest: &Digest, bytes: &[u8]) -> bool {
    let found = store
        .read(|at| {
            let Some(blob) = store.blobs().find(at, digest)? else {
                return Ok::<_, StoreError>(None);
            };
            let link = links::find(at, REPOSITORY, blob.id)?;
            Ok(Some((blob, link)))
        })
        .await;
    let Some((blob, link)) = found.unwrap() else {
        return false;
    };
    assert!(link.is_some(), "a blob comes with its link");
    let content = match store.blobs().open(&blob).await.unwrap().into_content() {
        BlobContent::Bytes(content) => content,
        BlobContent::File(mut file) => {
            let mut content = Vec::new();
            io::Read::read_to_end(&mut file, &mut content).unwrap();
            Bytes::from(content)
        }
    };
    assert!(content == bytes, "the bytes are those that were pushed");
    true
}

struct Chunks(std::collections::VecDeque<Bytes>);

impl Chunks {
    fn of(bytes: &[u8]) -> Chunks {
        Chunks(bytes.chunks(50_000).map(Bytes::copy_from_slice).collect())
    }
}

impl ByteSource for Chunks {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        self.0.pop_front().map(Ok)
    }
}
