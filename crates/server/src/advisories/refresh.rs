//! Keeps the advisories of the images that were scanned up to date while the server runs.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use ecru_scanner::{Advisories, Ecosystem};
use tokio::time::sleep;

use super::{Outcome, Step, blocking, update};
use crate::options::AdvisoriesRefresh;

/// How often to look whether images of other ecosystems were scanned.
const LOOK_EVERY: Duration = Duration::from_mins(1);
/// When to try again what failed.
const AGAIN_AFTER: Duration = Duration::from_mins(10);

pub(crate) async fn keep_fresh(data: PathBuf, refresh: AdvisoriesRefresh) {
    let mut due = HashMap::new();
    loop {
        if let Err(error) = round(&data, &refresh, &mut due).await {
            tracing::warn!(error = format!("{error:#}"), "advisories could not be updated");
        }
        sleep(LOOK_EVERY).await;
    }
}

async fn round(
    data: &Path,
    refresh: &AdvisoriesRefresh,
    due: &mut HashMap<Ecosystem, Instant>,
) -> anyhow::Result<()> {
    let directory = data.to_owned();
    let mut ecosystems = blocking(move || Ok(Advisories::ecosystems_of_images(&directory)?)).await?;
    let now = Instant::now();
    ecosystems.retain(|ecosystem| due.get(ecosystem).is_none_or(|due| *due <= now));
    if ecosystems.is_empty() {
        return Ok(());
    }
    for ecosystem in &ecosystems {
        due.insert(ecosystem.clone(), now + AGAIN_AFTER);
    }
    let outcomes = update(data, &refresh.from, &ecosystems, &mut log).await?;
    for (ecosystem, outcome) in ecosystems.into_iter().zip(outcomes) {
        if !matches!(outcome, Outcome::Failed(_)) {
            due.insert(ecosystem, now + refresh.every);
        }
    }
    Ok(())
}

fn log(step: Step<'_>) {
    let Step::Ended(ecosystem, outcome) = step else {
        return;
    };
    match outcome {
        Outcome::Loaded { advisories, bytes } => {
            tracing::info!(%ecosystem, advisories, bytes, "advisories were updated");
        }
        Outcome::Unchanged => tracing::debug!(%ecosystem, "advisories are up to date"),
        Outcome::Absent => tracing::info!(%ecosystem, "no advisories are published"),
        Outcome::Failed(error) => {
            tracing::warn!(%ecosystem, error = format!("{error:#}"), "advisories could not be updated");
        }
    }
}
