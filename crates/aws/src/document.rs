//! Collects the JSON of a body as it arrives. The base64 of a layer part is decoded at once: it is most of
//! the body, and keeping both forms would double the memory.
//!
//! Only whole groups of plain base64 are decoded here. Everything else (the last group, escaped letters,
//! invalid base64) stays in the text, and the parser reads it there. The result therefore does not depend on
//! how the body is split into pieces.

use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};

/// Marks the place of the decoded base64 in the text. The character is not in the base64 alphabet.
pub(crate) const DECODED: char = '*';

/// The allocator maps memory of this size directly from the system and returns it as soon as it is freed. It
/// would keep smaller memory. Pages that are never written take no memory.
const LARGE_BLOB_BYTES: usize = 33 * 1024 * 1024;

const GROUP_LETTERS: usize = 4;
/// Letters that are appended to the text before they are decoded. They bound the growth of the text.
const LETTERS_AT_ONCE: usize = 64 * 1024;

#[derive(Default)]
pub(crate) struct Document {
    /// The JSON without the decoded base64.
    pub(crate) text: Vec<u8>,
    blob_start: Vec<u8>,
    /// The member whose base64 is decoded.
    member: &'static str,
    blob: Blob,
}

#[derive(Clone, Copy, Default)]
enum Blob {
    #[default]
    None,
    Ahead,
    /// The rest of the blob, which is not decoded yet, begins here in the text.
    At(usize),
    Behind,
}

impl Document {
    /// An empty document. `streamed` names the member to decode on arrival, if there is one.
    pub(crate) fn new(streamed: Option<&'static str>) -> Document {
        Document {
            text: Vec::new(),
            blob_start: Vec::new(),
            member: streamed.unwrap_or_default(),
            blob: streamed.map_or(Blob::None, |_| Blob::Ahead),
        }
    }

    /// Reserves memory for a large body, in the buffer that will hold most of it.
    pub(crate) fn reserve(&mut self, bytes: usize) {
        match self.blob {
            Blob::Ahead | Blob::At(_) => self
                .blob_start
                .reserve_exact(LARGE_BLOB_BYTES.saturating_sub(self.blob_start.len())),
            Blob::None | Blob::Behind => self.text.reserve_exact(bytes.saturating_sub(self.text.len())),
        }
    }

    /// Takes the decoded bytes that `DECODED` replaces in the text.
    pub(crate) fn take_blob_start(&mut self) -> Option<Vec<u8>> {
        match self.blob {
            Blob::At(_) | Blob::Behind => Some(std::mem::take(&mut self.blob_start)),
            Blob::None | Blob::Ahead => None,
        }
    }

    pub(crate) fn push(&mut self, mut data: &[u8]) {
        if let Blob::Ahead = self.blob {
            data = self.push_until_blob(data);
        }
        if let Blob::At(start) = self.blob {
            data = self.push_blob(start, data);
        }
        self.text.extend_from_slice(data);
    }

    /// Returns the data from the blob's base64 on. Without a blob, it returns the data behind the last quote.
    fn push_until_blob<'d>(&mut self, mut data: &'d [u8]) -> &'d [u8] {
        while let Some(quote) = data.iter().position(|byte| *byte == b'"') {
            let (until_quote, rest) = data.split_at(quote + 1);
            self.text.extend_from_slice(until_quote);
            data = rest;
            if opens_blob(&self.text, self.member) {
                self.text.extend(DECODED.to_string().bytes());
                self.blob = Blob::At(self.text.len());
                break;
            }
        }
        data
    }

    /// Returns the data behind the blob's base64.
    fn push_blob<'d>(&mut self, start: usize, data: &'d [u8]) -> &'d [u8] {
        let end = data.iter().position(|byte| matches!(byte, b'"' | b'\\'));
        let (letters, rest) = data.split_at(end.unwrap_or(data.len()));
        let mut is_plain = true;
        for letters in letters.chunks(LETTERS_AT_ONCE) {
            self.text.extend_from_slice(letters);
            is_plain = is_plain && self.decode_groups(start);
        }
        if !is_plain || end.is_some() {
            self.blob = Blob::Behind;
        }
        rest
    }

    /// Returns whether the groups were valid base64. The last group stays in the text, because it may be
    /// padded or incomplete.
    fn decode_groups(&mut self, start: usize) -> bool {
        let letters = self.text.get(start..).unwrap_or_default();
        let whole = letters.len().saturating_sub(1) / GROUP_LETTERS * GROUP_LETTERS;
        let groups = letters.get(..whole).unwrap_or_default();
        let decoded_before = self.blob_start.len();
        let is_plain = BASE64_STANDARD_NO_PAD
            .decode_vec(groups, &mut self.blob_start)
            .is_ok();
        if is_plain {
            self.text.drain(start..start + whole);
        } else {
            self.blob_start.truncate(decoded_before);
        }
        is_plain
    }
}

