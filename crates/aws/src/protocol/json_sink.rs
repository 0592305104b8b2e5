//! Writes JSON text member by member, without a tree of values.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use ecru_model::Timestamp;
use ecru_platform::wire::{Member, Sink};

const FIRST_BYTES: usize = 512;
/// Maximum number of bytes to reserve for a list. A longer list is reallocated as it grows.
const LIST_RESERVE_BYTES_MAX: usize = 128 * 1024;

#[derive(Debug)]
pub(crate) struct JsonSink {
    text: Vec<u8>,
}

impl JsonSink {
    pub(crate) fn new() -> Self {
        Self {
            text: Vec::with_capacity(FIRST_BYTES),
        }
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.text
    }

    /// Writes a comma if a value precedes. No value ends with one of these two bytes.
    #[inline]
    pub(crate) fn separate(&mut self) {
        if !matches!(self.text.last(), Some(b'{' | b'[')) {
            self.text.push(b',');
        }
    }

    /// Opens an object or a list, which the caller fills and closes.
    pub(crate) fn open(&mut self, bracket: char) {
        self.text.extend(bracket.to_string().bytes());
    }

    pub(crate) fn close(&mut self, bracket: char) {
        self.text.extend(bracket.to_string().bytes());
    }

    /// Writes the name of a member that is not in the model, such as `__type` of an error.
    pub(crate) fn key(&mut self, name: &str) {
        self.separate();
        self.text(name);
        self.text.push(b':');
    }

    fn append(&mut self, write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) {
        let written = write(&mut self.text);
        assert!(written.is_ok(), "writing to memory does not fail");
    }
}

impl Sink for JsonSink {
    fn object(&mut self, members: impl FnOnce(&mut Self)) {
        self.text.push(b'{');
        members(self);
        self.text.push(b'}');
    }

    fn list<T>(&mut self, elements: &[T], print: impl Fn(&mut Self, &T)) {
        self.text.push(b'[');
        let first = self.text.len();
        for (printed, element) in elements.iter().enumerate() {
            if printed == 1 {
                // The other elements will have about the same length.
                let length = (self.text.len() - first + 8) * elements.len();
                self.text.reserve(length.min(LIST_RESERVE_BYTES_MAX));
            }
            self.separate();
            print(self, element);
        }
        self.text.push(b']');
    }

    fn map<T>(&mut self, entries: &BTreeMap<String, T>, print: impl Fn(&mut Self, &T)) {
        self.object(|sink| {
            for (key, value) in entries {
                sink.separate();
                sink.text(key);
                sink.text.push(b':');
                print(sink, value);
            }
        });
    }

    /// Writes the name of a member of the model. Such a name needs no escapes.
    #[inline]
    fn name(&mut self, member: &'static Member) {
        self.separate();
        self.text.push(b'"');
        self.text.extend_from_slice(member.name.as_bytes());
        self.text.extend_from_slice(b"\":");
    }

    #[inline]
    fn text(&mut self, text: &str) {
        // Checks every byte. Many bytes at once are faster than a loop that stops at the first byte to
        // escape.
        let escapes = text
            .bytes()
            .map(|byte| u8::from(byte < b' ' || byte == b'"' || byte == b'\\'));
        if escapes.fold(0, |found, escape| found | escape) != 0 {
            return self.append(|out| serde_json::to_writer(out, text).map_err(Into::into));
        }
        self.text.reserve(text.len() + 2);
        self.text.push(b'"');
        self.text.extend_from_slice(text.as_bytes());
        self.text.push(b'"');
    }

    /// Appends a value that is JSON already.
    fn json(&mut self, json: &str) {
        self.text.extend_from_slice(json.as_bytes());
    }

    #[inline]
    fn boolean(&mut self, boolean: bool) {
        self.text
            .extend_from_slice(if boolean { b"true" } else { b"false" });
    }

    #[inline]
    fn integer(&mut self, number: i64) {
        self.append(|out| serde_json::to_writer(out, &number).map_err(Into::into));
    }

    fn double(&mut self, number: f64) {
        self.append(|out| serde_json::to_writer(out, &number).map_err(Into::into));
    }

