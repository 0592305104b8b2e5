//! Reads one HTTP/1.1 response after another from pieces of a stream.

use std::str;

use anyhow::{Context, Result, bail, ensure};

const HEAD_BYTES_MAX: usize = 64 << 10;
/// Bytes that are kept of a discarded body, so that a message can show what went wrong.
const REFUSAL_BYTES_MAX: usize = 4 << 10;

/// An answer whose body may have been discarded.
#[derive(Debug)]
pub(crate) struct Response<'a> {
    pub(crate) status: u16,
    head: &'a [u8],
    pub(crate) body: &'a [u8],
    pub(crate) body_bytes: u64,
}

impl Response<'_> {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(self.head, name)
    }

    pub(crate) fn expect(&self, status: u16) -> Result<()> {
        if self.status != status {
            // On one line, because it may become a note below the table.
            let body = String::from_utf8_lossy(self.body);
            let body = body.split_whitespace().collect::<Vec<_>>().join(" ");
            bail!("answered {} instead of {status}: {body}", self.status);
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Head,
    Sized(u64),
    ChunkLine,
    /// Remaining bytes of the chunk, including the line end after it.
    Chunk(u64),
    Trailer,
    Done,
}

#[derive(Debug)]
pub(crate) struct Reader {
    part: Part,
    head: Vec<u8>,
    line: Vec<u8>,
    body: Vec<u8>,
    body_bytes: u64,
    status: u16,
    keeps_body: bool,
    has_body: bool,
    pub(crate) closes: bool,
}

impl Reader {
    pub(crate) fn new() -> Self {
        Self {
            part: Part::Done,
            head: Vec::with_capacity(4096),
            line: Vec::new(),
            body: Vec::new(),
            body_bytes: 0,
            status: 0,
            keeps_body: false,
            has_body: true,
            closes: false,
        }
    }

    pub(crate) fn begin(&mut self, has_body: bool, keeps_body: bool) {
        self.part = Part::Head;
        self.head.clear();
        self.line.clear();
        self.body.clear();
        self.body_bytes = 0;
        self.has_body = has_body;
        self.keeps_body = keeps_body;
        self.closes = false;
    }

    pub(crate) fn is_done(&self) -> bool {
        self.part == Part::Done
    }

    pub(crate) fn response(&self) -> Response<'_> {
        Response {
            status: self.status,
            head: &self.head,
            body: &self.body,
            body_bytes: self.body_bytes,
        }
    }

    /// Number of next bytes that need not be read, only passed to `skip`.
    pub(crate) fn skippable(&self) -> u64 {
        match self.part {
            Part::Sized(left) if !self.keeps_body && self.status < 400 => left,
            _ => 0,
        }
    }

    pub(crate) fn skip(&mut self, count: u64) {
        if let Part::Sized(left) = self.part {
            self.body_bytes += count;
            self.part = after(left.saturating_sub(count), Part::Sized, Part::Done);
        }
    }

    pub(crate) fn feed(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            bytes = match self.part {
                Part::Head => self.feed_head(bytes)?,
                Part::Sized(left) => {
                    let (piece, rest) = split(bytes, left);
                    self.keep(piece);
                    self.part = after(left - piece.len() as u64, Part::Sized, Part::Done);
                    rest
                }
                Part::Chunk(left) => {
                    let (piece, rest) = split(bytes, left);
                    // The last two bytes are the line end.
                    let (data, _) = split(piece, left.saturating_sub(2));
                    self.keep(data);
                    self.part = after(left - piece.len() as u64, Part::Chunk, Part::ChunkLine);
                    rest
                }
                Part::ChunkLine | Part::Trailer => self.feed_line(bytes)?,
                Part::Done => bail!("{} bytes came after the end of the answer", bytes.len()),
            };
        }
        Ok(())
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.body_bytes += bytes.len() as u64;
        if self.keeps_body || self.body.len() < REFUSAL_BYTES_MAX && self.status >= 400 {
            self.body.extend_from_slice(bytes);
        }
    }

    fn feed_head<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8]> {
        let before = self.head.len();
        self.head.extend_from_slice(bytes);
        let searched = before.saturating_sub(3);
        let found = self
            .head
            .get(searched..)
            .and_then(|rest| rest.windows(4).position(|four| four == b"\r\n\r\n"));
        let Some(found) = found else {
            ensure!(
                self.head.len() < HEAD_BYTES_MAX,
                "the head of the answer has no end"
            );
            return Ok(&[]);
        };
        let end = searched + found + 4;
        self.head.truncate(end);
        self.understand_head()?;
        Ok(bytes.get(end - before..).unwrap_or_default())
    }

    fn understand_head(&mut self) -> Result<()> {
        let status = self
            .head
            .get(9..12)
            .and_then(|digits| str::from_utf8(digits).ok());
        self.status = status
            .and_then(|digits| digits.parse().ok())
            .context("the answer has no status")?;
        if self.status == 100 {
            self.head.clear();
            return Ok(());
        }
        let fields = Framing::of(&self.head)?;
        self.closes = match fields.keeps_alive {
            Some(keeps_alive) => !keeps_alive,
            None => self.head.starts_with(b"HTTP/1.0"),
        };
        self.part = match fields.size_bytes {
            _ if !self.has_body || matches!(self.status, 204 | 304) => Part::Done,
            _ if fields.chunked => Part::ChunkLine,
            Some(0) => Part::Done,
            Some(size) => Part::Sized(size),
            None => bail!("the answer does not state its length"),
        };
        Ok(())
    }

    fn feed_line<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8]> {
        let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
            self.line.extend_from_slice(bytes);
            return Ok(&[]);
        };
        let (line, rest) = bytes.split_at(end + 1);
        self.line.extend_from_slice(line);
        let text = str::from_utf8(&self.line)?.trim();
        self.part = if self.part == Part::Trailer {
            if text.is_empty() {
                Part::Done
            } else {
                Part::Trailer
            }
        } else {
            let digits = text.split(';').next().unwrap_or_default();
            match u64::from_str_radix(digits, 16).context("a chunk has no size")? {
                0 => Part::Trailer,
                size => Part::Chunk(size + 2),
            }
        };
        self.line.clear();
        Ok(rest)
    }
}

