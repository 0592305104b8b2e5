//! The kinds of keys that the service has, and the algorithms of each.

use crate::generated::shapes::{
    CustomerMasterKeySpec, EncryptionAlgorithmSpec as Encryption, KeySpec, KeyUsageType as Usage,
    SigningAlgorithmSpec as Signing,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spec {
    Symmetric,
    EccNistP256,
    EccNistP384,
    Rsa2048,
    Rsa3072,
    Rsa4096,
}

const RSA_SIGNING: &[Signing] = &[
    Signing::RsassaPkcs1V15Sha256,
    Signing::RsassaPkcs1V15Sha384,
    Signing::RsassaPkcs1V15Sha512,
    Signing::RsassaPssSha256,
    Signing::RsassaPssSha384,
    Signing::RsassaPssSha512,
];
const RSA_ENCRYPTION: &[Encryption] = &[Encryption::RsaesOaepSha1, Encryption::RsaesOaepSha256];

impl Spec {
    /// None for a kind that the service does not have.
    pub(crate) fn of(spec: KeySpec) -> Option<Self> {
        Some(match spec {
            KeySpec::SymmetricDefault => Self::Symmetric,
            KeySpec::EccNistP256 => Self::EccNistP256,
            KeySpec::EccNistP384 => Self::EccNistP384,
            KeySpec::Rsa2048 => Self::Rsa2048,
            KeySpec::Rsa3072 => Self::Rsa3072,
            KeySpec::Rsa4096 => Self::Rsa4096,
            _ => return None,
        })
    }

    pub(crate) fn key_spec(self) -> KeySpec {
        match self {
            Self::Symmetric => KeySpec::SymmetricDefault,
            Self::EccNistP256 => KeySpec::EccNistP256,
            Self::EccNistP384 => KeySpec::EccNistP384,
            Self::Rsa2048 => KeySpec::Rsa2048,
            Self::Rsa3072 => KeySpec::Rsa3072,
            Self::Rsa4096 => KeySpec::Rsa4096,
        }
    }

    /// The same under the older name, which clients still read.
    pub(crate) fn customer_master_key_spec(self) -> CustomerMasterKeySpec {
        match self {
            Self::Symmetric => CustomerMasterKeySpec::SymmetricDefault,
            Self::EccNistP256 => CustomerMasterKeySpec::EccNistP256,
            Self::EccNistP384 => CustomerMasterKeySpec::EccNistP384,
            Self::Rsa2048 => CustomerMasterKeySpec::Rsa2048,
            Self::Rsa3072 => CustomerMasterKeySpec::Rsa3072,
            Self::Rsa4096 => CustomerMasterKeySpec::Rsa4096,
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        self.key_spec().as_str()
    }

    pub(crate) fn is_rsa(self) -> bool {
        matches!(self, Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096)
    }

    pub(crate) fn allows(self, usage: Usage) -> bool {
        match usage {
            Usage::EncryptDecrypt => self == Self::Symmetric || self.is_rsa(),
            Usage::SignVerify => self != Self::Symmetric,
            _ => false,
        }
    }

    pub(crate) fn signing_algorithms(self, usage: Usage) -> &'static [Signing] {
        match self {
            _ if usage != Usage::SignVerify => &[],
            Self::Symmetric => &[],
            Self::EccNistP256 => &[Signing::EcdsaSha256],
            Self::EccNistP384 => &[Signing::EcdsaSha384],
            Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096 => RSA_SIGNING,
        }
    }

    pub(crate) fn encryption_algorithms(self, usage: Usage) -> &'static [Encryption] {
        match self {
            _ if usage != Usage::EncryptDecrypt => &[],
            Self::Symmetric => &[Encryption::SymmetricDefault],
            Self::EccNistP256 | Self::EccNistP384 => &[],
            Self::Rsa2048 | Self::Rsa3072 | Self::Rsa4096 => RSA_ENCRYPTION,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_algorithms_for_what_it_may_be_used_for_alone() {
        for spec in KeySpec::ALL.iter().filter_map(|spec| Spec::of(*spec)) {
            for usage in Usage::ALL {
                let (signs, encrypts) = (
                    !spec.signing_algorithms(*usage).is_empty(),
                    !spec.encryption_algorithms(*usage).is_empty(),
                );
                assert_eq!(signs || encrypts, spec.allows(*usage), "{spec:?} {usage:?}");
                assert!(!(signs && encrypts));
            }
            assert_eq!(Spec::of(spec.key_spec()), Some(spec));
            assert_eq!(spec.customer_master_key_spec().as_str(), spec.as_str());
        }
    }
}
