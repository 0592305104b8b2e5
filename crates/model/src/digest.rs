//! Digests: the content addresses of blobs and manifests.

use std::fmt;

use sha2::{Digest as _, Sha256, Sha512};

/// The digest of some bytes, in an algorithm that this registry supports.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Digest {
    Sha256([u8; 32]),
    Sha512([u8; 64]),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DigestAlgorithm {
    Sha256,
    Sha512,
}

/// The text or the bytes are not a digest of a supported algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a sha256 or sha512 digest")]
pub struct InvalidDigest;

impl Digest {
    /// Parses `<algorithm>:<hex>`, with lower-case hex of exactly the algorithm's length.
    pub fn parse(text: &str) -> Result<Self, InvalidDigest> {
        match text.split_once(':') {
            Some(("sha256", hex)) => decode(hex).map(Self::Sha256),
            Some(("sha512", hex)) => decode(hex).map(Self::Sha512),
            _ => Err(InvalidDigest),
        }
    }

    /// Takes the bytes of a digest. Their number determines the algorithm.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidDigest> {
        let sha256 = bytes.try_into().map(Self::Sha256);
        sha256
            .or_else(|_| bytes.try_into().map(Self::Sha512))
            .map_err(|_| InvalidDigest)
    }

    /// The SHA-256 digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self::computed(DigestAlgorithm::Sha256, bytes)
    }

    pub fn computed(algorithm: DigestAlgorithm, bytes: &[u8]) -> Self {
        match algorithm {
            DigestAlgorithm::Sha256 => Self::Sha256(Sha256::digest(bytes).into()),
            DigestAlgorithm::Sha512 => Self::Sha512(Sha512::digest(bytes).into()),
        }
    }

    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Sha256(bytes) => bytes,
            Self::Sha512(bytes) => bytes,
        }
    }

    pub fn algorithm(&self) -> DigestAlgorithm {
        match self {
            Self::Sha256(_) => DigestAlgorithm::Sha256,
            Self::Sha512(_) => DigestAlgorithm::Sha512,
        }
    }

    /// The hexadecimal part, as in the tags of signatures.
    pub fn hex(&self) -> String {
        self.with_hex(str::to_owned)
    }

    /// Passes the hexadecimal text on without a heap allocation, because most answers contain digests.
    fn with_hex<T>(&self, take: impl FnOnce(&str) -> T) -> T {
        let mut hex = [0; 128];
        let (pairs, _) = hex.as_chunks_mut::<2>();
        for (pair, byte) in pairs.iter_mut().zip(self.as_bytes()) {
            *pair = [hex_digit(byte >> 4), hex_digit(byte & 15)];
        }
        let written = hex.get(..self.as_bytes().len() * 2).unwrap_or_default();
        take(str::from_utf8(written).unwrap_or_default())
    }
}

impl DigestAlgorithm {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }
}

impl fmt::Display for DigestAlgorithm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.algorithm().as_str())?;
        formatter.write_str(":")?;
        self.with_hex(|hex| formatter.write_str(hex))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl std::str::FromStr for Digest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        Self::parse(text)
    }
}

fn decode<const LENGTH: usize>(hex: &str) -> Result<[u8; LENGTH], InvalidDigest> {
    let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
    if pairs.len() != LENGTH || !rest.is_empty() {
        return Err(InvalidDigest);
    }
    let mut bytes = [0; LENGTH];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = hex_value(*high)? << 4 | hex_value(*low)?;
    }
    Ok(bytes)
}

fn hex_value(digit: u8) -> Result<u8, InvalidDigest> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(InvalidDigest),
    }
}

fn hex_digit(value: u8) -> u8 {
    if value < 10 {
        b'0' + value
    } else {
        b'a' + value - 10
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn the_digest_of_nothing_is_the_known_one() {
        assert_eq!(Digest::of(b"").to_string(), EMPTY);
        assert_eq!(Digest::parse(EMPTY), Ok(Digest::of(b"")));
    }

    #[test]
    fn other_algorithms_lengths_and_letters_are_refused() {
        let upper = EMPTY.to_uppercase().replace("SHA256", "sha256");
        let long = format!("{EMPTY}00");
        let wrong = format!("sha512:{}", &EMPTY[7..]);
        let odd = &EMPTY[..EMPTY.len() - 1];
        let padded = format!("{EMPTY}\n");
        let cases = [
            "",
            "sha256",
            "sha256:",
            "md5:00",
            "sha256:é",
            &upper,
            &long,
            &wrong,
            odd,
            &padded,
            &EMPTY[7..],
        ];
        for text in cases {
            assert_eq!(Digest::parse(text), Err(InvalidDigest), "{text}");
        }
    }

    proptest! {
        #[test]
        fn text_and_bytes_lead_back_to_the_same_digest(bytes: Vec<u8>) {
            for algorithm in [DigestAlgorithm::Sha256, DigestAlgorithm::Sha512] {
                let digest = Digest::computed(algorithm, &bytes);
                prop_assert_eq!(Digest::parse(&digest.to_string()), Ok(digest));
                prop_assert_eq!(Digest::from_bytes(digest.as_bytes()), Ok(digest));
                prop_assert_eq!(digest.algorithm(), algorithm);
            }
        }
    }
}
