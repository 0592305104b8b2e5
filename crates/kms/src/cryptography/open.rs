//! Decrypting with the key that the ciphertext or the request names.

use ecru_store::Snapshot;
use zeroize::Zeroizing;

use super::seal::{accept_context, check_algorithm};
use crate::context::elsewhere;
use crate::error::{end_dry_run, missing, refused};
use crate::generated::error_code::ErrorCode;
use crate::generated::shapes::{
    DryRunModifierType, EncryptionAlgorithmSpec as Algorithm, KeyIdType, KeyUsageType,
};
use crate::primitives::ciphertext::{Ciphertext, EncryptionContext};
use crate::primitives::oaep;
use crate::records::key::{self, Key};
use crate::records::material::{self, StoredMaterial};
use crate::records::request::Request;
use crate::{Context, Error};

/// What a request wants to decrypt.
pub(super) struct Closed {
    pub(super) ciphertext: Vec<u8>,
    pub(super) key_name: Option<KeyIdType>,
    pub(super) algorithm: Option<Algorithm>,
    pub(super) context: Option<EncryptionContext>,
}

pub(super) struct Opened {
    pub(super) key: Key,
    pub(super) algorithm: Algorithm,
    pub(super) material_id: Option<String>,
    pub(super) plaintext: Zeroizing<Vec<u8>>,
}

pub(super) async fn open(ctx: &Context, request: &Request, closed: Closed) -> Result<Opened, Error> {
    let Closed {
        ciphertext,
        key_name,
        algorithm,
        context,
    } = closed;
    let named = key_name.as_ref().map(KeyIdType::as_str);
    let (key, material) = ctx.store.read(|at| find(at, request, named, &ciphertext)).await?;
    let algorithm = algorithm.unwrap_or(Algorithm::SymmetricDefault);
    check_algorithm(&key, algorithm)?;
    let context = accept_context(&key, context)?;
    let secret = ctx.unwrap(&key, &material)?;
    let is_symmetric = key.is_symmetric();
    let plaintext = if is_symmetric {
        Ciphertext::parse(&ciphertext).and_then(|parsed| parsed.open(&secret, &context))
    } else {
        elsewhere(move || Ok(oaep::decrypt(&secret, algorithm, &ciphertext))).await?
    };
    Ok(Opened {
        key,
        algorithm,
        material_id: is_symmetric.then_some(material.name.id),
        plaintext: plaintext.ok_or_else(invalid_ciphertext)?,
    })
}

/// The key that decrypts, and its material.
fn find(
    at: &Snapshot<'_>,
    request: &Request,
    named: Option<&str>,
    ciphertext: &[u8],
) -> Result<(Key, StoredMaterial), Error> {
    let named = named.map(|name| request.key(at, name)).transpose()?;
    // A text of an RSA key has no form, so the key decides how it is read.
    if let Some(key) = named
        .as_ref()
        .filter(|key| key.spec.is_rsa() && key.usage == KeyUsageType::EncryptDecrypt)
    {
        key.check_usable()?;
        let material = material::newest(at, key)?.ok_or_else(invalid_ciphertext)?;
        return Ok((key.clone(), material));
    }
    let Some(parsed) = Ciphertext::parse(ciphertext) else {
        if let Some(key) = named {
            key.check_usage(KeyUsageType::EncryptDecrypt, request.operation)?;
        }
        return Err(invalid_ciphertext());
    };
    let id = parsed.key_id.to_string();
    if named.is_some_and(|key| key.id != id) {
        return Err(incorrect_key());
    }
    let key = key::find(at, &request.scope, &id, request.now)?.ok_or_else(invalid_ciphertext)?;
    key.check_usable()?;
    let material = material::find(at, &key, i64::from(parsed.version))?;
    Ok((key, material.ok_or_else(invalid_ciphertext)?))
}

/// A dry run may leave the ciphertext out, and then only the key is checked.
pub(super) async fn end_dry_run_without_ciphertext(
    ctx: &Context,
    request: &Request,
    (key_name, dry_run): (Option<&KeyIdType>, Option<bool>),
    modifiers: Option<&[DryRunModifierType]>,
) -> Result<(), Error> {
    let ignores = modifiers.is_some_and(|given| given.contains(&DryRunModifierType::IgnoreCiphertext));
    let (true, Some(true)) = (ignores, dry_run) else {
        return Ok(());
    };
    let name = key_name.ok_or_else(|| missing("keyId"))?;
    let key = ctx.store.read(|at| request.key(at, name.as_str())).await?;
    key.check_usable()?;
    key.check_usage(KeyUsageType::EncryptDecrypt, request.operation)?;
    end_dry_run(dry_run)
}

fn invalid_ciphertext() -> Error {
    refused(ErrorCode::InvalidCiphertextException, "")
}

fn incorrect_key() -> Error {
    refused(
        ErrorCode::IncorrectKeyException,
        "The key ID in the request does not identify a CMK that can perform this operation.",
    )
}
