//! `DescribeRegistry`: the registry of the caller and how it replicates.

use ecru_model::{
    DescribeRegistryInput as Input, DescribeRegistryOutput as Output, ReplicationConfiguration,
};

use crate::context::Wanted;
use crate::{Context, Error};

pub async fn describe_registry(ctx: &Context, _input: Input) -> Result<Output, Error> {
    let scope = ctx.registry(None, Wanted::on_registry("DescribeRegistry"))?;

    Ok(Output {
        registry_id: Some(scope.registry_id),
        replication_configuration: Some(ReplicationConfiguration { rules: Vec::new() }),
    })
}
