//! Values of the model as text, in bodies, queries and answers.

use std::fmt::Display;

use ecru_model::{Digest, Region, RegistryId, RepositoryName, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A value of the model that JSON shows as text.
#[derive(Clone, Debug)]
pub(crate) struct Text<T>(pub(crate) T);

pub(crate) trait Textual: Display + Sized {
    /// For a client that sent another text.
    const REFUSAL: &'static str;

    fn read(text: &str) -> Option<Self>;

    #[cfg(test)]
    fn schema() -> schemars::Schema;
}

impl<'de, T: Textual> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        T::read(&text)
            .map(Self)
            .ok_or_else(|| de::Error::custom(T::REFUSAL))
    }
}

impl<T: Textual> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

#[cfg(test)]
impl<T: Textual> schemars::JsonSchema for Text<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        std::any::type_name::<T>().into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        T::schema()
    }
}

impl Textual for RegistryId {
    const REFUSAL: &'static str = "a registry id is 12 digits";

    fn read(text: &str) -> Option<Self> {
        Self::parse(text).ok()
    }

    #[cfg(test)]
    fn schema() -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[0-9]{12}$" })
    }
}

impl Textual for Region {
    const REFUSAL: &'static str = "`region` is not the name of a region";

    fn read(text: &str) -> Option<Self> {
        Self::parse(text).ok()
    }

    #[cfg(test)]
    fn schema() -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "examples": ["us-east-1"] })
    }
}

impl Textual for RepositoryName {
    const REFUSAL: &'static str = "the name is not that of a repository";

    fn read(text: &str) -> Option<Self> {
        Self::parse(text).ok()
    }

    #[cfg(test)]
    fn schema() -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "examples": ["demo"] })
    }
}

impl Textual for Digest {
    const REFUSAL: &'static str = "`imageDigest` is `sha256:` and 64 hexadecimal digits";

    fn read(text: &str) -> Option<Self> {
        Self::parse(text).ok()
    }

    #[cfg(test)]
    fn schema() -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^sha(256:[0-9a-f]{64}|512:[0-9a-f]{128})$" })
    }
}

impl Textual for Timestamp {
    const REFUSAL: &'static str = "a time is written as `2026-01-01T00:00:00Z`";

    fn read(text: &str) -> Option<Self> {
        Self::parse(text)
    }

    #[cfg(test)]
    fn schema() -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "date-time" })
    }
}
