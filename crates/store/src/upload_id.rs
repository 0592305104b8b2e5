//! Upload ids: the names of sessions that receive a blob.

use std::fmt;

use uuid::{Builder, Uuid};

use crate::StoreError;

/// A UUID, shown hyphenated and in lower case. It is random, or of version 8 with a stamp, a signature and
/// the process that issued it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UploadId(Uuid);

/// When an id was issued: milliseconds and a number within them; no two are the same. It has 60 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stamp(u64);

const NUMBER_BITS: u32 = 12;

impl Stamp {
    pub(crate) fn first_of(milliseconds: i64) -> Stamp {
        Stamp(milliseconds.unsigned_abs() << NUMBER_BITS)
    }

    pub(crate) fn next(self, now_milliseconds: i64) -> Stamp {
        Stamp::first_of(now_milliseconds).max(Stamp(self.0 + 1))
    }

    pub(crate) fn to_be_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }
}

impl UploadId {
    pub fn random() -> UploadId {
        UploadId(Uuid::new_v4())
    }

    /// Ids sort in the order of stamps. They keep 30 bits of the signature: a client that guesses one can
    /// only begin an upload.
    pub(crate) fn signed(stamp: Stamp, process: [u8; 4], signature: &[u8]) -> UploadId {
        let number = stamp.0 & ((1 << NUMBER_BITS) - 1);
        let high = (stamp.0 >> NUMBER_BITS) << 16 | number;
        let mut signed = [0; 4];
        for (byte, made) in signed.iter_mut().zip(signature) {
            *byte = *made;
        }
        let low = u64::from(u32::from_be_bytes(signed)) << 32 | u64::from(u32::from_be_bytes(process));
        let bytes = (u128::from(high) << 64 | u128::from(low)).to_be_bytes();
        UploadId(Builder::from_custom_bytes(bytes).into_uuid())
    }

    /// The process that issued an id, if the id has that form.
    pub(crate) fn process(&self) -> [u8; 4] {
        let [.., a, b, c, d] = *self.as_bytes();
        [a, b, c, d]
    }

    /// The stamp, if the id has one.
    pub(crate) fn stamp(&self) -> Option<Stamp> {
        let high = self.0.as_u64_pair().0;
        let number = high & ((1 << NUMBER_BITS) - 1);
        (self.0.get_version_num() == 8).then_some(Stamp((high >> 16) << NUMBER_BITS | number))
    }

    /// The least id that could be issued at a time.
    pub(crate) fn first_of(milliseconds: i64) -> UploadId {
        UploadId::signed(Stamp::first_of(milliseconds), [0; 4], &[])
    }

    /// In milliseconds; zero for an id without a stamp.
    pub(crate) fn issued_at(&self) -> i64 {
        let milliseconds = self.stamp().map(|stamp| stamp.0 >> NUMBER_BITS);
        milliseconds.unwrap_or(0).cast_signed()
    }

    /// Parses the hyphenated form, in either case.
    pub fn parse(text: &str) -> Option<UploadId> {
        let uuid = Uuid::try_parse(text).ok()?;
        uuid.to_string()
            .eq_ignore_ascii_case(text)
            .then_some(UploadId(uuid))
    }

    /// Reads the form that a row stores.
    pub fn from_bytes(bytes: &[u8]) -> Result<UploadId, StoreError> {
        match Uuid::from_slice(bytes) {
            Ok(uuid) => Ok(UploadId(uuid)),
            Err(_) => Err(StoreError::damaged("an upload has no id")),
        }
    }

    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_hyphenated_form_is_an_upload_id() {
        let id = UploadId::random();
        let text = id.to_string();
        assert_eq!(UploadId::parse(&text), Some(id));
        assert_eq!(UploadId::parse(&text.to_uppercase()), Some(id));
        assert_eq!(UploadId::from_bytes(id.as_bytes()).ok(), Some(id));

        let others = [
            "",
            &text[1..],
            &text.replace('-', ""),
            &format!("{{{text}}}"),
            &format!("urn:uuid:{text}"),
        ];
        for other in others {
            assert_eq!(UploadId::parse(other), None, "{other}");
        }
    }
}
