//! Bytes of any length that are never held whole: a unique prefix, then one pattern repeated.

use std::io::{self, Write};
use std::sync::LazyLock;

use sha2::{Digest, Sha256};

const OWN_BYTES: usize = 16;
const PATTERN_BYTES: usize = 1 << 20;

/// Random, so that no file system or registry can compress it.
static PATTERN: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut bytes = Vec::with_capacity(PATTERN_BYTES);
    while bytes.len() < PATTERN_BYTES {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes
});

#[derive(Clone, Copy, Debug)]
pub(crate) struct Content {
    own: [u8; OWN_BYTES],
    size_bytes: u64,
}

impl Content {
    /// Contents with different numbers differ from the first byte on.
    pub(crate) fn new(number: u64, size_bytes: u64) -> Self {
        let text = format!("{number:016x}");
        let mut own = [0; OWN_BYTES];
        own.copy_from_slice(text.as_bytes());
        Self { own, size_bytes }
    }

    pub(crate) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// The bytes at an offset that lie in one piece; empty at the end.
    pub(crate) fn at(&self, offset: u64) -> &[u8] {
        let left = usize::try_from(self.size_bytes.saturating_sub(offset)).unwrap_or(usize::MAX);
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let piece = match self.own.get(offset..) {
            Some(own) if !own.is_empty() => own,
            _ => PATTERN
                .get((offset - OWN_BYTES) % PATTERN_BYTES..)
                .unwrap_or_default(),
        };
        piece.get(..left).unwrap_or(piece)
    }

    pub(crate) fn write_to(&self, target: &mut impl Write) -> io::Result<()> {
        let mut offset = 0;
        loop {
            let piece = self.at(offset);
            if piece.is_empty() {
                return Ok(());
            }
            target.write_all(piece)?;
            offset += piece.len() as u64;
        }
    }

    pub(crate) fn digest(&self) -> String {
        let mut hash = Hasher(Sha256::new());
        // Writing to a hash cannot fail.
        drop(self.write_to(&mut hash));
        name(&hash.0.finalize())
    }
}

/// A content and its digest.
#[derive(Clone, Debug)]
pub(crate) struct Blob {
    pub(crate) content: Content,
    pub(crate) digest: String,
}

impl Blob {
    pub(crate) fn new(number: u64, size_bytes: u64) -> Self {
        let content = Content::new(number, size_bytes);
        let digest = content.digest();
        Self { content, digest }
    }
}

pub(crate) fn digest_of(bytes: &[u8]) -> String {
    name(&Sha256::digest(bytes))
}

fn name(hash: &[u8]) -> String {
    let digits = hash.iter().map(|byte| format!("{byte:02x}"));
    format!("sha256:{}", digits.collect::<String>())
}

struct Hasher(Sha256);

impl Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_is_as_long_as_it_says_and_named_after_its_bytes() {
        for size_bytes in [0, 1, 16, 17, 4096, (1 << 20) + 16, (3 << 20) + 5] {
            let content = Content::new(7, size_bytes);
            let mut bytes = Vec::new();
            content.write_to(&mut bytes).unwrap();
            assert_eq!(bytes.len() as u64, size_bytes);
            assert_eq!(content.digest(), digest_of(&bytes));
        }
    }

    #[test]
    fn contents_of_different_numbers_differ() {
        assert_ne!(Blob::new(1, 4096).digest, Blob::new(2, 4096).digest);
    }
}
