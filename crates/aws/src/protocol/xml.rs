//! Writes XML element by element, for the query protocol.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use ecru_model::Timestamp;
use ecru_platform::wire::{List, Member, Sink};

const FIRST_BYTES: usize = 512;

pub(crate) struct XmlSink {
    text: String,
    /// The element around the next value. The outermost object has none.
    next: Option<Element>,
}

#[derive(Clone, Copy)]
struct Element {
    name: &'static str,
    list: List,
}

impl Element {
    /// An element in which a list uses the default element names.
    const fn plain(name: &'static str) -> Self {
        let list = List::USUAL;
        Self { name, list }
    }
}

impl XmlSink {
    pub(crate) fn new() -> Self {
        Self {
            text: String::with_capacity(FIRST_BYTES),
            next: None,
        }
    }

    pub(crate) fn finish(self) -> String {
        self.text
    }

    fn take_next(&mut self) -> Element {
        self.next.take().unwrap_or(Element::plain(List::USUAL.element))
    }

    fn within(&mut self, name: &str, write: impl FnOnce(&mut Self)) {
        self.text.extend(["<", name, ">"]);
        write(self);
        self.text.extend(["</", name, ">"]);
    }

    /// Writes an element with this text, which needs no escapes.
    fn plain(&mut self, text: &str) {
        let name = self.take_next().name;
        self.within(name, |sink| sink.text.push_str(text));
    }

    fn each<T>(&mut self, name: &'static str, elements: &[T], print: impl Fn(&mut Self, &T)) {
        for element in elements {
            self.next = Some(Element::plain(name));
            print(self, element);
        }
    }
}

/// Appends text. Escapes the characters that have a meaning in XML, and replaces characters that XML does not
/// allow.
pub(crate) fn escape(into: &mut String, text: &str) {
    for letter in text.chars() {
        match letter {
            '&' => into.push_str("&amp;"),
            '<' => into.push_str("&lt;"),
            '>' => into.push_str("&gt;"),
            '"' => into.push_str("&quot;"),
            // An XML parser would read it as a line feed.
            '\r' => into.push_str("&#xD;"),
            '\t' | '\n' => into.push(letter),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => into.push('\u{fffd}'),
            _ => into.push(letter),
        }
    }
}

impl Sink for XmlSink {
    fn object(&mut self, members: impl FnOnce(&mut Self)) {
        match self.next.take() {
            Some(element) => self.within(element.name, members),
            None => members(self),
        }
    }

    fn name(&mut self, member: &'static Member) {
        let Member { name, list, .. } = *member;
        self.next = Some(Element { name, list });
    }

    fn list<T>(&mut self, elements: &[T], print: impl Fn(&mut Self, &T)) {
        let Element { name, list } = self.take_next();
        if list.flattened {
            self.each(name, elements, print);
        } else {
            self.within(name, |sink| sink.each(list.element, elements, print));
        }
    }

    fn map<T>(&mut self, entries: &BTreeMap<String, T>, print: impl Fn(&mut Self, &T)) {
        let name = self.take_next().name;
        self.within(name, |sink| {
            for (key, value) in entries {
                sink.within("entry", |sink| {
                    sink.within("key", |sink| escape(&mut sink.text, key));
                    sink.next = Some(Element::plain("value"));
                    print(sink, value);
                });
            }
        });
    }

    fn text(&mut self, text: &str) {
        let name = self.take_next().name;
        self.within(name, |sink| escape(&mut sink.text, text));
    }

    fn json(&mut self, json: &str) {
        self.text(json);
    }

    fn boolean(&mut self, boolean: bool) {
        self.plain(if boolean { "true" } else { "false" });
    }

    fn integer(&mut self, number: i64) {
        self.plain(&number.to_string());
    }

    fn double(&mut self, number: f64) {
        self.plain(&number.to_string());
    }

    /// ISO 8601 in UTC, with milliseconds where there are any.
    fn timestamp(&mut self, moment: Timestamp) {
        self.plain(&moment.to_string());
    }

    fn blob(&mut self, bytes: &[u8]) {
        self.plain(&BASE64_STANDARD.encode(bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAGS: Member = Member::new("Tags", "tags");
    const FLAT: Member = Member::new("Tag", "tags").listed(List {
        element: "member",
        flattened: true,
    });

    fn printed(print: impl FnOnce(&mut XmlSink)) -> String {
        let mut sink = XmlSink::new();
        sink.object(print);
        sink.finish()
    }

    #[test]
    fn members_are_elements_and_lists_have_elements_of_their_own() {
        let text = printed(|sink| {
            sink.name(const { &TAGS });
            sink.list(&["a", ""], |sink, text| sink.text(text));
            sink.name(const { &FLAT });
            sink.list(&[1, 2], |sink, number| sink.integer(*number));
            sink.name(const { &TAGS });
            sink.list(&[true], |sink, boolean| {
                sink.object(|sink| {
                    sink.name(const { &TAGS });
                    sink.boolean(*boolean);
                });
            });
        });
        assert_eq!(
            text,
            "<Tags><member>a</member><member></member></Tags><Tag>1</Tag><Tag>2</Tag>\
             <Tags><member><Tags>true</Tags></member></Tags>"
        );
    }

    #[test]
    fn maps_are_entries_of_key_and_value() {
        let entries = BTreeMap::from([("a<".to_owned(), 1)]);
        let text = printed(|sink| {
            sink.name(const { &TAGS });
            sink.map(&entries, |sink, number| sink.integer(*number));
        });
        assert_eq!(
            text,
            "<Tags><entry><key>a&lt;</key><value>1</value></entry></Tags>"
        );
    }

    #[test]
    fn letters_that_mean_something_are_escaped_and_forbidden_ones_replaced() {
        let mut text = String::new();
        escape(&mut text, "a&<>\"\r\n\u{1}é");
        assert_eq!(text, "a&amp;&lt;&gt;&quot;&#xD;\n\u{fffd}é");
    }

    #[test]
    fn times_are_iso_8601() {
        for (milliseconds, expected) in [
            (1_767_225_600_000, "2026-01-01T00:00:00Z"),
            (1_767_225_600_500, "2026-01-01T00:00:00.5Z"),
        ] {
            let text = printed(|sink| {
                sink.name(const { &TAGS });
                sink.timestamp(Timestamp::from_millis(milliseconds));
            });
            assert_eq!(text, format!("<Tags>{expected}</Tags>"));
        }
    }
}
