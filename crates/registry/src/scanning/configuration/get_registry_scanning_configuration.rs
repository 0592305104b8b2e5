//! `GetRegistryScanningConfiguration`: the scanning configuration of a registry; basic without rules until one is put.

use ecru_model::{
    GetRegistryScanningConfigurationInput as Input, GetRegistryScanningConfigurationOutput as Output,
};

use super::Configuration;
use crate::{Context, Error};

pub async fn get_registry_scanning_configuration(ctx: &Context, _input: Input) -> Result<Output, Error> {
    let access = ctx.access("GetRegistryScanningConfiguration", None);

    ctx.store
        .read(|at| {
            access.registry(at)?;
            let configuration = Configuration::find(at, &access.scope)?;
            Ok(Output {
                registry_id: Some(access.scope.registry_id.clone()),
                scanning_configuration: Some(configuration.describe()),
            })
        })
        .await
}
