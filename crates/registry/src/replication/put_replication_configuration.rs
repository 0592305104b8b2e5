//! `PutReplicationConfiguration`: says where this registry sends what is pushed from now on.

use ecru_model::{PutReplicationConfigurationInput as Input, PutReplicationConfigurationOutput as Output};

use super::configuration;
use crate::context::Wanted;
use crate::{Context, Error};

pub async fn put_replication_configuration(ctx: &Context, input: Input) -> Result<Output, Error> {
    let scope = ctx.registry(None, Wanted::on_registry("PutReplicationConfiguration"))?;
    let given = input.replication_configuration;
    configuration::check(&scope, &given)?;

    ctx.store
        .write(move |tx| {
            configuration::save(tx, &scope, &given)?;
            Ok(Output {
                replication_configuration: Some(given.clone()),
            })
        })
        .await
}
