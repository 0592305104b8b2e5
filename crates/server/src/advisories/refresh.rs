//! Updates the advisories of the stored images while the server runs, and repeats scans after an update.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use ecru_registry::{
    Service,
    scanning::{StoredEcosystems, scan_again},
};
use ecru_scanner::Ecosystem;
use tokio::time::sleep;

use super::{Outcome, Step, update};
use crate::options::AdvisoriesRefresh;

/// Interval of the checks for new ecosystems in the stored images and for new advisories.
const LOOK_EVERY: Duration = Duration::from_mins(1);
/// Delay after a failed update.
const AGAIN_AFTER: Duration = Duration::from_mins(10);

pub(crate) async fn keep_fresh(service: Arc<Service>, data: PathBuf, refresh: AdvisoriesRefresh) {
    let mut refreshing = Refreshing {
        service,
        data,
        refresh,
        stored: StoredEcosystems::default(),
        due: HashMap::new(),
    };
    loop {
        if let Err(error) = refreshing.round().await {
            tracing::warn!(error = format!("{error:#}"), "advisories could not be updated");
        }
        sleep(LOOK_EVERY).await;
    }
}

struct Refreshing {
    service: Arc<Service>,
    data: PathBuf,
    refresh: AdvisoriesRefresh,
    stored: StoredEcosystems,
    due: HashMap<Ecosystem, Instant>,
}

impl Refreshing {
    async fn round(&mut self) -> anyhow::Result<()> {
        let Some(scanner) = &self.service.ports.scanner else {
            return Ok(());
        };
        self.stored.look(&self.service.store, scanner, None).await?;
        let names = self.stored.names().filter_map(|name| name.parse().ok());
        let mut ecosystems = Ecosystem::choose(names);
        let (now, due) = (Instant::now(), &mut self.due);
        ecosystems.retain(|ecosystem| due.get(ecosystem).is_none_or(|due| *due <= now));
        if ecosystems.is_empty() {
            return Ok(());
        }
        for ecosystem in &ecosystems {
            due.insert(ecosystem.clone(), now + AGAIN_AFTER);
        }
        let outcomes = update(&self.data, &self.refresh.from, &ecosystems, &mut log).await?;
        for (ecosystem, outcome) in ecosystems.into_iter().zip(outcomes) {
            if !matches!(outcome, Outcome::Failed(_)) {
                due.insert(ecosystem, now + self.refresh.every);
            }
        }
        scan_again(&self.service.store, &self.service.clock, scanner).await?;
        Ok(())
    }
}

/// Repeats the scans that lacked advisories whenever new advisories are loaded, from any source.
pub(crate) async fn watch(service: Arc<Service>) {
    let Some(scanner) = &service.ports.scanner else {
        return;
    };
    loop {
        sleep(LOOK_EVERY).await;
        match scan_again(&service.store, &service.clock, scanner).await {
            Ok(0) => {}
            Ok(scans) => tracing::info!(scans, "scans that lacked advisories are repeated"),
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "scans that lacked advisories could not be repeated"
            ),
        }
    }
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
