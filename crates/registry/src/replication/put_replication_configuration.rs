//! `PutReplicationConfiguration`: sets where this registry replicates future pushes.

use ecru_model::{PutReplicationConfigurationInput as Input, PutReplicationConfigurationOutput as Output};

use super::configuration;
use crate::{Context, Error};

pub async fn put_replication_configuration(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("PutReplicationConfiguration", None);
    let given = input.replication_configuration;

    ctx.store
        .write(move |tx| {
            access.registry(tx)?;
            configuration::check(&access.scope, &given)?;
            configuration::save(tx, &access.scope, &given)?;
            Ok(Output {
                replication_configuration: Some(given.clone()),
            })
        })
        .await
}
