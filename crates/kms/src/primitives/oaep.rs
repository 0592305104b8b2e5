//! RSA encryption with OAEP.

use aws_lc_rs::rsa::{
    OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepAlgorithm, OaepPrivateDecryptingKey,
    OaepPublicEncryptingKey, PrivateDecryptingKey, PublicEncryptingKey,
};
use zeroize::Zeroizing;

use crate::generated::shapes::EncryptionAlgorithmSpec;
use crate::records::material::Secret;

/// Why a text was not encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// With the number of bytes that fit.
    TooLong(usize),
    Failed,
}

/// None for an algorithm of other keys.
fn algorithm(algorithm: EncryptionAlgorithmSpec) -> Option<&'static OaepAlgorithm> {
    match algorithm {
        EncryptionAlgorithmSpec::RsaesOaepSha1 => Some(&OAEP_SHA1_MGF1SHA1),
        EncryptionAlgorithmSpec::RsaesOaepSha256 => Some(&OAEP_SHA256_MGF1SHA256),
        EncryptionAlgorithmSpec::SymmetricDefault | EncryptionAlgorithmSpec::Sm2pke => None,
    }
}

/// Encrypts with the SubjectPublicKeyInfo of a key.
pub(crate) fn encrypt(
    public_key: &[u8],
    with: EncryptionAlgorithmSpec,
    plaintext: &[u8],
) -> Result<Vec<u8>, Refused> {
    let with = algorithm(with).ok_or(Refused::Failed)?;
    let key = PublicEncryptingKey::from_der(public_key).map_err(|_| Refused::Failed)?;
    let key = OaepPublicEncryptingKey::new(key).map_err(|_| Refused::Failed)?;
    let bytes_max = key.max_plaintext_size(with);
    if plaintext.len() > bytes_max {
        return Err(Refused::TooLong(bytes_max));
    }
    let mut ciphertext = vec![0; key.ciphertext_size()];
    let length = key.encrypt(with, plaintext, &mut ciphertext, None);
    let length = length.map_err(|_| Refused::Failed)?.len();
    ciphertext.truncate(length);
    Ok(ciphertext)
}

/// None if the text was not encrypted with this key and algorithm.
pub(crate) fn decrypt(
    secret: &Secret,
    with: EncryptionAlgorithmSpec,
    ciphertext: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let key = OaepPrivateDecryptingKey::new(PrivateDecryptingKey::from_pkcs8(secret).ok()?).ok()?;
    let mut plaintext = Zeroizing::new(vec![0; key.min_output_size()]);
    let length = key
        .decrypt(algorithm(with)?, ciphertext, &mut plaintext, None)
        .ok()?
        .len();
    plaintext.truncate(length);
    Some(plaintext)
}
