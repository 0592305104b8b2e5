//! The master key, which encrypts the material of all keys at rest.

mod file;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ecru_platform::{NoRandomness, Random};
use zeroize::Zeroizing;

use crate::hex::hex;

pub use file::{KEY_FILE, copy_key_file};

const KEY_BYTES: usize = 32;
/// The id is a part of a digest, which says nothing about the key.
const ID_BYTES: usize = 16;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it holds no key of 32 bytes, raw or in base64")]
pub struct InvalidMasterKey;

/// A master key in use.
pub struct MasterKey {
    /// Rows name the key by this text.
    pub(crate) id: String,
    cipher: LessSafeKey,
}

impl MasterKey {
    pub fn read(file: &Path) -> io::Result<Self> {
        file::read_file(file)
    }

    /// Reads the content of a key file: 32 bytes, or their base64 with or without a line end.
    pub fn parse(content: &[u8]) -> Result<Self, InvalidMasterKey> {
        if content.len() == KEY_BYTES {
            return Self::of(content);
        }
        let decoded = Zeroizing::new(
            STANDARD
                .decode(content.trim_ascii())
                .map_err(|_| InvalidMasterKey)?,
        );
        Self::of(&decoded)
    }

    fn of(bytes: &[u8]) -> Result<Self, InvalidMasterKey> {
        if bytes.len() != KEY_BYTES {
            return Err(InvalidMasterKey);
        }
        let cipher = UnboundKey::new(&AES_256_GCM, bytes).map_err(|_| InvalidMasterKey)?;
        let named = Zeroizing::new([b"ecru master key\0".as_slice(), bytes].concat());
        let id = digest(&SHA256, &named);
        Ok(Self {
            id: hex(id.as_ref().get(..ID_BYTES).unwrap_or_default()),
            cipher: LessSafeKey::new(cipher),
        })
    }

    /// Encrypts material, bound to what `owner` names.
    pub(crate) fn wrap(
        &self,
        random: &Random,
        owner: &[u8],
        material: &[u8],
    ) -> Result<Vec<u8>, NoRandomness> {
        let nonce: [u8; NONCE_LEN] = random.bytes()?;
        let mut sealed = Zeroizing::new(material.to_vec());
        let aad = Aad::from(owner);
        let tag = self
            .cipher
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), aad, sealed.as_mut_slice())
            .map_err(|_| NoRandomness)?;
        Ok([&nonce, sealed.as_slice(), tag.as_ref()].concat())
    }

    /// None if the text was changed, or belongs to another owner.
    pub(crate) fn unwrap(&self, owner: &[u8], wrapped: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = wrapped.split_first_chunk::<NONCE_LEN>()?;
        let mut material = Zeroizing::new(sealed.to_vec());
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = self.cipher.open_in_place(nonce, Aad::from(owner), &mut material);
        let length = opened.ok()?.len();
        material.truncate(length);
        Some(material)
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "MasterKey({})", self.id)
    }
}

/// Where the master key is.
#[derive(Debug)]
pub enum MasterKeySource {
    Given(MasterKey),
    /// In a file of this directory, which is made when the first key needs it.
    Directory(PathBuf),
}

/// The master key, read when it is first needed.
pub(crate) struct MasterKeys {
    directory: Option<PathBuf>,
    found: OnceLock<MasterKey>,
    making: Mutex<()>,
}

impl MasterKeys {
    pub(crate) fn new(source: MasterKeySource) -> Self {
        let (directory, found) = match source {
            MasterKeySource::Given(key) => (None, OnceLock::from(key)),
            MasterKeySource::Directory(directory) => (Some(directory), OnceLock::new()),
        };
        Self {
            directory,
            found,
            making: Mutex::new(()),
        }
    }

    /// Returns `None` while the key file does not exist.
    pub(crate) fn find(&self) -> io::Result<Option<&MasterKey>> {
        let (None, Some(directory)) = (self.found.get(), &self.directory) else {
            return Ok(self.found.get());
        };
        let Some(key) = file::read(directory)? else {
            return Ok(None);
        };
        Ok(Some(self.found.get_or_init(|| key)))
    }

    /// Returns the master key, and creates its file if the file does not exist. Blocks.
    pub(crate) fn find_or_make(&self, random: &Random) -> io::Result<&MasterKey> {
        if let Some(found) = self.find()? {
            return Ok(found);
        }
        let _turn = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = self.find()? {
            return Ok(found);
        }
        if let Some(directory) = &self.directory {
            let bytes: Zeroizing<[u8; KEY_BYTES]> = Zeroizing::new(random.bytes().map_err(io::Error::other)?);
            file::make(directory, bytes.as_slice())?;
        }
        self.find()?.ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_key_is_read_raw_and_in_base64() {
        let bytes = [7; KEY_BYTES];
        let raw = MasterKey::parse(&bytes).unwrap();
        let text = STANDARD.encode(bytes);
        assert_eq!(MasterKey::parse(text.as_bytes()).unwrap().id, raw.id);
        assert_eq!(
            MasterKey::parse(format!("{text}\n").as_bytes()).unwrap().id,
            raw.id
        );
        assert_ne!(MasterKey::parse(&[8; KEY_BYTES]).unwrap().id, raw.id);
        for bad in [
            &[7; 31][..],
            &[7; 33],
            b"",
            b"c2hvcnQ=",
            STANDARD.encode([7; 33]).as_bytes(),
        ] {
            assert!(MasterKey::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn material_is_bound_to_its_owner_and_its_master_key() {
        let random = Random::default();
        let key = MasterKey::parse(&[7; KEY_BYTES]).unwrap();
        let wrapped = key.wrap(&random, b"a", b"material").unwrap();
        assert!(!wrapped.windows(8).any(|window| window == b"material"));
        assert_eq!(key.unwrap(b"a", &wrapped).unwrap().as_slice(), b"material");
        assert!(key.unwrap(b"b", &wrapped).is_none());
        let other = MasterKey::parse(&[8; KEY_BYTES]).unwrap();
        assert!(other.unwrap(b"a", &wrapped).is_none());
        for at in 0..wrapped.len() {
            let mut changed = wrapped.clone();
            changed[at] ^= 1;
            assert!(key.unwrap(b"a", &changed).is_none());
            assert!(key.unwrap(b"a", &wrapped[..at]).is_none());
        }
    }

    #[test]
    fn the_key_file_is_made_once_and_only_when_it_is_needed() {
        let directory = TempDir::new().unwrap();
        let source = || MasterKeySource::Directory(directory.path().to_owned());
        let keys = MasterKeys::new(source());
        assert!(keys.find().unwrap().is_none());
        assert!(!directory.path().join(KEY_FILE).exists());
        let id = keys.find_or_make(&Random::default()).unwrap().id.clone();
        let again = MasterKeys::new(source());
        assert_eq!(again.find_or_make(&Random::default()).unwrap().id, id);
        assert_eq!(again.find().unwrap().unwrap().id, id);
    }
}
