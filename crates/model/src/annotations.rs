//! Annotations of a manifest, stored as the text of a JSON object. They can be as long as the manifest, so
//! they are not parsed.

/// A JSON object whose values are texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotations(String);

impl Annotations {
    /// Takes the text of a JSON object without checking it.
    pub fn from_json(text: String) -> Self {
        Self(text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn into_string(self) -> String {
        self.0
    }
}
