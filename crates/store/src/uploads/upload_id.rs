//! Upload ids: what a session of receiving is called.

use std::fmt;

use uuid::Uuid;

use crate::StoreError;

/// A random UUID, shown hyphenated and in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UploadId(Uuid);

impl UploadId {
    pub fn random() -> UploadId {
        UploadId(Uuid::new_v4())
    }

    /// Takes the hyphenated form, in either case.
    pub fn parse(text: &str) -> Option<UploadId> {
        let uuid = Uuid::try_parse(text).ok()?;
        uuid.to_string()
            .eq_ignore_ascii_case(text)
            .then_some(UploadId(uuid))
    }

    /// As a row has it.
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
