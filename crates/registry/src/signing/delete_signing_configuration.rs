//! `DeleteSigningConfiguration`: future pushes are not signed; existing signatures stay.

use ecru_model::{DeleteSigningConfigurationInput as Input, DeleteSigningConfigurationOutput as Output};

use super::{load, remove};
use crate::{Context, Error};

pub async fn delete_signing_configuration(ctx: &Context, _input: Input) -> Result<Output, Error> {
    let access = ctx.access("DeleteSigningConfiguration", None);

    ctx.store
        .write(move |tx| {
            access.registry(tx)?;
            let configuration = load(tx, &access.scope)?;
            remove(tx, &access.scope)?;
            Ok(Output {
                registry_id: Some(access.scope.registry_id.clone()),
                signing_configuration: Some(configuration),
            })
        })
        .await
}
