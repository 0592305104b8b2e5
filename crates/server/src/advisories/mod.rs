//! Fetches the advisories of ecosystems. A new set replaces the installed one after a check.

mod refresh;

use std::{
    collections::HashMap,
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Context;
use ecru_outbound::{Answer, ArchiveLimits, Archives, Coming, FetchError, Held, Url};
use ecru_scanner::{Ecosystem, Part, SetUpdate};
use tokio::{task::spawn_blocking, time::sleep};

pub(crate) use refresh::{keep_fresh, watch};

/// The address at which OSV publishes its archives.
pub(crate) const PUBLISHED_AT: &str = "https://osv-vulnerabilities.storage.googleapis.com/";

const ARCHIVE_NAME: &str = "all.zip";
const WRITE_BYTES: usize = 1 << 20;
/// Limits on consecutive attempts without progress, and on all attempts.
const FRUITLESS_MAX: u32 = 3;
const ATTEMPTS_MAX: u32 = 20;
const PAUSE: Duration = Duration::from_millis(500);

/// The events of an update.
#[derive(Clone, Copy)]
pub(crate) enum Step<'a> {
    Fetching {
        archive: &'a Ecosystem,
        bytes: u64,
        length: Option<u64>,
    },
    Interrupted(&'a Ecosystem, &'a FetchError),
    Checking(&'a Ecosystem),
    Ended(&'a Ecosystem, &'a Outcome),
}

#[derive(Debug)]
pub(crate) enum Outcome {
    Loaded {
        advisories: usize,
        bytes: u64,
    },
    Unchanged,
    /// No advisories are published for the ecosystem.
    Absent,
    /// The earlier set stays in use.
    Failed(anyhow::Error),
}

pub(crate) type Audience<'a> = &'a mut (dyn FnMut(Step<'_>) + Send);

/// Updates each ecosystem. A failure in one does not stop the others.
pub(crate) async fn update(
    data: &Path,
    from: &Url,
    ecosystems: &[Ecosystem],
    audience: Audience<'_>,
) -> anyhow::Result<Vec<Outcome>> {
    let directory = data.to_owned();
    let sets = blocking(move || Ok(SetUpdate::begin(&directory)?)).await;
    let sets = sets.with_context(|| format!("cannot write advisories in `{}`", data.display()))?;
    let mut updating = Updating {
        sets: Arc::new(sets.context("advisories are being updated by another process")?),
        archives: Archives::new(from.clone(), ArchiveLimits::default()),
        done: HashMap::new(),
    };
    let mut outcomes = Vec::new();
    for ecosystem in ecosystems {
        let outcome = updating.ecosystem(ecosystem, audience).await;
        audience(Step::Ended(ecosystem, &outcome));
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

struct Updating {
    sets: Arc<SetUpdate>,
    archives: Archives,
    /// Whether each requested archive exists. Several releases may share one archive.
    done: HashMap<Ecosystem, bool>,
}

enum Fetched {
    Unchanged,
    Absent,
    Whole(Part),
}

/// The result of one request.
enum Attempt {
    Done(Fetched),
    /// The server failed. The received bytes are kept.
    Cut(Part, FetchError),
}

impl Updating {
    async fn ecosystem(&mut self, ecosystem: &Ecosystem, audience: Audience<'_>) -> Outcome {
        for archive in ecosystem.archives() {
            let outcome = match self.done.get(&archive) {
                Some(true) => Outcome::Unchanged,
                Some(false) => Outcome::Absent,
                None => self
                    .archive(&archive, audience)
                    .await
                    .unwrap_or_else(Outcome::Failed),
            };
            match outcome {
                Outcome::Absent => self.done.insert(archive, false),
                Outcome::Failed(_) => return outcome,
                Outcome::Loaded { .. } | Outcome::Unchanged => {
                    self.done.insert(archive, true);
                    return outcome;
                }
            };
        }
        Outcome::Absent
    }

    async fn archive(&self, archive: &Ecosystem, audience: Audience<'_>) -> anyhow::Result<Outcome> {
        let part = match self.fetch(archive, audience).await? {
            Fetched::Unchanged => return Ok(Outcome::Unchanged),
            Fetched::Absent => return Ok(Outcome::Absent),
            Fetched::Whole(part) => part,
        };
        audience(Step::Checking(archive));
        let (sets, archive, bytes) = (Arc::clone(&self.sets), archive.clone(), part.length);
        // Dropping this sets the flag that stops the work.
        let stop = StopOnDrop::default();
        let stopped = Arc::clone(&stop.0);
        let advisories = blocking(move || Ok(sets.install(&archive, part, &stopped)?)).await?;
        Ok(Outcome::Loaded { advisories, bytes })
    }

    /// Fetches an archive in parts, and continues while each attempt makes progress.
    async fn fetch(&self, archive: &Ecosystem, audience: Audience<'_>) -> anyhow::Result<Fetched> {
        let (sets, name) = (Arc::clone(&self.sets), archive.clone());
        let found = blocking(move || Ok((sets.part(&name)?, sets.version(&name)))).await;
        let (mut part, whole) = found.context("cannot open the part of an earlier download")?;
        let mut fruitless = 0;
        for _ in 0..ATTEMPTS_MAX {
            let before = part.length;
            let (left, problem) = match self.attempt(archive, part, whole.as_deref(), audience).await? {
                Attempt::Done(fetched) => return Ok(fetched),
                Attempt::Cut(left, problem) => (left, problem),
            };
            if !problem.may_pass() {
                left.remove();
                return Err(problem.into());
            }
            fruitless = if left.length > before { 0 } else { fruitless + 1 };
            if fruitless >= FRUITLESS_MAX {
                return Err(problem.into());
            }
            audience(Step::Interrupted(archive, &problem));
            sleep(PAUSE * (fruitless + 1)).await;
            part = left;
        }
        anyhow::bail!("the server ended too many answers early")
    }

    async fn attempt(
        &self,
        archive: &Ecosystem,
        mut part: Part,
        whole: Option<&str>,
        audience: Audience<'_>,
    ) -> anyhow::Result<Attempt> {
        let begun = part.version.as_deref().map(|version| (version, part.length));
        let held = Held {
            whole,
            part: begun.filter(|(_, length)| *length > 0),
        };
        let answer = self.archives.fetch(&[archive.as_str(), ARCHIVE_NAME], held).await;
        let mut coming: Coming = match answer {
            Ok(Answer::Coming(coming)) => coming,
            Ok(nothing) => {
                part.remove();
                return Ok(Attempt::Done(match nothing {
                    Answer::Absent => Fetched::Absent,
                    _ => Fetched::Unchanged,
                }));
            }
            Err(problem) => return Ok(Attempt::Cut(part, problem)),
        };
        if coming.at == 0 {
            let version = coming.version.clone();
            part = blocking(move || {
                part.restart(version.as_deref())?;
                Ok(part)
            })
            .await?;
        }
        let mut waiting = Vec::new();
        let end = loop {
            let piece = match coming.next().await {
                Ok(Some(piece)) => piece,
                Ok(None) => break None,
                Err(problem) => break Some(problem),
            };
            waiting.extend_from_slice(&piece);
            audience(Step::Fetching {
                archive,
                bytes: coming.at,
                length: coming.length,
            });
            if waiting.len() >= WRITE_BYTES {
                part = write(part, std::mem::take(&mut waiting)).await?;
            }
        };
        part = write(part, waiting).await?;
        Ok(match end {
            Some(problem) => Attempt::Cut(part, problem),
            None => Attempt::Done(Fetched::Whole(part)),
        })
    }
}

async fn write(mut part: Part, bytes: Vec<u8>) -> anyhow::Result<Part> {
    let written = blocking(move || {
        part.append(&bytes)?;
        Ok(part)
    });
    written.await.context("cannot write the fetched data")
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    spawn_blocking(work).await.map_err(io::Error::other)?
}

#[derive(Default)]
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
