//! `PutRegistryScanningConfiguration`: sets how the registry scans from now on.

use ecru_model::{
    PutRegistryScanningConfigurationInput as Input, PutRegistryScanningConfigurationOutput as Output,
    ScanType,
};
use ecru_platform::jobs::schedule;

use super::Configuration;
use crate::scanning::sweep::ScanSweep;
use crate::{Context, Error};

pub async fn put_registry_scanning_configuration(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("PutRegistryScanningConfiguration", None);
    // [unknown] whether an absent type keeps the present one; here a put replaces the whole configuration.
    let scan_type = input.scan_type.unwrap_or(ScanType::Basic);
    let configuration = Configuration::new(scan_type, &input.rules.unwrap_or_default())?;

    ctx.store
        .write(move |tx| {
            access.registry(tx)?;
            let (scope, now) = (&access.scope, access.now());
            let mut configuration = configuration.clone();
            configuration.succeed(Configuration::find(tx, scope)?, now);
            configuration.save(tx, scope)?;
            schedule::<ScanSweep>(tx, scope, &(), now)?;

            Ok(Output {
                registry_scanning_configuration: Some(configuration.describe()),
            })
        })
        .await
}
