//! Keys that verify signatures: ECDSA on P-256, given directly or named by the ARN of a KMS key.

use std::fmt;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ParsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ecru_model::{Arn, Region};
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject;

const PEM_BYTES_MAX: usize = 4096;
const ARN_BYTES_MAX: usize = 2048;
const SIGNATURE_BYTES_MAX: usize = 72;

/// The SubjectPublicKeyInfo of an uncompressed point on P-256, up to the point. cosign and KMS write only
/// this form.
const P256_PREFIX: [u8; 27] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
];
const COORDINATES_BYTES: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    #[error("it is not one public key in PEM (`-----BEGIN PUBLIC KEY-----`)")]
    Pem,
    #[error("it is not an ECDSA key on the curve P-256")]
    Algorithm,
    #[error("it is not the ARN of a KMS key")]
    Arn,
    #[error("it is not the ARN of a KMS key in the partition of the repository")]
    Partition,
}

/// A public key on P-256.
#[derive(Clone)]
pub struct PublicKey {
    der: Vec<u8>,
    parsed: ParsedPublicKey,
}

impl PublicKey {
    pub fn from_pem(text: &str) -> Result<Self, InvalidKey> {
        if text.len() > PEM_BYTES_MAX {
            return Err(InvalidKey::Pem);
        }
        let mut keys = SubjectPublicKeyInfoDer::pem_slice_iter(text.as_bytes());
        match (keys.next(), keys.next()) {
            (Some(Ok(key)), None) => Self::from_der(&key),
            _ => Err(InvalidKey::Pem),
        }
    }

    /// Reads a SubjectPublicKeyInfo.
    pub fn from_der(der: &[u8]) -> Result<Self, InvalidKey> {
        if !der.starts_with(&P256_PREFIX) || der.len() != P256_PREFIX.len() + COORDINATES_BYTES {
            return Err(InvalidKey::Algorithm);
        }
        let parsed = ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, der).map_err(|_| InvalidKey::Algorithm)?;
        Ok(Self {
            der: der.to_owned(),
            parsed,
        })
    }

    pub(crate) fn der(&self) -> &[u8] {
        &self.der
    }

    pub fn to_pem(&self) -> String {
        const LINE: usize = 64;

        let text = STANDARD.encode(&self.der);
        let mut pem = String::from("-----BEGIN PUBLIC KEY-----\n");
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let (line, after) = rest.split_at(LINE.min(rest.len()));
            pem.push_str(line);
            pem.push('\n');
            rest = after;
        }
        pem.push_str("-----END PUBLIC KEY-----\n");
        pem
    }

    /// Whether the key signed the message. The signature is in ASN.1, over the SHA-256 of the message.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        signature.len() <= SIGNATURE_BYTES_MAX && self.parsed.verify_sig(message, signature).is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PublicKey")
    }
}

/// `arn:<partition>:kms:<region>:<account>:key/<id>`, or an alias instead of the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KmsKeyArn(String);

impl KmsKeyArn {
    /// A key for a repository in the region. The key may be in another region, but not in another partition.
    pub fn accept(text: &str, region: &Region) -> Result<Self, InvalidKey> {
        let key = Self::parse(text)?;
        let arn = Arn::parse(text).ok_or(InvalidKey::Arn)?;
        let of_key = Region::parse(arn.region).map_err(|_| InvalidKey::Arn)?;
        let is_here = [arn.partition, of_key.partition()] == [region.partition(); 2];
        is_here.then_some(key).ok_or(InvalidKey::Partition)
    }

