//! Making the secrets of keys.

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    KeyPair as _, RsaKeyPair,
};
use ecru_platform::Random;
use zeroize::Zeroizing;

use crate::Error;
use crate::records::algorithms::Spec;
use crate::records::material::Secret;

const SYMMETRIC_BYTES: usize = 32;

/// A new secret and, for an asymmetric key, its SubjectPublicKeyInfo. An RSA key takes up to seconds.
pub(crate) fn generate(spec: Spec, random: &Random) -> Result<(Secret, Option<Vec<u8>>), Error> {
    let pair = match spec {
        Spec::Symmetric => return Ok((symmetric(random)?, None)),
        Spec::EccNistP256 => ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING),
        Spec::EccNistP384 => ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING),
        Spec::Rsa2048 => rsa(KeySize::Rsa2048),
        Spec::Rsa3072 => rsa(KeySize::Rsa3072),
        Spec::Rsa4096 => rsa(KeySize::Rsa4096),
    };
    let (secret, public) = pair.map_err(|_| Error::internal("a key pair cannot be made"))?;
    Ok((secret, Some(public)))
}

pub(crate) fn symmetric(random: &Random) -> Result<Secret, Error> {
    let bytes: Zeroizing<[u8; SYMMETRIC_BYTES]> = Zeroizing::new(random.bytes()?);
    Ok(Zeroizing::new(bytes.to_vec()))
}

fn ecdsa(algorithm: &'static EcdsaSigningAlgorithm) -> Result<(Secret, Vec<u8>), Unspecified> {
    let pair = EcdsaKeyPair::generate(algorithm)?;
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der()?;
    let secret = Zeroizing::new(pair.to_pkcs8v1()?.as_ref().to_vec());
    Ok((secret, public.as_ref().to_vec()))
}

fn rsa(size: KeySize) -> Result<(Secret, Vec<u8>), Unspecified> {
    let pair = RsaKeyPair::generate(size)?;
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der()?;
    let secret: Pkcs8V1Der<'_> = pair.as_der()?;
    let secret = Zeroizing::new(secret.as_ref().to_vec());
    Ok((secret, public.as_ref().to_vec()))
}
