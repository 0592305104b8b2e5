//! `DescribeRegistry`: the registry of the caller and its replication configuration.

use ecru_model::{DescribeRegistryInput as Input, DescribeRegistryOutput as Output};

use crate::{Context, Error, replication};

pub async fn describe_registry(ctx: &Context, _input: Input) -> Result<Output, Error> {
    let access = ctx.access("DescribeRegistry", None);

    ctx.store
        .read(|at| {
            access.registry(at)?;
            let configuration = replication::describe_configuration(at, &access.scope)?;
            Ok(Output {
                registry_id: Some(access.scope.registry_id.clone()),
                replication_configuration: Some(configuration),
            })
        })
        .await
}
