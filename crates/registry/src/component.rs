//! ECR beside its requests: its background work, and its reset.

use std::sync::Arc;

use ecru_platform::component::Component;
use ecru_platform::jobs::{self, Kind};
use ecru_store::{StoreError, Tx, Value};

use crate::repositories::removal::RepositoryRemoval;
use crate::{
    Service, creation_templates, events, pull_through_cache, pull_time_exclusions, quotas, replication,
    scanning, secrets, work,
};

impl Component for Service {
    fn name(&self) -> &'static str {
        "ecr"
    }

    fn kinds(self: Arc<Self>) -> Vec<Kind> {
        work::kinds(&self)
    }

    /// Rows of repositories are deleted in the background.
    fn forget(&self, tx: &Tx<'_>, account: Option<&str>) -> Result<(), StoreError> {
        let account_value = Value::from(account);
        tx.execute(
            "UPDATE repositories SET deleted = 1 WHERE deleted = 0 AND (account = ?1 OR ?1 IS NULL)",
            &[account_value],
        )?;
        quotas::forget_counters(tx, account)?;
        tx.execute(
            "DELETE FROM registry_settings WHERE account = ?1 OR ?1 IS NULL",
            &[account_value],
        )?;
        creation_templates::forget(tx, account)?;
        pull_time_exclusions::forget(tx, account)?;
        pull_through_cache::forget_rules(tx, account)?;
        secrets::forget(tx, account)?;
        events::forget(tx, account)?;
        replication::backfill::forget(tx, account)?;
        jobs::forget(tx, account, work::OF_ACCOUNTS)?;
        if account.is_none() {
            scanning::forget_presets(tx)?;
        }
        jobs::schedule_everywhere::<RepositoryRemoval>(tx)
    }

    fn forgotten(&self) {
        self.verified_tokens.forget();
    }
}
