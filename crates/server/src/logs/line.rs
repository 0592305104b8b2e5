//! One line of fields, written by hand in the format of `tracing-subscriber`. Its visitors cost a small
//! request half as much as all its other work, this code a tenth.

use std::cell::Cell;
use std::io::Write;
use std::net::SocketAddr;

use jiff::Timestamp;

const TIME_ROOM: &[u8; 27] = b"0000-00-00T00:00:00.000000Z";
const SECOND_CHARACTERS: usize = 19;
const USUAL_BYTES: usize = 320;

/// The format of lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Text,
    /// Text with the colours of a terminal.
    Colored,
    Json,
}

/// The name of a field with the characters around it, for each style.
#[derive(Clone, Copy)]
pub(crate) struct Name {
    pub(crate) text: &'static str,
    pub(crate) colored: &'static str,
    pub(crate) json: &'static str,
}

macro_rules! name {
    ($name:literal) => {
        crate::logs::Name {
            text: concat!(" ", $name, "="),
            colored: concat!(" \x1b[3m", $name, "\x1b[0m\x1b[2m=\x1b[0m"),
            json: concat!(",\"", $name, "\":"),
        }
    };
}

pub(crate) use name;

pub(crate) struct Line {
    text: Vec<u8>,
    time_at: usize,
    style: Style,
}

impl Line {
    /// A line of level INFO. `end` fills in its time.
    pub(crate) fn begin(style: Style) -> Line {
        let (before, after) = match style {
            Style::Text => (&b""[..], &b"  INFO"[..]),
            Style::Colored => (&b"\x1b[2m"[..], &b"\x1b[0m \x1b[32m INFO\x1b[0m"[..]),
            Style::Json => (&b"{\"timestamp\":\""[..], &b"\",\"level\":\"INFO\""[..]),
        };
        let mut text = Vec::with_capacity(USUAL_BYTES);
        text.extend_from_slice(before);
        text.extend_from_slice(TIME_ROOM);
        text.extend_from_slice(after);
        Line {
            text,
            time_at: before.len(),
            style,
        }
    }

    fn name(&mut self, name: Name) {
        let name = match self.style {
            Style::Text => name.text,
            Style::Colored => name.colored,
            Style::Json => name.json,
        };
        self.text.extend_from_slice(name.as_bytes());
    }

    /// A value of plain characters. It is quoted only in JSON.
    pub(crate) fn word(&mut self, name: Name, value: &str) {
        self.name(name);
        self.quoted_in_json(|text| text.extend_from_slice(value.as_bytes()));
    }

    fn quoted_in_json(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let quotes = if self.style == Style::Json { "\"" } else { "" };
        self.text.extend_from_slice(quotes.as_bytes());
        write(&mut self.text);
        self.text.extend_from_slice(quotes.as_bytes());
    }

    /// Any text, quoted.
    pub(crate) fn text(&mut self, name: Name, value: &str) {
        self.name(name);
        let plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
        if value.bytes().all(plain) {
            self.text.push(b'"');
            self.text.extend_from_slice(value.as_bytes());
            self.text.push(b'"');
            return;
        }
        // Writing to memory does not fail, and any text can be printed as JSON.
        if self.style == Style::Json {
            let _ = serde_json::to_writer(&mut self.text, value);
        } else {
            let _ = write!(self.text, "{value:?}");
        }
    }

    pub(crate) fn number(&mut self, name: Name, value: u64) {
        self.name(name);
        push_decimal(&mut self.text, value, 1);
    }

    /// Milliseconds with the necessary decimals, at least one.
    pub(crate) fn milliseconds(&mut self, name: Name, microseconds: u64) {
        self.name(name);
        push_decimal(&mut self.text, microseconds / 1000, 1);
        self.text.push(b'.');
        match microseconds % 1000 {
            it if it % 100 == 0 => push_decimal(&mut self.text, it / 100, 1),
            it if it % 10 == 0 => push_decimal(&mut self.text, it / 10, 2),
            it => push_decimal(&mut self.text, it, 3),
        }
    }

    /// A number of at least eight hexadecimal digits, formatted as text.
    pub(crate) fn identifier(&mut self, name: Name, number: u64) {
        self.name(name);
        self.text.push(b'"');
        if let Ok(number) = u32::try_from(number) {
            let digits = [28, 24, 20, 16, 12, 8, 4, 0].map(|shift| hexadecimal_digit(number >> shift));
            self.text.extend_from_slice(&digits);
        } else {
            let _ = write!(self.text, "{number:x}");
        }
        self.text.push(b'"');
    }

    pub(crate) fn address(&mut self, name: Name, address: SocketAddr) {
        self.name(name);
        self.quoted_in_json(|text| match address {
            SocketAddr::V4(address) => {
                let [first, rest @ ..] = address.ip().octets();
                push_decimal(text, first.into(), 1);
                for octet in rest {
                    text.push(b'.');
                    push_decimal(text, octet.into(), 1);
                }
                text.push(b':');
                push_decimal(text, address.port().into(), 1);
            }
            SocketAddr::V6(address) => {
                let _ = write!(text, "{address}");
            }
        });
    }

    /// Returns the whole line with this time.
    pub(crate) fn end(mut self, at: Timestamp) -> Vec<u8> {
        let after = self.time_at + TIME_ROOM.len();
        if let Some(room) = self.text.get_mut(self.time_at..after) {
            write_time(room, at);
        }
        let end = if self.style == Style::Json { "}\n" } else { "\n" };
        self.text.extend_from_slice(end.as_bytes());
        self.text
    }
}

thread_local! {
    /// The second of the last line of this thread, and its text.
    static SECOND: Cell<(i64, [u8; SECOND_CHARACTERS])> = const { Cell::new((i64::MIN, [b'0'; SECOND_CHARACTERS])) };
}

fn write_time(room: &mut [u8], at: Timestamp) {
    let (second, text) = SECOND.get();
    let text = if second == at.as_second() {
        text
    } else {
        let text = second_text(at);
        SECOND.set((at.as_second(), text));
        text
    };
    let Some((seconds, rest)) = room.split_first_chunk_mut::<SECOND_CHARACTERS>() else {
        return;
    };
    *seconds = text;
    let mut microseconds = u64::try_from(at.subsec_microsecond()).unwrap_or_default();
    for digit in rest.iter_mut().rev().skip(1).take(6) {
        *digit = decimal_digit(microseconds);
        microseconds /= 10;
    }
}

fn second_text(at: Timestamp) -> [u8; SECOND_CHARACTERS] {
    let printed = Timestamp::from_second(at.as_second())
        .unwrap_or_default()
        .to_string();
    let text = printed.as_bytes().first_chunk::<SECOND_CHARACTERS>();
    text.copied().unwrap_or([b'0'; SECOND_CHARACTERS])
}

fn push_decimal(text: &mut Vec<u8>, mut value: u64, digits_min: usize) {
    let mut digits = [b'0'; 20];
    let mut used = 0;
    for digit in digits.iter_mut().rev() {
        if value == 0 && used >= digits_min {
            break;
        }
        *digit = decimal_digit(value);
        value /= 10;
        used += 1;
    }
    text.extend_from_slice(digits.get(digits.len() - used..).unwrap_or_default());
}

fn decimal_digit(value: u64) -> u8 {
    b'0' + u8::try_from(value % 10).unwrap_or_default()
}

fn hexadecimal_digit(value: u32) -> u8 {
    match u8::try_from(value & 0xf).unwrap_or_default() {
        digit @ 0..10 => b'0' + digit,
        letter => b'a' + (letter - 10),
    }
}