    /// Seconds since 1970 with the milliseconds as a fraction.
    #[inline]
    fn timestamp(&mut self, moment: Timestamp) {
        let milliseconds = moment.as_millis();
        let (seconds, fraction) = (
            milliseconds.unsigned_abs() / 1000,
            milliseconds.unsigned_abs() % 1000,
        );
        if milliseconds < 0 {
            self.text.push(b'-');
        }
        self.append(|out| serde_json::to_writer(out, &seconds).map_err(Into::into));
        if fraction > 0 {
            self.text.push(b'.');
            for digit in [fraction / 100, fraction / 10 % 10, fraction % 10] {
                self.text.push(b'0' + u8::try_from(digit).unwrap_or_default());
            }
        }
    }

    fn blob(&mut self, bytes: &[u8]) {
        self.text.push(b'"');
        self.text
            .extend_from_slice(BASE64_STANDARD.encode(bytes).as_bytes());
        self.text.push(b'"');
    }
}

#[cfg(test)]
mod tests {
    use ecru_model::{
        DescribeImagesOutput, ImageDetail, ImageStatus, ImageTag, ListTagsForResourceOutput, RepositoryName,
        Tag, TagResourceOutput,
    };

    use ecru_registry::generated::print;

    use super::*;

    #[track_caller]
    fn check(print: impl FnOnce(&mut JsonSink), expected: &str) {
        let mut sink = JsonSink::new();
        print(&mut sink);
        assert_eq!(String::from_utf8(sink.finish()).unwrap(), expected);
    }

    #[test]
    fn members_and_elements_are_separated_by_commas() {
        check(
            |sink| {
                sink.object(|sink| {
                    sink.key("empty");
                    sink.object(|_| {});
                    sink.key("list");
                    sink.list(&[1, 2, 3], |sink, number| sink.integer(*number));
                    sink.key("none");
                    sink.list(&[0; 0], |sink, number| sink.integer(*number));
                    sink.key("map");
                    let entries = BTreeMap::from([("a\"".to_owned(), true), ("b".to_owned(), false)]);
                    sink.map(&entries, |sink, boolean| sink.boolean(*boolean));
                });
            },
            r#"{"empty":{},"list":[1,2,3],"none":[],"map":{"a\"":true,"b":false}}"#,
        );
    }

    #[test]
    fn text_is_escaped() {
        check(|sink| sink.text("a\"\\\n\u{1}é{"), r#""a\"\\\n\u0001é{""#);
    }

    #[test]
    fn a_text_that_ends_in_a_bracket_is_still_followed_by_a_comma() {
        check(
            |sink| sink.list(&["{", "["], |sink, text| sink.text(text)),
            r#"["{","["]"#,
        );
    }

    #[test]
    fn timestamps_are_seconds_with_milliseconds() {
        let cases = [
            (1_448_875_853_241, "1448875853.241"),
            (1_563_223_656_000, "1563223656"),
            (5, "0.005"),
        ];
        for (milliseconds, expected) in cases {
            check(
                |sink| sink.timestamp(Timestamp::from_millis(milliseconds)),
                expected,
            );
        }
        check(|sink| sink.timestamp(Timestamp::from_millis(-1_500)), "-1.500");
    }

    #[test]
    fn an_output_is_printed_with_its_members_in_order_and_without_the_absent() {
        let detail = ImageDetail {
            repository_name: Some(RepositoryName::parse("demo").unwrap()),
            image_tags: Some(vec![ImageTag::parse("latest").unwrap()]),
            image_size_in_bytes: Some(5),
            image_pushed_at: Some(Timestamp::from_millis(1_500)),
            image_status: Some(ImageStatus::Active),
            ..ImageDetail::default()
        };
        let output = DescribeImagesOutput {
            image_details: Some(vec![detail]),
            next_token: None,
        };
        check(
            |sink| print::describe_images_output(sink, &output),
            r#"{"imageDetails":[{"repositoryName":"demo","imageTags":["latest"],"imageSizeInBytes":5,"imagePushedAt":1.500,"imageStatus":"ACTIVE"}]}"#,
        );
        let tag = Tag {
            key: "a".to_owned(),
            value: String::new(),
        };
        let output = ListTagsForResourceOutput {
            tags: Some(vec![tag]),
        };
        check(
            |sink| print::list_tags_for_resource_output(sink, &output),
            r#"{"tags":[{"Key":"a","Value":""}]}"#,
        );
        check(
            |sink| print::tag_resource_output(sink, &TagResourceOutput {}),
            "{}",
        );
    }
}
