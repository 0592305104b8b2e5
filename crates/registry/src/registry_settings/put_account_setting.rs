//! `PutAccountSetting`: sets an account setting to one of its values.

use ecru_model::{PutAccountSettingInput as Input, PutAccountSettingOutput as Output};

use super::values_of;
use crate::records::registry_settings::save;
use crate::{Context, Error};

pub async fn put_account_setting(ctx: &Context, input: Input) -> Result<Output, Error> {
    let access = ctx.access("PutAccountSetting", None);
    let (name, value) = (input.name, input.value);

    ctx.store
        .write(move |tx| {
            access.registry(tx)?;
            let values = values_of(name.as_str())?;
            if !values.contains(&value.as_str()) {
                let reason = format!("Member must satisfy enum value set: [{}]", values.join(", "));
                return Err(Error::parameter("value", &reason));
            }
            save(tx, &access.scope, name.as_str(), &value)?;
            Ok(Output {
                name: Some(name.clone()),
                value: Some(value.clone()),
            })
        })
        .await
}
