//! `DescribeRegistry`: the registry of the caller and how it replicates.

use ecru_model::{DescribeRegistryInput as Input, DescribeRegistryOutput as Output};

use crate::context::Wanted;
use crate::{Context, Error, replication};

pub async fn describe_registry(ctx: &Context, _input: Input) -> Result<Output, Error> {
    let scope = ctx.registry(None, Wanted::on_registry("DescribeRegistry"))?;

    ctx.store.read(|at| {
        let configuration = replication::describe_configuration(at, &scope)?;
        Ok(Output {
            registry_id: Some(scope.registry_id.clone()),
            replication_configuration: Some(configuration),
        })
    })
}
