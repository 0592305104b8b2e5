//! `CreateKey`: makes a key and its material.

use crate::context::elsewhere;
use crate::error::{invalid, missing, unsupported};
use crate::generated::shapes::{
    CreateKeyInput as Input, CreateKeyOutput as Output, KeySpec, KeyUsageType, OriginType,
};
use crate::primitives::generate::generate;
use crate::records::algorithms::Spec;
use crate::records::key::{self, Key};
use crate::records::material;
use crate::{Context, Error, policies, tags};

pub(crate) async fn create_key(ctx: &Context, input: Input) -> Result<Output, Error> {
    refuse_other_origins(&input)?;
    let (spec, usage) = accept_spec(&input)?;
    let policy = input.policy.as_ref().map(policies::accept).transpose()?;
    let tags = tags::accept(input.tags.unwrap_or_default())?;

    let random = ctx.random.clone();
    let (secret, public) = elsewhere(move || generate(spec, &random)).await?;
    let id = ctx.random.uuid()?.to_string();
    let wrapped = ctx.service.wrap((&ctx.scope, &id), 1, secret).await?;
    let key = Key {
        scope: ctx.scope.clone(),
        id,
        spec,
        usage,
        description: input
            .description
            .map(|text| text.as_str().to_owned())
            .unwrap_or_default(),
        managed: false,
        enabled: true,
        created_at: ctx.clock.now(),
        deletion_at: None,
        rotation: None,
        public,
        material: Some(wrapped.name.clone()),
    };
    let answer = Output {
        key_metadata: Some(super::metadata(&key, true)?),
    };
    ctx.store
        .write(move |tx| {
            key::insert(tx, &key, &wrapped.name)?;
            material::insert(tx, &key, &wrapped, key.created_at)?;
            if let Some(policy) = &policy {
                policies::save(tx, &key, policy)?;
            }
            tags::save(tx, &key, &tags)
        })
        .await?;
    Ok(answer)
}

fn refuse_other_origins(input: &Input) -> Result<(), Error> {
    if let Some(origin) = input.origin.filter(|origin| *origin != OriginType::AwsKms) {
        return Err(unsupported(format!(
            "The origin {} is not supported here: KMS makes the material of every key",
            origin.as_str()
        )));
    }
    if input.custom_key_store_id.is_some() || input.xks_key_id.is_some() {
        return Err(unsupported("Custom key stores are not supported here"));
    }
    if input.multi_region == Some(true) {
        return Err(unsupported("Keys of several regions are not supported here"));
    }
    Ok(())
}

fn accept_spec(input: &Input) -> Result<(Spec, KeyUsageType), Error> {
    if input.key_spec.is_some() && input.customer_master_key_spec.is_some() {
        return Err(invalid(
            "You cannot specify KeySpec and CustomerMasterKeySpec in the same request. CustomerMasterKeySpec is deprecated.",
        ));
    }
    let older = input.customer_master_key_spec;
    let older = older.map(|spec| KeySpec::parse(spec.as_str())).transpose();
    let older = older.map_err(|_| missing("keySpec"))?;
    let given = input.key_spec.or(older).unwrap_or(KeySpec::SymmetricDefault);

    let usage = match input.key_usage {
        Some(usage) => usage,
        None if given == KeySpec::SymmetricDefault => KeyUsageType::EncryptDecrypt,
        None => {
            return Err(invalid(
                "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.",
            ));
        }
    };
    let Some(spec) = Spec::of(given) else {
        return Err(unsupported(format!(
            "The key spec {} is not supported here",
            given.as_str()
        )));
    };
    if !spec.allows(usage) {
        return Err(invalid(format!(
            "KeyUsage {} is not compatible with KeySpec {}",
            usage.as_str(),
            spec.as_str()
        )));
    }
    Ok((spec, usage))
}
