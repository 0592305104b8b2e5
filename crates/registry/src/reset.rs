//! Back to an empty server: of everything, or of one account.

use ecru_model::RegistryId;
use ecru_store::Value;

use crate::{Error, Service};

#[derive(Debug, Clone, Default)]
pub struct ResetFilter {
    /// Every account where none is named.
    pub account: Option<RegistryId>,
}

/// Takes everything away at once, for every reader; the rows go in the background. The clock runs free again.
pub async fn reset(service: &Service, filter: ResetFilter) -> Result<(), Error> {
    let everything = filter.account.is_none();
    let account = filter.account.map(|account| account.as_str().to_owned());
    service
        .store
        .write(move |tx| {
            let account = Value::from(account.as_deref());
            tx.execute(
                "UPDATE repositories SET deleted = 1 WHERE deleted = 0 AND (?1 IS NULL OR account = ?1)",
                &[account],
            )?;
            tx.execute(
                "DELETE FROM creation_templates WHERE (?1 IS NULL OR account = ?1)",
                &[account],
            )?;
            tx.execute(
                "DELETE FROM registry_settings WHERE (?1 IS NULL OR account = ?1)",
                &[account],
            )?;
            Ok::<_, Error>(())
        })
        .await?;
    if everything {
        service.clock.reset();
    }
    service.removal_wanted.notify_one();
    Ok(())
}
