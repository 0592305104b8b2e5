//! `DescribeRegistry`: the registry of the caller and how it replicates.

use ecru_model::{
    DescribeRegistryInput as Input, DescribeRegistryOutput as Output, ReplicationConfiguration,
};

use crate::{Context, Error};

pub async fn describe_registry(ctx: &Context, _input: Input) -> Result<Output, Error> {
    let access = ctx.access("DescribeRegistry", None);

    ctx.store.read(|at| {
        access.registry(at)?;
        Ok(Output {
            registry_id: Some(access.scope.registry_id.clone()),
            replication_configuration: Some(ReplicationConfiguration { rules: Vec::new() }),
        })
    })
}
