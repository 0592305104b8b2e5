//! The ciphertext of symmetric keys: it names its key and the version of its material, and binds the encryption context.
//!
//! A format byte, the key's id (16 bytes), the version (4, big endian), the nonce (12), the encrypted text and its tag (16).

use std::collections::BTreeMap;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ecru_platform::Random;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::Error;
use crate::records::material::Secret;

const FORMAT: u8 = 1;
const ID_BYTES: usize = 16;
const VERSION_BYTES: usize = 4;
const HEADER_BYTES: usize = 1 + ID_BYTES + VERSION_BYTES;

pub(crate) type EncryptionContext = BTreeMap<String, String>;

/// A ciphertext taken apart. Its parts are not authenticated yet.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ciphertext<'a> {
    pub(crate) key_id: Uuid,
    pub(crate) version: u32,
    header: &'a [u8],
    nonce: [u8; NONCE_LEN],
    sealed: &'a [u8],
}

impl<'a> Ciphertext<'a> {
    /// None for a text of another form, such as that of an RSA key.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (header, rest) = bytes.split_at_checked(HEADER_BYTES)?;
        let (format, named) = header.split_first()?;
        let (id, version) = named.split_first_chunk::<ID_BYTES>()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
        let is_whole = *format == FORMAT && sealed.len() > AES_256_GCM.tag_len();
        is_whole.then_some(Self {
            key_id: Uuid::from_bytes(*id),
            version: u32::from_be_bytes(version.try_into().ok()?),
            header,
            nonce: *nonce,
            sealed,
        })
    }

    /// None if the text or the context is not what was encrypted, or the secret is another.
    pub(crate) fn open(&self, secret: &Secret, context: &EncryptionContext) -> Option<Zeroizing<Vec<u8>>> {
        let cipher = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, secret).ok()?);
        let mut plaintext = Zeroizing::new(self.sealed.to_vec());
        let nonce = Nonce::assume_unique_for_key(self.nonce);
        let aad = Aad::from(bound(self.header, context));
        let length = cipher.open_in_place(nonce, aad, &mut plaintext).ok()?.len();
        plaintext.truncate(length);
        Some(plaintext)
    }
}

/// The key and the version of the material that a ciphertext will name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Named {
    pub(crate) key_id: Uuid,
    pub(crate) version: u32,
}

pub(crate) fn seal(
    random: &Random,
    secret: &Secret,
    named: Named,
    context: &EncryptionContext,
    plaintext: &[u8],
) -> Result<Vec<u8>, Error> {
    let cannot = |_| Error::internal("a text cannot be encrypted");
    let cipher = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, secret).map_err(cannot)?);
    let mut ciphertext = vec![FORMAT];
    ciphertext.extend_from_slice(named.key_id.as_bytes());
    ciphertext.extend_from_slice(&named.version.to_be_bytes());
    let aad = Aad::from(bound(&ciphertext, context));

    let nonce: [u8; NONCE_LEN] = random.bytes()?;
    let mut sealed = Zeroizing::new(plaintext.to_vec());
    let tag = cipher
        .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), aad, sealed.as_mut_slice())
        .map_err(cannot)?;
    ciphertext.extend_from_slice(&nonce);
    ciphertext.extend_from_slice(&sealed);
    ciphertext.extend_from_slice(tag.as_ref());
    Ok(ciphertext)
}

/// The header and the context, each part with its length, so that two contexts never give the same bytes.
fn bound(header: &[u8], context: &EncryptionContext) -> Vec<u8> {
    let mut bytes = header.to_vec();
    for text in context.iter().flat_map(|(name, value)| [name, value]) {
        bytes.extend_from_slice(&(text.len() as u64).to_be_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn context(pairs: &[(&str, &str)]) -> EncryptionContext {
        let owned = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        owned.collect()
    }

    fn sealed(secret: &Secret, pairs: &[(&str, &str)], plaintext: &[u8]) -> Vec<u8> {
        let named = Named {
            key_id: Uuid::from_u128(7),
            version: 3,
        };
        seal(&Random::default(), secret, named, &context(pairs), plaintext).unwrap()
    }

    #[test]
    fn a_ciphertext_names_its_key_and_opens_with_its_context_alone() {
        let secret = Zeroizing::new(vec![1; 32]);
        let bytes = sealed(&secret, &[("a", "b"), ("c", "d")], b"text");
        let parsed = Ciphertext::parse(&bytes).unwrap();
        assert_eq!((parsed.key_id, parsed.version), (Uuid::from_u128(7), 3));
        let open = |pairs| parsed.open(&secret, &context(pairs));
        assert_eq!(open(&[("c", "d"), ("a", "b")]).unwrap().as_slice(), b"text");
        for other in [
            &[][..],
            &[("a", "b")],
            &[("a", "bc"), ("", "d")],
            &[("c", "b"), ("a", "d")],
        ] {
            assert!(open(other).is_none(), "{other:?}");
        }
        assert!(
            parsed
                .open(&Zeroizing::new(vec![2; 32]), &context(&[("a", "b"), ("c", "d")]))
                .is_none()
        );
    }

    #[test]
    fn a_changed_or_shortened_ciphertext_does_not_open() {
        let secret = Zeroizing::new(vec![1; 32]);
        let bytes = sealed(&secret, &[], b"text");
        let open = |bytes: &[u8]| Ciphertext::parse(bytes)?.open(&secret, &context(&[]));
        assert!(open(&bytes).is_some());
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert!(open(&changed).is_none(), "{at}");
            assert!(open(&bytes[..at]).is_none(), "{at}");
        }
    }

    proptest! {
        #[test]
        fn every_text_comes_back(text in proptest::collection::vec(any::<u8>(), 1..300), name in ".*", value in ".*") {
            let secret = Zeroizing::new(vec![9; 32]);
            let bytes = sealed(&secret, &[(&name, &value)], &text);
            let opened = Ciphertext::parse(&bytes).unwrap().open(&secret, &context(&[(&name, &value)])).unwrap();
            prop_assert_eq!(opened.as_slice(), text.as_slice());
        }

        #[test]
        fn any_bytes_are_parsed_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = Ciphertext::parse(&bytes);
        }
    }
}
