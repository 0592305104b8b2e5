//! Resets the server to empty: everything, or one account.

use ecru_model::RegistryId;
use ecru_store::Value;

use crate::jobs;
use crate::repositories::removal::RepositoryRemoval;
use crate::{
    Error, Service, clock, creation_templates, events, principals, pull_through_cache, pull_time_exclusions,
    quotas, replication, scanning, secrets,
};

#[derive(Debug, Clone, Default)]
pub struct ResetFilter {
    /// None means every account.
    pub account: Option<RegistryId>,
}

/// Hides the data from every reader at once; rows are deleted in the background. A reset of everything also
/// resets the clock.
pub async fn reset(service: &Service, filter: ResetFilter) -> Result<(), Error> {
    let _turn = service.clock_turn.lock().await;
    let everything = filter.account.is_none();
    let account = filter.account.map(|account| account.as_str().to_owned());
    service
        .store
        .write(move |tx| {
            let account_text = account.as_deref();
            let account = Value::from(account_text);
            tx.execute(
                "UPDATE repositories SET deleted = 1 WHERE deleted = 0 AND (?1 IS NULL OR account = ?1)",
                &[account],
            )?;
            quotas::forget_counters(tx, account_text)?;
            tx.execute(
                "DELETE FROM registry_settings WHERE (?1 IS NULL OR account = ?1)",
                &[account],
            )?;
            creation_templates::forget(tx, account_text)?;
            principals::forget(tx, account_text)?;
            pull_time_exclusions::forget(tx, account_text)?;
            pull_through_cache::forget_rules(tx, account_text)?;
            secrets::forget(tx, account_text)?;
            events::forget(tx, account_text)?;
            replication::backfill::forget(tx, account_text)?;
            jobs::forget(tx, account_text)?;
            if everything {
                scanning::forget_presets(tx)?;
                clock::forget(tx)?;
            }
            jobs::schedule_everywhere::<RepositoryRemoval>(tx)?;
            Ok::<_, Error>(())
        })
        .await?;
    if everything {
        service.clock.reset();
    }
    service.verified_tokens.forget();
    service.principals.reload(&service.store)?;
    Ok(())
}