/// Whether the text ends with the quote that opens the blob's value. A longer name with the same end may
/// match too. That is harmless, because no input has such a member.
fn opens_blob(text: &[u8], member: &str) -> bool {
    let name = text
        .strip_suffix(b"\"")
        .map(<[u8]>::trim_ascii_end)
        .and_then(|text| text.strip_suffix(b":"))
        .map(<[u8]>::trim_ascii_end);
    let name = name
        .and_then(|text| text.strip_suffix(b"\""))
        .and_then(|text| text.strip_suffix(member.as_bytes()));
    name.is_some_and(|text| text.ends_with(b"\""))
}

#[cfg(test)]
mod tests {
    use base64::prelude::BASE64_STANDARD;
    use proptest::prelude::*;

    use super::*;

    fn pushed(pieces: &[&[u8]]) -> Document {
        let mut document = Document::new(Some("layerPartBlob"));
        for piece in pieces {
            document.push(piece);
        }
        document
    }

    #[track_caller]
    fn check(text: &str, expected_text: &str, expected_start: &[u8]) {
        let letters: Vec<[u8; 1]> = text.bytes().map(|byte| [byte]).collect();
        let letters: Vec<&[u8]> = letters.iter().map(<[u8; 1]>::as_slice).collect();
        for document in [pushed(&[text.as_bytes()]), pushed(&letters)] {
            assert_eq!(
                (
                    str::from_utf8(&document.text).unwrap(),
                    document.blob_start.as_slice()
                ),
                (expected_text, expected_start),
                "{text}"
            );
        }
    }

    #[test]
    fn the_last_group_of_the_blob_stays_in_the_text() {
        let cases: [(&str, &str, &[u8]); 7] = [
            (
                r#"{"layerPartBlob":"bGF5ZXI="}"#,
                r#"{"layerPartBlob":"*ZXI="}"#,
                b"lay",
            ),
            (
                r#"{"layerPartBlob" : "bGF5bGF5"}"#,
                r#"{"layerPartBlob" : "*bGF5"}"#,
                b"lay",
            ),
            (r#"{"layerPartBlob":"bGF5"}"#, r#"{"layerPartBlob":"*bGF5"}"#, b""),
            (r#"{"layerPartBlob":""}"#, r#"{"layerPartBlob":"*"}"#, b""),
            (r#"{"layerPartBlob":null}"#, r#"{"layerPartBlob":null}"#, b""),
            // The second of two equal members counts, and it stays undecoded.
            (
                r#"{"layerPartBlob":"bGF5bGF5","layerPartBlob":"bGF5bGF5"}"#,
                r#"{"layerPartBlob":"*bGF5","layerPartBlob":"bGF5bGF5"}"#,
                b"lay",
            ),
            (
                r#"{"uploadId":"layerPartBlob","a":"b"}"#,
                r#"{"uploadId":"layerPartBlob","a":"b"}"#,
                b"",
            ),
        ];
        for (text, expected, start) in cases {
            check(text, expected, start);
        }
    }

    #[test]
    fn what_is_no_plain_base64_stays_from_there_on() {
        let text = r#"{"layerPartBlob":"bGF5bGF5b\/F5bGF5"}"#;
        check(text, r#"{"layerPartBlob":"*b\/F5bGF5"}"#, b"laylay");
        check("{\"layerPartBlob\":\"bGF5", "{\"layerPartBlob\":\"*bGF5", b"");
        let padded_inside = pushed(&[br#"{"layerPartBlob":"bA==bGF5bGF5"}"#]);
        assert!(padded_inside.blob_start.is_empty());
    }

    #[test]
    fn other_operations_keep_their_text() {
        let text = br#"{"layerPartBlob":"bGF5bGF5"}"#;
        let mut document = Document::new(None);
        document.push(text);
        assert_eq!(
            (document.text.as_slice(), document.blob_start.len()),
            (&text[..], 0)
        );
    }

    proptest! {
        #[test]
        fn however_a_part_arrives_it_is_decoded_once(
            bytes in prop::collection::vec(any::<u8>(), 0..400),
            pieces in prop::collection::vec(1_usize..60, 1..20),
        ) {
            let encoded = BASE64_STANDARD.encode(&bytes);
            let text = format!(r#"{{"partFirstByte":0,"layerPartBlob":"{encoded}","uploadId":"a"}}"#);
            let mut document = Document::new(Some("layerPartBlob"));
            let mut rest = text.as_bytes();
            for length in pieces.iter().cycle() {
                let (piece, behind) = rest.split_at(rest.len().min(*length));
                document.push(piece);
                rest = behind;
                if rest.is_empty() {
                    break;
                }
            }
            let left = encoded.len() - document.blob_start.len() / 3 * 4;
            prop_assert!(left <= GROUP_LETTERS && document.blob_start.len().is_multiple_of(3));
            prop_assert!(bytes.starts_with(&document.blob_start));
            let end = &encoded[encoded.len() - left..];
            let expected = format!(r#"{{"partFirstByte":0,"layerPartBlob":"*{end}","uploadId":"a"}}"#);
            prop_assert_eq!(document.text, expected.into_bytes());
        }
    }
}