fn split(bytes: &[u8], at_most: u64) -> (&[u8], &[u8]) {
    let at = usize::try_from(at_most).map_or(bytes.len(), |it| it.min(bytes.len()));
    bytes.split_at(at)
}

fn after(left: u64, part: fn(u64) -> Part, next: Part) -> Part {
    if left == 0 { next } else { part(left) }
}

/// The three header fields that determine the end of an answer. One pass finds them, because every answer
/// needs them.
#[derive(Default)]
struct Framing {
    size_bytes: Option<u64>,
    chunked: bool,
    keeps_alive: Option<bool>,
}

impl Framing {
    fn of(head: &[u8]) -> Result<Self> {
        let mut found = Self::default();
        for (name, value) in fields(head) {
            let is = |wanted: &str| name.eq_ignore_ascii_case(wanted.as_bytes());
            match name.len() {
                10 if is("connection") => {
                    found.keeps_alive = match value.trim_ascii() {
                        it if it.eq_ignore_ascii_case(b"close") => Some(false),
                        it if it.eq_ignore_ascii_case(b"keep-alive") => Some(true),
                        _ => None,
                    };
                }
                14 if is("content-length") => {
                    found.size_bytes = Some(str::from_utf8(value.trim_ascii())?.parse()?);
                }
                17 if is("transfer-encoding") => {
                    found.chunked = value.trim_ascii().eq_ignore_ascii_case(b"chunked");
                }
                _ => {}
            }
        }
        Ok(found)
    }
}

fn fields(head: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let lines = head.split(|byte| *byte == b'\n').skip(1);
    lines.filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = line.split_at(colon);
        Some((name, value.get(1..)?))
    })
}

fn header<'a>(head: &'a [u8], name: &str) -> Option<&'a str> {
    let (_, value) = fields(head).find(|(found, _)| found.eq_ignore_ascii_case(name.as_bytes()))?;
    str::from_utf8(value).ok().map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks that the answer is the same however its bytes are split.
    #[track_caller]
    fn check(bytes: &[u8], status: u16, body: &[u8]) {
        for piece in [1, 2, 3, 7, bytes.len()] {
            let mut reader = Reader::new();
            reader.begin(true, true);
            for part in bytes.chunks(piece) {
                assert!(!reader.is_done());
                reader.feed(part).unwrap();
            }
            assert!(reader.is_done());
            assert_eq!(reader.response().status, status);
            assert_eq!(reader.response().body, body);
            assert_eq!(reader.response().body_bytes, body.len() as u64);
        }
    }

    #[test]
    fn a_body_ends_where_its_head_says() {
        check(
            b"HTTP/1.1 200 OK\r\ncontent-LENGTH: 5\r\n\r\nhello",
            200,
            b"hello",
        );
        check(b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"");
        check(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1;x=y\r\n!\r\n0\r\n\r\n",
            200,
            b"hello!",
        );
        check(
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n",
            201,
            b"",
        );
    }

    #[test]
    fn the_answer_to_a_head_request_has_no_body() {
        let mut reader = Reader::new();
        reader.begin(false, true);
        reader
            .feed(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
            .unwrap();
        assert!(reader.is_done());
        assert!(reader.feed(b"x").is_err());
    }

    #[test]
    fn a_body_that_nobody_keeps_is_counted() {
        let mut reader = Reader::new();
        reader.begin(true, false);
        reader
            .feed(b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhe")
            .unwrap();
        assert_eq!(reader.skippable(), 3);
        reader.skip(3);
        assert!(reader.is_done() && reader.closes);
        assert_eq!(reader.response().body_bytes, 5);
    }
}
