//! Reads JSON documents member by member, in bounded memory for documents of any size.

use std::fmt;
use std::io::{self, BufReader, Read};
use std::marker::PhantomData;

use serde::Deserializer;
use serde::de::{Deserialize, DeserializeSeed, Error as _, IgnoredAny, MapAccess, Visitor};

use super::ReadError;
use crate::error::{Carried, Limit};
use crate::limits::Budget;

/// Longer than any path in a lock file.
const TEXT_BYTES_MAX: usize = 4 << 10;

/// Reads a whole document, up to a limit in bytes.
pub(super) fn read<S, T>(
    content: &mut dyn Read,
    bytes_max: u64,
    budget: &Budget,
    seed: S,
) -> Result<T, ReadError>
where
    S: for<'de> DeserializeSeed<'de, Value = T>,
{
    let content = AtMost {
        content,
        left: bytes_max,
        budget,
    };
    let mut document = serde_json::Deserializer::from_reader(BufReader::new(content));
    let read = seed.deserialize(&mut document)?;
    document.end()?;
    Ok(read)
}

/// Fails on a larger file, which would otherwise be read only in part.
struct AtMost<'c> {
    content: &'c mut dyn Read,
    left: u64,
    budget: &'c Budget,
}

impl Read for AtMost<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.content.read(buffer)?;
        self.left = self
            .left
            .checked_sub(read as u64)
            .ok_or_else(|| self.budget.exceed(Limit::FileSize))?;
        Ok(read)
    }
}

/// A text of bounded length; `None` for a longer text and for null.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Text(Option<Box<str>>);

impl Text {
    pub(super) fn as_str(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfText;
        impl Visitor<'_> for OfText {
            type Value = Text;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a text")
            }

            fn visit_str<E>(self, text: &str) -> Result<Text, E> {
                Ok(Text((text.len() <= TEXT_BYTES_MAX).then(|| text.into())))
            }

            fn visit_unit<E>(self) -> Result<Text, E> {
                Ok(Text(None))
            }
        }
        deserializer.deserialize_any(OfText)
    }
}

/// Visits the members of an object one by one and keeps none. The result is whether the value was an object
/// and not null.
pub(super) struct Members<V, F> {
    visit: F,
    value: PhantomData<V>,
}

impl<V, F: FnMut(&str, V) -> Result<(), Carried>> Members<V, F> {
    pub(super) fn new(visit: F) -> Self {
        Self {
            visit,
            value: PhantomData,
        }
    }
}

impl<'de, V: Deserialize<'de>, F: FnMut(&str, V) -> Result<(), Carried>> DeserializeSeed<'de>
    for Members<V, F>
{
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, V: Deserialize<'de>, F: FnMut(&str, V) -> Result<(), Carried>> Visitor<'de> for Members<V, F> {
    type Value = bool;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_map<M: MapAccess<'de>>(mut self, mut members: M) -> Result<bool, M::Error> {
        while let Some(name) = members.next_key::<Text>()? {
            match name.as_str() {
                Some(name) => {
                    let value = members.next_value()?;
                    (self.visit)(name, value).map_err(M::Error::custom)?;
                }
                None => {
                    members.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(true)
    }
}
