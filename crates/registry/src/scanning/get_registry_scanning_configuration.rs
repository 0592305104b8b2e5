//! `GetRegistryScanningConfiguration`: how a registry scans; basic, without rules, until it is told otherwise.

use ecru_model::{
    GetRegistryScanningConfigurationInput as Input, GetRegistryScanningConfigurationOutput as Output,
};

use super::configuration::Configuration;
use crate::context::Wanted;
use crate::{Context, Error};

pub async fn get_registry_scanning_configuration(ctx: &Context, _input: Input) -> Result<Output, Error> {
    let scope = ctx.registry(None, Wanted::on_registry("GetRegistryScanningConfiguration"))?;
    let configuration = ctx
        .store
        .read(|at| Ok::<_, Error>(Configuration::find(at, &scope)?))?;

    Ok(Output {
        registry_id: Some(scope.registry_id),
        scanning_configuration: Some(configuration.describe()),
    })
}
