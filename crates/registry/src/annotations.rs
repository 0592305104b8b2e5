//! Annotations of a manifest. There may be several hundred thousand short ones, so one text holds them instead of a map of many
//! texts.

use std::fmt;

use serde::de::{DeserializeSeed, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Names and their texts, sorted by name. If a name occurs twice, its last text counts.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Annotations {
    texts: String,
    entries: Vec<Entry>,
}

/// The place of one annotation: the name begins at `name`, its text begins at `text` and ends at `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    name: u32,
    text: u32,
    end: u32,
}

impl Annotations {
    pub(crate) fn find(&self, name: &str) -> Option<&str> {
        let found = self.entries.binary_search_by(|entry| self.name(entry).cmp(name));
        Some(self.text(self.entries.get(found.ok()?)?))
    }

    fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries
            .iter()
            .map(|entry| (self.name(entry), self.text(entry)))
    }

    fn name(&self, entry: &Entry) -> &str {
        name_in(&self.texts, entry)
    }

    fn text(&self, entry: &Entry) -> &str {
        part(&self.texts, entry.text, entry.end)
    }

    fn sort(&mut self) {
        let texts = &self.texts;
        // Within one name the latest comes first, because only the first is kept.
        self.entries.sort_unstable_by(|one, other| {
            let by_name = name_in(texts, one).cmp(name_in(texts, other));
            by_name.then(other.end.cmp(&one.end))
        });
        self.entries
            .dedup_by(|next, kept| name_in(texts, next) == name_in(texts, kept));
    }
}

fn name_in<'a>(texts: &'a str, entry: &Entry) -> &'a str {
    part(texts, entry.name, entry.text)
}

fn part(texts: &str, first: u32, end: u32) -> &str {
    texts.get(first as usize..end as usize).unwrap_or_default()
}

impl Serialize for Annotations {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Annotations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Annotations;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("annotations")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Annotations, A::Error> {
        let mut annotations = Annotations::default();
        let texts = &mut annotations.texts;
        let place = |texts: &String| {
            u32::try_from(texts.len()).map_err(|_| A::Error::custom("there are too many annotations"))
        };
        let mut name = 0;
        while map.next_key_seed(Appended(texts))?.is_some() {
            let text = place(texts)?;
            map.next_value_seed(Appended(texts))?;
            let end = place(texts)?;
            annotations.entries.push(Entry { name, text, end });
            name = end;
        }
        annotations.sort();
        Ok(annotations)
    }
}

/// Appends the text that it reads to another text.
struct Appended<'t>(&'t mut String);

impl<'de> DeserializeSeed<'de> for Appended<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Appended<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a text")
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.0.push_str(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn they_are_read_and_written_as_a_sorted_map_would_be() {
        for document in [
            "{}",
            r#"{"b":"2","a":"1","":"","aa":""}"#,
            r#"{"a":"first","b":"","a":"last","a":"","c":"\u0000\n\"é😀","\u0061\"":"x"}"#,
            r#"{"a":null}"#,
            r#"{"a":1}"#,
            r#"{"a":["b"]}"#,
            r#"{"a":"b""#,
            "[]",
            "null",
            "7",
        ] {
            let expected = serde_json::from_str::<BTreeMap<String, String>>(document).ok();
            let read = serde_json::from_str::<Annotations>(document).ok();
            assert_eq!(read.is_some(), expected.is_some(), "{document}");
            let (Some(expected), Some(read)) = (expected, read) else {
                continue;
            };
            assert_eq!(
                serde_json::to_string(&read).unwrap(),
                serde_json::to_string(&expected).unwrap()
            );
            for (name, text) in &expected {
                assert_eq!(read.find(name), Some(text.as_str()));
            }
            assert_eq!(read.find("absent"), None);
        }
    }

    #[test]
    fn hundreds_of_thousands_take_little_more_than_their_text() {
        let pairs = (0..350_000).map(|number| format!(r#""{number:x}":"""#));
        let document = format!("{{{}}}", pairs.collect::<Vec<_>>().join(","));
        let read = serde_json::from_str::<Annotations>(&document).unwrap();
        let bytes = read.texts.capacity() + read.entries.capacity() * size_of::<Entry>();
        assert!(bytes < 3 * document.len(), "{bytes} of {}", document.len());
    }
}
