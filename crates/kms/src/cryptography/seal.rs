//! Encrypting with a key of any kind.

use ecru_store::{StoreError, stored};
use uuid::Uuid;

use super::{incompatible, load};
use crate::error::{invalid, unsupported};
use crate::generated::shapes::{EncryptionAlgorithmSpec as Algorithm, KeyUsageType};
use crate::primitives::ciphertext::{self, EncryptionContext, Named};
use crate::primitives::oaep;
use crate::records::key::Key;
use crate::records::material::{Secret, StoredMaterial};
use crate::records::request::Request;
use crate::{Context, Error};

/// A key that is ready to encrypt.
pub(super) struct Sealing {
    pub(super) key: Key,
    pub(super) algorithm: Algorithm,
    secret: Option<(Secret, StoredMaterial)>,
    context: EncryptionContext,
}

impl Sealing {
    pub(super) async fn begin(
        ctx: &Context,
        request: &Request,
        name: &str,
        algorithm: Option<Algorithm>,
        context: Option<EncryptionContext>,
    ) -> Result<Self, Error> {
        let (key, material) = load(ctx, request, name, KeyUsageType::EncryptDecrypt).await?;
        let algorithm = algorithm.unwrap_or(Algorithm::SymmetricDefault);
        check_algorithm(&key, algorithm)?;
        let context = accept_context(&key, context)?;
        let secret = if key.is_symmetric() {
            Some((ctx.unwrap(&key, &material)?, material))
        } else {
            None
        };
        Ok(Self {
            key,
            algorithm,
            secret,
            context,
        })
    }

    /// The id of the material of a symmetric key.
    pub(super) fn material_id(&self) -> Option<String> {
        let (_, material) = self.secret.as_ref()?;
        Some(material.name.id.clone())
    }

    pub(super) fn seal(&self, ctx: &Context, plaintext: &[u8]) -> Result<Vec<u8>, Error> {
        let Some((secret, material)) = &self.secret else {
            return self.seal_with_public_key(plaintext);
        };
        let version = u32::try_from(material.name.version);
        let version = version.map_err(|_| StoreError::damaged("a material has an unknown version"))?;
        let named = Named {
            key_id: stored(Uuid::parse_str(&self.key.id))?,
            version,
        };
        ciphertext::seal(&ctx.random, secret, named, &self.context, plaintext)
    }

    fn seal_with_public_key(&self, plaintext: &[u8]) -> Result<Vec<u8>, Error> {
        let public = self.key.public.as_deref().unwrap_or_default();
        oaep::encrypt(public, self.algorithm, plaintext).map_err(|refused| match refused {
            oaep::Refused::TooLong(bytes_max) => invalid(format!(
                "Algorithm {} and key spec {} cannot encrypt data larger than {bytes_max} bytes.",
                self.algorithm.as_str(),
                self.key.spec.as_str()
            )),
            oaep::Refused::Failed => Error::internal("a text cannot be encrypted"),
        })
    }
}

pub(super) fn check_algorithm(key: &Key, algorithm: Algorithm) -> Result<(), Error> {
    if key.spec.encryption_algorithms(key.usage).contains(&algorithm) {
        return Ok(());
    }
    Err(incompatible(algorithm.as_str(), key))
}

/// RSA authenticates nothing beside the text.
pub(super) fn accept_context(
    key: &Key,
    context: Option<EncryptionContext>,
) -> Result<EncryptionContext, Error> {
    let context = context.unwrap_or_default();
    if key.is_symmetric() || context.is_empty() {
        return Ok(context);
    }
    Err(invalid(
        "You cannot specify an encryption context for an asymmetric KMS key",
    ))
}

/// Fails for keys that cannot protect data keys.
pub(super) fn check_symmetric(key: &Key, operation: &str) -> Result<(), Error> {
    if key.is_symmetric() {
        return Ok(());
    }
    Err(unsupported(format!(
        "{} is an asymmetric key, which is not valid for {operation}",
        key.arn()
    )))
}
