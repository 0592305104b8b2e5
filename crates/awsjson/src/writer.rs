//! Writes JSON text member by member, without building a tree of it first.

use std::collections::BTreeMap;

use ecru_model::Timestamp;

const FIRST_BYTES: usize = 512;
/// A list that grows longer is moved as it grows.
const LIST_RESERVE_BYTES_MAX: usize = 128 * 1024;

pub(crate) fn write<T>(value: &T, print: fn(&mut Writer, &T)) -> Vec<u8> {
    let mut writer = Writer::new();
    print(&mut writer, value);
    writer.finish()
}

pub(crate) struct Writer {
    text: Vec<u8>,
}

impl Writer {
    pub(crate) fn new() -> Self {
        Self {
            text: Vec::with_capacity(FIRST_BYTES),
        }
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.text
    }

    pub(crate) fn object(&mut self, members: impl FnOnce(&mut Self)) {
        self.text.push(b'{');
        members(self);
        self.text.push(b'}');
    }

    pub(crate) fn list<T>(&mut self, elements: &[T], print: impl Fn(&mut Self, &T)) {
        self.text.push(b'[');
        let first = self.text.len();
        for (printed, element) in elements.iter().enumerate() {
            if printed == 1 {
                // The others will be about as long.
                let length = (self.text.len() - first + 8) * elements.len();
                self.text.reserve(length.min(LIST_RESERVE_BYTES_MAX));
            }
            self.separate();
            print(self, element);
        }
        self.text.push(b']');
    }

    pub(crate) fn map<T>(&mut self, entries: &BTreeMap<String, T>, print: impl Fn(&mut Self, &T)) {
        self.object(|writer| {
            for (key, value) in entries {
                writer.separate();
                writer.text(key);
                writer.text.push(b':');
                print(writer, value);
            }
        });
    }

    /// The name of a member of the model, which needs no escapes.
    pub(crate) fn name(&mut self, name: &'static str) {
        self.separate();
        self.text.push(b'"');
        self.text.extend_from_slice(name.as_bytes());
        self.text.extend_from_slice(b"\":");
    }

    /// A value ends in any other byte than these two, so they tell whether one stands before.
    fn separate(&mut self) {
        if !matches!(self.text.last(), Some(b'{' | b'[')) {
            self.text.push(b',');
        }
    }

    pub(crate) fn text(&mut self, text: &str) {
        // Looks at all of it, as many bytes at once are faster than to stop at the first that needs an escape.
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

    /// A value that is JSON already.
    pub(crate) fn json(&mut self, json: &str) {
        self.text.extend_from_slice(json.as_bytes());
    }

    pub(crate) fn boolean(&mut self, boolean: bool) {
        self.text
            .extend_from_slice(if boolean { b"true" } else { b"false" });
    }

    pub(crate) fn integer(&mut self, number: i64) {
        self.append(|out| serde_json::to_writer(out, &number).map_err(Into::into));
    }

    pub(crate) fn double(&mut self, number: f64) {
        self.append(|out| serde_json::to_writer(out, &number).map_err(Into::into));
    }

    /// Seconds since 1970 with the milliseconds as a fraction.
    pub(crate) fn timestamp(&mut self, moment: Timestamp) {
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

    fn append(&mut self, write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) {
        let written = write(&mut self.text);
        assert!(written.is_ok(), "writing to memory does not fail");
    }
}

#[cfg(test)]
mod tests {
    use ecru_model::{
        DescribeImagesOutput, ImageDetail, ImageStatus, ImageTag, ListTagsForResourceOutput, RepositoryName,
        Tag, TagResourceOutput,
    };

    use super::*;
    use crate::generated::print;

    #[track_caller]
    fn check(print: impl FnOnce(&mut Writer), expected: &str) {
        let mut writer = Writer::new();
        print(&mut writer);
        assert_eq!(String::from_utf8(writer.finish()).unwrap(), expected);
    }

    #[test]
    fn members_and_elements_are_separated_by_commas() {
        check(
            |writer| {
                writer.object(|writer| {
                    writer.name("empty");
                    writer.object(|_| {});
                    writer.name("list");
                    writer.list(&[1, 2, 3], |writer, number| writer.integer(*number));
                    writer.name("none");
                    writer.list(&[0; 0], |writer, number| writer.integer(*number));
                    writer.name("map");
                    let entries = BTreeMap::from([("a\"".to_owned(), true), ("b".to_owned(), false)]);
                    writer.map(&entries, |writer, boolean| writer.boolean(*boolean));
                });
            },
            r#"{"empty":{},"list":[1,2,3],"none":[],"map":{"a\"":true,"b":false}}"#,
        );
    }

    #[test]
    fn text_is_escaped() {
        check(|writer| writer.text("a\"\\\n\u{1}é{"), r#""a\"\\\n\u0001é{""#);
    }

    #[test]
    fn a_text_that_ends_in_a_bracket_is_still_followed_by_a_comma() {
        check(
            |writer| writer.list(&["{", "["], |writer, text| writer.text(text)),
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
                |writer| writer.timestamp(Timestamp::from_millis(milliseconds)),
                expected,
            );
        }
        check(
            |writer| writer.timestamp(Timestamp::from_millis(-1_500)),
            "-1.500",
        );
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
            |writer| print::describe_images_output(writer, &output),
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
            |writer| print::list_tags_for_resource_output(writer, &output),
            r#"{"tags":[{"Key":"a","Value":""}]}"#,
        );
        check(
            |writer| print::tag_resource_output(writer, &TagResourceOutput {}),
            "{}",
        );
    }
}
