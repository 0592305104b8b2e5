//! `PutImageScanningConfiguration`: sets whether images are scanned when they are pushed.

use ecru_model::{
    ImageScanningConfiguration, PutImageScanningConfigurationInput as Input,
    PutImageScanningConfigurationOutput as Output,
};

use crate::records::repositories::save;
use crate::{Context, Error};

pub async fn put_image_scanning_configuration(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("PutImageScanningConfiguration", input.registry_id.as_ref());
    let scan_on_push = input.image_scanning_configuration.scan_on_push.unwrap_or(false);
    let name = input.repository_name;

    ctx.store
        .write(move |tx| {
            let mut repository = access.repository(tx, &name)?;
            repository.scan_on_push = scan_on_push;
            save(tx, &repository)?;

            Ok(Output {
                registry_id: Some(repository.scope.registry_id),
                repository_name: Some(repository.name),
                image_scanning_configuration: Some(ImageScanningConfiguration {
                    scan_on_push: Some(scan_on_push),
                }),
            })
        })
        .await
}
