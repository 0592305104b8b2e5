//! Data keys: random bytes that clients encrypt with, and the same bytes encrypted with a key.

use zeroize::Zeroizing;

use super::seal::{Sealing, check_symmetric};
use crate::error::{end_dry_run, invalid};
use crate::generated::shapes::{DataKeySpec, KeyIdType};
use crate::primitives::ciphertext::EncryptionContext;
use crate::records::request::Request;
use crate::{Context, Error};

const BYTES_MAX: usize = 1024;

/// What a request wants.
pub(super) struct Wanted {
    pub(super) key_name: KeyIdType,
    pub(super) context: Option<EncryptionContext>,
    pub(super) spec: Option<DataKeySpec>,
    pub(super) bytes: Option<i32>,
    pub(super) dry_run: Option<bool>,
}

pub(super) struct DataKey {
    pub(super) key_id: KeyIdType,
    pub(super) material_id: Option<String>,
    pub(super) plaintext: Zeroizing<Vec<u8>>,
    pub(super) ciphertext: Vec<u8>,
}

pub(super) async fn make(ctx: &Context, request: &Request, wanted: Wanted) -> Result<DataKey, Error> {
    let length = length(wanted.spec, wanted.bytes)?;
    let name = wanted.key_name.as_str();
    let symmetric = ctx.store.read(|at| request.key(at, name)).await?;
    symmetric.check_usable()?;
    symmetric.check_usage(
        crate::generated::shapes::KeyUsageType::EncryptDecrypt,
        request.operation,
    )?;
    check_symmetric(&symmetric, request.operation)?;
    let sealing = Sealing::begin(ctx, request, name, None, wanted.context).await?;
    end_dry_run(wanted.dry_run)?;

    let bytes: Zeroizing<[u8; BYTES_MAX]> = Zeroizing::new(ctx.random.bytes()?);
    let plaintext = Zeroizing::new(bytes.iter().take(length).copied().collect::<Vec<_>>());
    Ok(DataKey {
        key_id: sealing.key.arn_as_id()?,
        material_id: sealing.material_id(),
        ciphertext: sealing.seal(ctx, &plaintext)?,
        plaintext,
    })
}

fn length(spec: Option<DataKeySpec>, bytes: Option<i32>) -> Result<usize, Error> {
    match (spec, bytes) {
        (Some(DataKeySpec::Aes256), None) => Ok(32),
        (Some(DataKeySpec::Aes128), None) => Ok(16),
        (None, Some(bytes)) => usize::try_from(bytes).map_err(|_| unclear()),
        _ => Err(unclear()),
    }
}

fn unclear() -> Error {
    invalid("Please specify either number of bytes or key spec.")
}
