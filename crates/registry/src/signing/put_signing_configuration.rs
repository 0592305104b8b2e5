//! `PutSigningConfiguration`: sets the profiles that sign pushes to the registry.

use ecru_model::{
    Arn, ErrorCode, PutSigningConfigurationInput as Input, PutSigningConfigurationOutput as Output, Scope,
    SigningConfiguration,
};

use super::save;
use crate::{Context, Error};

pub async fn put_signing_configuration(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("PutSigningConfiguration", None);
    let configuration = input.signing_configuration;

    ctx.store
        .write(move |tx| {
            access.registry(tx)?;
            check_regions(&access.scope, &configuration)?;
            save(tx, &access.scope, &configuration)?;
            Ok(Output {
                signing_configuration: Some(configuration.clone()),
            })
        })
        .await
}

/// A profile may belong to any account, but signs only in its own region.
fn check_regions(scope: &Scope, configuration: &SigningConfiguration) -> Result<(), Error> {
    let region = &scope.region;
    let is_here = |arn: Arn<'_>| arn.region == region.as_str() && arn.partition == region.partition();
    for rule in &configuration.rules {
        let arn = rule.signing_profile_arn.as_str();
        if !Arn::parse(arn).is_some_and(is_here) {
            // [unknown] ECR's wording.
            return Err(Error::new(
                ErrorCode::ValidationException,
                format!("The signing profile '{arn}' is not in the region {region}"),
            ));
        }
    }
    Ok(())
}
