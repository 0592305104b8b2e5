//! The operations that use keys.

mod data_key;
mod decrypt;
mod encrypt;
mod generate_data_key;
mod generate_data_key_without_plaintext;
mod get_public_key;
mod open;
mod re_encrypt;
mod seal;
mod sign;
mod verify;

use aws_lc_rs::digest::Digest;

use crate::error::{invalid, refused, unsupported};
use crate::generated::error_code::ErrorCode;
use crate::generated::shapes::{KeyUsageType, MessageType, RecipientInfo, SigningAlgorithmSpec};
use crate::keys::make_material;
use crate::primitives::signatures;
use crate::records::key::Key;
use crate::records::material::{self, StoredMaterial};
use crate::records::request::Request;
use crate::{Context, Error};

pub(crate) use decrypt::decrypt;
pub(crate) use encrypt::encrypt;
pub(crate) use generate_data_key::generate_data_key;
pub(crate) use generate_data_key_without_plaintext::generate_data_key_without_plaintext;
pub(crate) use get_public_key::get_public_key;
pub(crate) use re_encrypt::re_encrypt;
pub(crate) use sign::sign;
pub(crate) use verify::verify;

/// Loads a key that may be used in this way, and the material that it uses now.
async fn load(
    ctx: &Context,
    request: &Request,
    name: &str,
    usage: KeyUsageType,
) -> Result<(Key, StoredMaterial), Error> {
    let load = async || {
        let read = ctx.store.read(|at| {
            let key = request.key(at, name)?;
            key.check_usable()?;
            key.check_usage(usage, request.operation)?;
            let material = material::newest(at, &key)?;
            Ok::<_, Error>((key, material))
        });
        read.await
    };
    let (key, material) = load().await?;
    if let Some(material) = material {
        return Ok((key, material));
    }
    make_material(ctx, key).await?;
    let (key, material) = load().await?;
    let material = material.ok_or_else(|| Error::internal("a managed key has no material"))?;
    Ok((key, material))
}

/// Loads an asymmetric key of which the public half is needed.
async fn load_public(
    ctx: &Context,
    request: &Request,
    name: &str,
    check: impl FnOnce(&Key) -> Result<(), Error>,
) -> Result<(Key, Vec<u8>), Error> {
    let key = ctx.store.read(|at| request.key(at, name)).await?;
    key.check_usable()?;
    check(&key)?;
    match key.public.clone() {
        Some(public) => Ok((key, public)),
        None => Err(unsupported(format!(
            "{} is a symmetric key, which has no public key",
            key.arn()
        ))),
    }
}

fn incompatible(algorithm: &str, key: &Key) -> Error {
    refused(
        ErrorCode::InvalidKeyUsageException,
        format!(
            "Algorithm {algorithm} is incompatible with key spec {}.",
            key.spec.as_str()
        ),
    )
}

/// The digest that is signed: of the message, or the message itself.
fn digest(
    key: &Key,
    algorithm: SigningAlgorithmSpec,
    message: &[u8],
    kind: Option<MessageType>,
) -> Result<Digest, Error> {
    if !key.spec.signing_algorithms(key.usage).contains(&algorithm) {
        return Err(incompatible(algorithm.as_str(), key));
    }
    let digest = match kind.unwrap_or(MessageType::Raw) {
        MessageType::Raw => signatures::digest_of(algorithm, message),
        MessageType::Digest => signatures::given_digest(algorithm, message),
        MessageType::ExternalMu => {
            return Err(invalid(format!(
                "MessageType EXTERNAL_MU is not valid for algorithm {}.",
                algorithm.as_str()
            )));
        }
    };
    digest.ok_or_else(|| {
        invalid(format!(
            "Digest is invalid length for algorithm {}.",
            algorithm.as_str()
        ))
    })
}

fn refuse_recipient(recipient: Option<&RecipientInfo>) -> Result<(), Error> {
    match recipient {
        None => Ok(()),
        Some(_) => Err(invalid("Attested recipients are not supported here")),
    }
}
