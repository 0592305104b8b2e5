//! Checks every stored image against its digest and its manifest, and every column that repeats other data.

mod children;
mod columns;
mod image;

use ecru_store::{Report, Snapshot, Store, StoreError};

use crate::scanning;
use crate::stored_images::needs;

const MISCOUNTED_MAX: usize = 100;

/// The number of checked images and of errors; each error was reported in a line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VerifiedImages {
    pub images: u64,
    pub damaged: u64,
}

pub async fn verify_images(store: &Store, report: &Report) -> Result<VerifiedImages, StoreError> {
    let mut verified = VerifiedImages::default();
    let mut last = 0;
    loop {
        report.check_heard()?;
        let (count, end, complaints) = store.read_many(move |at| image::verify_some(at, last)).await?;
        verified.images += count;
        say(report, complaints, &mut verified).await?;
        match end {
            Some(end) => last = end,
            None => break,
        }
    }
    let mut last = children::FIRST;
    loop {
        report.check_heard()?;
        let (end, complaints) = store.read_many(move |at| children::verify_some(at, last)).await?;
        say(report, complaints, &mut verified).await?;
        match end {
            Some(end) => last = end,
            None => break,
        }
    }
    say(report, store.read_many(columns::complaints).await?, &mut verified).await?;
    say(report, store.read_many(links).await?, &mut verified).await?;
    say(
        report,
        store.read_many(scanning::miscounted).await?,
        &mut verified,
    )
    .await?;
    Ok(verified)
}

async fn say(
    report: &Report,
    complaints: Vec<String>,
    verified: &mut VerifiedImages,
) -> Result<(), StoreError> {
    for complaint in complaints {
        verified.damaged += 1;
        report.say(complaint).await?;
    }
    Ok(())
}

/// Links with a wrong count of the images that need their blob.
fn links(at: &Snapshot<'_>) -> Result<Vec<String>, StoreError> {
    let mut complaints = Vec::new();
    let repositories = at.query("SELECT id FROM repositories WHERE deleted = 0", &[], |row| {
        row.integer(0)
    })?;
    for repository_id in repositories {
        let miscounted = needs::miscounted(at, repository_id)?.into_iter();
        complaints.extend(miscounted.take(MISCOUNTED_MAX).map(|blob_id| {
            format!(
                "repository number {repository_id} has a wrong count of the images that need its blob number {blob_id}"
            )
        }));
    }
    Ok(complaints)
}
