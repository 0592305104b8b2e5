//! `GetSigningConfiguration`: the profiles that sign pushes to the registry.

use ecru_model::{GetSigningConfigurationInput as Input, GetSigningConfigurationOutput as Output};

use super::load;
use crate::{Context, Error};

pub async fn get_signing_configuration(ctx: &Context, _input: Input) -> Result<Output, Error> {
    let access = ctx.access("GetSigningConfiguration", None);

    let configuration = ctx
        .store
        .read(|at| {
            access.registry(at)?;
            load(at, &access.scope)
        })
        .await?;
    Ok(Output {
        registry_id: Some(access.scope.registry_id),
        signing_configuration: Some(configuration),
    })
}
