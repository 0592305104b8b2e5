//! `PutAccountSetting`: sets an account setting to one of its values.

use ecru_model::{PutAccountSettingInput as Input, PutAccountSettingOutput as Output};

use super::{save, values_of};
use crate::context::Wanted;
use crate::{Context, Error};

pub async fn put_account_setting(ctx: &Context, input: Input) -> Result<Output, Error> {
    let scope = ctx.registry(None, Wanted::on_registry("PutAccountSetting"))?;
    let values = values_of(input.name.as_str())?;
    if !values.contains(&input.value.as_str()) {
        let reason = format!("Member must satisfy enum value set: [{}]", values.join(", "));
        return Err(Error::parameter("value", &reason));
    }

    let (name, value) = (input.name, input.value);
    ctx.store
        .write(move |tx| {
            save(tx, &scope, name.as_str(), &value)?;
            Ok(Output {
                name: Some(name.clone()),
                value: Some(value.clone()),
            })
        })
        .await
}
