//! `BatchGetRepositoryScanningConfiguration`: the effect of the registry's rules on each named repository.

use ecru_model::{
    BatchGetRepositoryScanningConfigurationInput as Input,
    BatchGetRepositoryScanningConfigurationOutput as Output, RepositoryScanningConfiguration,
    RepositoryScanningConfigurationFailure, ScanFrequency, ScanningConfigurationFailureCode,
};

use super::{Configuration, describe_filters};
use crate::records::repositories::{self, Repository};
use crate::{Context, Error};

pub async fn batch_get_repository_scanning_configuration(
    ctx: &Context,
    input: Input,
) -> Result<Output, Error> {
    let access = ctx.access("BatchGetRepositoryScanningConfiguration", None);

    ctx.store
        .read(|at| {
            let configuration = Configuration::find(at, &access.scope)?;
            let mut found = Vec::new();
            let mut failures = Vec::new();
            for name in &input.repository_names {
                match access.find_repository(at, name)? {
                    Some(repository) => found.push(describe(&configuration, repository)),
                    None => failures.push(RepositoryScanningConfigurationFailure {
                        repository_name: Some(name.clone()),
                        failure_code: Some(ScanningConfigurationFailureCode::RepositoryNotFound),
                        failure_reason: Some(repositories::not_found(&access.scope, name).message),
                    }),
                }
            }
            Ok(Output {
                scanning_configurations: Some(found),
                failures: Some(failures),
            })
        })
        .await
}

fn describe(configuration: &Configuration, repository: Repository) -> RepositoryScanningConfiguration {
    let applied = configuration.applied_to(&repository.name);
    RepositoryScanningConfiguration {
        repository_arn: Some(repository.arn()),
        scan_on_push: Some(repository.scan_on_push),
        // [unknown] ECR's value while enhanced scanning excludes the repository.
        scan_frequency: Some(applied.frequency.unwrap_or(ScanFrequency::Manual)),
        applied_scan_filters: Some(describe_filters(&applied.filters)),
        repository_name: Some(repository.name),
    }
}
