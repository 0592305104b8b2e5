//! A body's JSON as it comes in, of which the layer part is decoded at once: it is most of the body, and is never held twice.
//!
//! Only whole groups of plain base64 are decoded here. All else (its end, escaped letters, what is no base64) stays
//! in the text, and is read with it: what is taken and what is refused does not depend on how a body arrives.

use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};

/// Stands in the text for what was decoded before it. It is no letter of base64.
pub(crate) const DECODED: char = '*';

/// Memory of this size the allocator takes from the system by itself and gives back at once; smaller memory it keeps
/// for later. What is not written to is not there.
const LARGE_BLOB_BYTES: usize = 33 * 1024 * 1024;

const GROUP_LETTERS: usize = 4;
/// So many pass through the text, which has to grow for them.
const LETTERS_AT_ONCE: usize = 64 * 1024;

#[derive(Default)]
pub(crate) struct Document {
    /// The JSON, without the base64 that was decoded.
    pub(crate) text: Vec<u8>,
    blob_start: Vec<u8>,
    /// The member that is decoded.
    member: &'static str,
    blob: Blob,
}

#[derive(Clone, Copy, Default)]
enum Blob {
    #[default]
    None,
    Ahead,
    /// The part that is not decoded begins here in the text.
    At(usize),
    Behind,
}

impl Document {
    /// A body whose member of this name is to be decoded as it arrives, if there is one.
    pub(crate) fn new(streamed: Option<&'static str>) -> Document {
        Document {
            text: Vec::new(),
            blob_start: Vec::new(),
            member: streamed.unwrap_or_default(),
            blob: streamed.map_or(Blob::None, |_| Blob::Ahead),
        }
    }

    /// Makes room for a large body, where most of it will be held.
    pub(crate) fn reserve(&mut self, bytes: usize) {
        match self.blob {
            Blob::Ahead | Blob::At(_) => self
                .blob_start
                .reserve_exact(LARGE_BLOB_BYTES.saturating_sub(self.blob_start.len())),
            Blob::None | Blob::Behind => self.text.reserve_exact(bytes.saturating_sub(self.text.len())),
        }
    }

    /// The decoded bytes of the base64 that `DECODED` replaces in the text.
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

    /// Gives back what begins with the blob's base64, or has no quote.
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

    /// Gives back what is behind the blob's base64.
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

    /// Whether all that may be decoded was base64. The last group is left, because it may be padded, or not be whole.
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

/// Whether the text ends with the quote that opens the blob's value. What only ends with the same letters as the
/// blob's name may be decoded too: its member is of no interest.
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
            // The second of two is the one that counts, and stays as it came.
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
