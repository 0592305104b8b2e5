//! `GetAccountSetting`: the value of an account setting, or its default if none was put.

use ecru_model::{AccountSettingName, GetAccountSettingInput as Input, GetAccountSettingOutput as Output};
use ecru_store::stored;

use super::values_of;
use crate::records::registry_settings::find;
use crate::{Context, Error};

pub async fn get_account_setting(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("GetAccountSetting", None);

    let value = ctx
        .store
        .read(|at| {
            access.registry(at)?;
            let values = values_of(input.name.as_str())?;
            let default = values.first().copied().unwrap_or_default();
            let value = find(at, &access.scope, input.name.as_str())?;
            Ok::<_, Error>(value.unwrap_or_else(|| default.to_owned()))
        })
        .await?;

    // In the model, the value has the type of a setting's name.
    let value = stored(AccountSettingName::parse(value))?;
    Ok(Output {
        name: Some(input.name),
        value: Some(value),
    })
}
