//! Signatures of digests.

use aws_lc_rs::digest::{self, Digest, SHA256, SHA384, SHA512};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1,
    ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PKCS1_SHA256,
    RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384,
    RSA_PSS_2048_8192_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
    VerificationAlgorithm,
};

use crate::generated::shapes::SigningAlgorithmSpec as Spec;
use crate::records::material::Secret;

/// One algorithm of a service that has several names for each of its parts.
struct Algorithm {
    digest: &'static digest::Algorithm,
    signing: Signing,
    verifying: &'static dyn VerificationAlgorithm,
}

enum Signing {
    Ecdsa(&'static EcdsaSigningAlgorithm),
    Rsa(&'static dyn RsaEncoding),
}

/// None for an algorithm that no key of this service has.
fn algorithm(spec: Spec) -> Option<Algorithm> {
    let rsa = |digest, encoding, verifying| Algorithm {
        digest,
        signing: Signing::Rsa(encoding),
        verifying,
    };
    Some(match spec {
        Spec::EcdsaSha256 => Algorithm {
            digest: &SHA256,
            signing: Signing::Ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING),
            verifying: &ECDSA_P256_SHA256_ASN1,
        },
        Spec::EcdsaSha384 => Algorithm {
            digest: &SHA384,
            signing: Signing::Ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING),
            verifying: &ECDSA_P384_SHA384_ASN1,
        },
        Spec::RsassaPkcs1V15Sha256 => rsa(&SHA256, &RSA_PKCS1_SHA256, &RSA_PKCS1_2048_8192_SHA256),
        Spec::RsassaPkcs1V15Sha384 => rsa(&SHA384, &RSA_PKCS1_SHA384, &RSA_PKCS1_2048_8192_SHA384),
        Spec::RsassaPkcs1V15Sha512 => rsa(&SHA512, &RSA_PKCS1_SHA512, &RSA_PKCS1_2048_8192_SHA512),
        Spec::RsassaPssSha256 => rsa(&SHA256, &RSA_PSS_SHA256, &RSA_PSS_2048_8192_SHA256),
        Spec::RsassaPssSha384 => rsa(&SHA384, &RSA_PSS_SHA384, &RSA_PSS_2048_8192_SHA384),
        Spec::RsassaPssSha512 => rsa(&SHA512, &RSA_PSS_SHA512, &RSA_PSS_2048_8192_SHA512),
        _ => return None,
    })
}

/// The digest of a whole message.
pub(crate) fn digest_of(spec: Spec, message: &[u8]) -> Option<Digest> {
    Some(digest::digest(algorithm(spec)?.digest, message))
}

/// A digest that the client has made. None if it has another length.
pub(crate) fn given_digest(spec: Spec, bytes: &[u8]) -> Option<Digest> {
    Digest::import_less_safe(bytes, algorithm(spec)?.digest).ok()
}

/// None if the secret is not one of this algorithm.
pub(crate) fn sign(secret: &Secret, spec: Spec, digest: &Digest) -> Option<Vec<u8>> {
    match algorithm(spec)?.signing {
        Signing::Ecdsa(with) => {
            let pair = EcdsaKeyPair::from_pkcs8(with, secret).ok()?;
            Some(pair.sign_digest(digest).ok()?.as_ref().to_vec())
        }
        Signing::Rsa(with) => {
            let pair = RsaKeyPair::from_pkcs8(secret).ok()?;
            let mut signature = vec![0; pair.public_modulus_len()];
            pair.sign_digest(with, digest, &mut signature).ok()?;
            Some(signature)
        }
    }
}

/// Whether the key with this SubjectPublicKeyInfo signed the digest.
pub(crate) fn verify(public_key: &[u8], spec: Spec, digest: &Digest, signature: &[u8]) -> bool {
    let Some(algorithm) = algorithm(spec) else {
        return false;
    };
    ParsedPublicKey::new(algorithm.verifying, public_key)
        .is_ok_and(|key| key.verify_digest_sig(digest, signature).is_ok())
}

#[cfg(test)]
mod tests {
    use ecru_platform::Random;

    use super::*;
    use crate::generated::shapes::KeyUsageType;
    use crate::primitives::generate::generate;
    use crate::records::algorithms;

    #[test]
    fn every_algorithm_of_a_key_signs_and_verifies() {
        for spec in [
            algorithms::Spec::EccNistP256,
            algorithms::Spec::EccNistP384,
            algorithms::Spec::Rsa2048,
        ] {
            let (secret, public) = generate(spec, &Random::default()).unwrap();
            let public = public.unwrap();
            for with in spec.signing_algorithms(KeyUsageType::SignVerify) {
                let digest = digest_of(*with, b"message").unwrap();
                let given = given_digest(*with, digest.as_ref()).unwrap();
                let signature = sign(&secret, *with, &given).unwrap();
                assert!(verify(&public, *with, &digest, &signature), "{with:?}");
                let other = digest_of(*with, b"messagf").unwrap();
                assert!(!verify(&public, *with, &other, &signature), "{with:?}");
                assert!(!verify(&public, *with, &digest, &signature[1..]), "{with:?}");
                assert!(given_digest(*with, b"short").is_none());
            }
        }
    }
}