    /// A key that is stored, which may name any partition.
    pub fn parse(text: &str) -> Result<Self, InvalidKey> {
        let arn = Arn::parse(text).ok_or(InvalidKey::Arn)?;
        let (kind, name) = arn.kind_and_name();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_/".contains(&byte);
        let is_name = |text: &str| !text.is_empty() && text.bytes().all(plain);
        let good = text.len() <= ARN_BYTES_MAX
            && arn.service == "kms"
            && !arn.account.is_empty()
            && is_name(arn.region)
            && matches!(kind, "key" | "alias")
            && is_name(name);
        if good {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidKey::Arn)
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KmsKeyArn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// How a repository names its key.
#[derive(Debug, Clone)]
pub enum KeyReference {
    PublicKey(PublicKey),
    Kms(KmsKeyArn),
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::AsDer;
    use aws_lc_rs::encoding::PublicKeyX509Der;
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
        KeyPair as _,
    };

    use super::*;

    fn der_of(pair: &EcdsaKeyPair) -> Vec<u8> {
        let der: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
        der.as_ref().to_owned()
    }

    fn generated(algorithm: &'static EcdsaSigningAlgorithm) -> (EcdsaKeyPair, Vec<u8>) {
        let pair = EcdsaKeyPair::generate(algorithm).unwrap();
        let der = der_of(&pair);
        (pair, der)
    }

    #[test]
    fn a_key_comes_back_from_its_pem() {
        let (pair, der) = generated(&ECDSA_P256_SHA256_ASN1_SIGNING);
        let key = PublicKey::from_der(&der).unwrap();
        let pem = key.to_pem();
        assert_eq!(pem.lines().map(str::len).max(), Some(64));
        let again = PublicKey::from_pem(&pem).unwrap();
        assert_eq!(again.der(), der);

        let signature = pair.sign(&SystemRandom::new(), b"message").unwrap();
        assert!(again.verifies(b"message", signature.as_ref()));
        assert!(!again.verifies(b"messagf", signature.as_ref()));
        assert!(!again.verifies(b"message", &[signature.as_ref(), &[0]].concat()));
        assert!(!again.verifies(b"message", &[]));
    }

    #[test]
    fn what_is_no_single_p256_key_is_refused() {
        let (_, der) = generated(&ECDSA_P256_SHA256_ASN1_SIGNING);
        let pem = PublicKey::from_der(&der).unwrap().to_pem();
        let (_, other_curve) = generated(&ECDSA_P384_SHA384_ASN1_SIGNING);
        assert_eq!(
            PublicKey::from_der(&other_curve).err(),
            Some(InvalidKey::Algorithm)
        );
        assert_eq!(PublicKey::from_der(&der[26..]).err(), Some(InvalidKey::Algorithm));
        assert_eq!(
            PublicKey::from_der(&[&der[..], &[0]].concat()).err(),
            Some(InvalidKey::Algorithm)
        );
        let off_the_curve = [&der[..27], &[1; 64]].concat();
        assert_eq!(
            PublicKey::from_der(&off_the_curve).err(),
            Some(InvalidKey::Algorithm)
        );
        for text in [
            String::new(),
            "PUBLIC KEY".to_owned(),
            pem.replace("PUBLIC", "PRIVATE"),
            format!("{pem}{pem}"),
            format!("{}{pem}", "#\n".repeat(PEM_BYTES_MAX)),
            pem.replace("END", "END OF"),
        ] {
            assert_eq!(PublicKey::from_pem(&text).err(), Some(InvalidKey::Pem), "{text}");
        }
    }

    #[test]
    fn arns_of_keys_and_aliases_name_a_kms_key() {
        let cases = [
            ("arn:aws:kms:us-east-1:000000000000:key/1234abcd-12ab", true),
            ("arn:aws-cn:kms:cn-north-1:000000000000:alias/team/signing", true),
            ("arn:aws:kms:us-east-1:000000000000:key/", false),
            ("arn:aws:kms:us-east-1:0000:key/a", false),
            ("arn:aws:kms:us-east-1:000000000000:key/a b", false),
            ("arn:aws:kms::000000000000:key/a", false),
            ("arn:aws:s3:us-east-1:000000000000:key/a", false),
            ("key/1234abcd-12ab", false),
            ("", false),
        ];
        for (text, good) in cases {
            assert_eq!(KmsKeyArn::parse(text).is_ok(), good, "{text}");
        }
    }

    #[test]
    fn a_key_that_is_given_is_in_the_partition_of_the_repository() {
        let cases = [
            ("us-east-1", "arn:aws:kms:us-east-1:000000000000:key/a", None),
            ("us-east-1", "arn:aws:kms:eu-west-1:000000000000:key/a", None),
            ("cn-north-1", "arn:aws-cn:kms:cn-north-1:000000000000:key/a", None),
            (
                "us-east-1",
                "arn:aws-cn:kms:cn-north-1:000000000000:key/a",
                Some(InvalidKey::Partition),
            ),
            (
                "us-east-1",
                "arn:aws:kms:cn-north-1:000000000000:key/a",
                Some(InvalidKey::Partition),
            ),
            (
                "cn-north-1",
                "arn:aws:kms:cn-north-1:000000000000:key/a",
                Some(InvalidKey::Partition),
            ),
            (
                "us-east-1",
                "arn:aws-xxx:kms:us-east-1:000000000000:key/a",
                Some(InvalidKey::Partition),
            ),
            (
                "us-east-1",
                "arn:aws:kms:US_EAST:000000000000:key/a",
                Some(InvalidKey::Arn),
            ),
        ];
        for (region, text, refused) in cases {
            let accepted = KmsKeyArn::accept(text, &Region::parse(region).unwrap());
            assert_eq!(accepted.err(), refused, "{text} in {region}");
        }
    }
}
