//! `GetSigningConfiguration`: which profiles sign what is pushed to the registry.

use ecru_model::{GetSigningConfigurationInput as Input, GetSigningConfigurationOutput as Output};

use super::load;
use crate::context::Wanted;
use crate::{Context, Error};

pub async fn get_signing_configuration(ctx: &Context, _input: Input) -> Result<Output, Error> {
    let scope = ctx.registry(None, Wanted::on_registry("GetSigningConfiguration"))?;

    let configuration = ctx.store.read(|at| load(at, &scope))?;
    Ok(Output {
        registry_id: Some(scope.registry_id),
        signing_configuration: Some(configuration),
    })
}
