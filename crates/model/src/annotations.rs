//! Annotations of a manifest, kept as the text of a JSON object: as long as the manifest, they are passed through unparsed.

/// A JSON object whose members are texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Annotations(String);

impl Annotations {
    /// The text of a JSON object; nothing here looks into it.
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
