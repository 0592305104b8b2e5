//! One log line for each request, written when its answer has been sent or was given up.

use std::{net::SocketAddr, time::Instant};

use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};

use crate::logs::{self, Line, RequestLines, name};

const TARGET_HEADER: &str = "x-amz-target";
const REQUEST_ID_HEADER: &str = "x-amzn-requestid";
const OPERATION_CHARACTERS_MAX: usize = 80;

/// The content of the line. It contains no secret: no header except the target's operation, and no query.
pub(crate) struct RequestLine(Box<Pending>);

struct Pending {
    lines: &'static RequestLines,
    /// The part of the line that is already known.
    line: Option<Line>,
    begun: Instant,
    rest: Rest,
}

/// The values that are known at the end.
#[derive(Clone)]
struct Rest {
    status: StatusCode,
    bytes_out: u64,
    duration_microseconds: u64,
    request_id: RequestId,
    peer: SocketAddr,
}

#[derive(Clone)]
enum RequestId {
    Number(u64),
    Answered(HeaderValue),
}

impl RequestLine {
    /// `None` if the line would not be written, so that a server without request logs has no cost.
    pub(crate) fn begin<B>(request: &Request<B>, peer: SocketAddr, number: u64) -> Option<RequestLine> {
        let lines = logs::request_lines()?;
        let (path, operation) = (request.uri().path(), operation(request.headers()));
        Some(RequestLine(Box::new(Pending {
            lines,
            line: Some(begin_line(lines.begin(), request.method(), path, operation)),
            begun: Instant::now(),
            rest: Rest {
                status: StatusCode::OK,
                bytes_out: 0,
                duration_microseconds: 0,
                request_id: RequestId::Number(number),
                peer,
            },
        })))
    }

    pub(crate) fn answered(&mut self, status: StatusCode, headers: &HeaderMap) {
        self.0.rest.status = status;
        if let Some(id) = headers.get(REQUEST_ID_HEADER) {
            self.0.rest.request_id = RequestId::Answered(id.clone());
        }
    }

    pub(crate) fn sent(&mut self, bytes: u64) {
        self.0.rest.bytes_out += bytes;
    }
}

fn operation(headers: &HeaderMap) -> Option<&str> {
    let target = headers.get(TARGET_HEADER)?.to_str().ok()?;
    let (_, operation) = target.rsplit_once('.')?;
    let plain =
        operation.len() <= OPERATION_CHARACTERS_MAX && operation.bytes().all(|b| b.is_ascii_alphanumeric());
    plain.then_some(operation)
}

impl Drop for RequestLine {
    fn drop(&mut self) {
        let pending = &mut *self.0;
        let nanoseconds = pending.begun.elapsed().as_nanos();
        pending.rest.duration_microseconds = u64::try_from((nanoseconds + 500) / 1000).unwrap_or(u64::MAX);
        if let Some(line) = pending.line.take() {
            pending.lines.write(end_line(line, &pending.rest));
        }
    }
}

fn begin_line(mut line: Line, method: &Method, path: &str, operation: Option<&str>) -> Line {
    line.word(name!("method"), method.as_str());
    line.text(name!("path"), path);
    if let Some(operation) = operation {
        line.text(name!("operation"), operation);
    }
    line
}

fn end_line(mut line: Line, rest: &Rest) -> Line {
    line.number(name!("status"), rest.status.as_u16().into());
    line.number(name!("bytes_out"), rest.bytes_out);
    line.milliseconds(name!("duration_ms"), rest.duration_microseconds);
    match &rest.request_id {
        RequestId::Number(number) => line.identifier(name!("request_id"), *number),
        RequestId::Answered(id) => line.text(name!("request_id"), id.to_str().unwrap_or_default()),
    }
    line.address(name!("peer"), rest.peer);
    line
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use jiff::Timestamp;
    use tracing_subscriber::layer::{Layer, SubscriberExt};

    use super::*;
    use crate::logs::Style;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("a lock").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The same line through tracing, which writes all other lines.
    fn traced(style: Style, (method, path, operation): (&Method, &str, Option<&str>), rest: &Rest) -> String {
        let written = Written::default();
        let output = written.clone();
        let lines = tracing_subscriber::fmt::layer()
            .with_writer(move || output.clone())
            .with_target(false);
        let lines = match style {
            Style::Text => lines.with_ansi(false).boxed(),
            Style::Colored => lines.with_ansi(true).boxed(),
            Style::Json => lines.json().flatten_event(true).boxed(),
        };
        let request_id = match &rest.request_id {
            RequestId::Number(number) => format!("{number:08x}"),
            RequestId::Answered(id) => id.to_str().expect("text").to_owned(),
        };
        #[expect(clippy::cast_precision_loss, reason = "no request takes so long")]
        let duration_ms = rest.duration_microseconds as f64 / 1e3;
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), || {
            tracing::info!(
                %method,
                path,
                operation,
                status = rest.status.as_u16(),
                bytes_out = rest.bytes_out,
                duration_ms,
                request_id,
                peer = %rest.peer,
            );
        });
        let bytes = written.0.lock().expect("a lock").clone();
        String::from_utf8(bytes).expect("text")
    }

    /// Removes the time from a line, and checks that it is a valid time.
    fn without_time(style: Style, line: &str) -> String {
        let at = match style {
            Style::Text => 0,
            Style::Colored => 4,
            Style::Json => 14,
        };
        let (before, rest) = line.split_at(at);
        let (time, after) = rest.split_at(27);
        let parsed: Timestamp = time.parse().expect(time);
        assert_eq!(format!("{parsed:.6}"), time);
        format!("{before}{after}")
    }

    #[track_caller]
    fn check(asked: (&Method, &str, Option<&str>), rest: &Rest) {
        let (method, path, operation) = asked;
        for style in [Style::Text, Style::Colored, Style::Json] {
            let line = begin_line(Line::begin(style), method, path, operation);
            let line = end_line(line, rest).end(Timestamp::UNIX_EPOCH);
            let line = String::from_utf8(line).expect("text");
            let expected = traced(style, asked, rest);
            assert_eq!(without_time(style, &line), without_time(style, &expected));
        }
    }

    #[test]
    fn a_line_is_as_tracing_would_write_it() {
        let usual = Rest {
            status: StatusCode::OK,
            bytes_out: 0,
            duration_microseconds: 0,
            request_id: RequestId::Number(7),
            peer: SocketAddr::from(([127, 0, 0, 1], 80)),
        };
        let uuid = HeaderValue::from_static("2b0d7b60-0a53-4ac4-9d0e-3dd1a9e7b1c4");
        for rest in [
            usual.clone(),
            Rest {
                status: StatusCode::NOT_FOUND,
                bytes_out: u64::MAX,
                request_id: RequestId::Answered(uuid),
                peer: SocketAddr::from(([255, 10, 0, 199], 65_535)),
                ..usual.clone()
            },
            Rest {
                request_id: RequestId::Number(u64::MAX),
                peer: "[2001:db8::1]:4566".parse().expect("an address"),
                ..usual.clone()
            },
        ] {
            check((&Method::GET, "/v2/", None), &rest);
            check((&Method::POST, "/", Some("DescribeImages")), &rest);
        }
        for duration_microseconds in [1, 10, 100, 120, 123, 1_000, 1_001, 12_340, 999_999, 3_600_000_000] {
            let rest = Rest {
                duration_microseconds,
                ..usual.clone()
            };
            check((&Method::GET, "/v2/", None), &rest);
        }
        for path in [
            "/\"",
            "/\\",
            "/\u{e4}\u{1f980}",
            "/\u{80}\u{9f}",
            "/~!$&'()*+,;=:@%22",
            "",
        ] {
            check((&Method::DELETE, path, None), &usual);
        }
        let own = Method::from_bytes(b"M-SEARCH~").expect("a method");
        check((&own, "/", None), &usual);
    }

    #[test]
    fn a_line_has_the_time_of_its_end() {
        for time in [
            "2026-11-30T18:25:27.123456Z",
            "2026-11-30T18:25:27.000000Z",
            "2026-11-30T18:25:27.999999Z",
            "2026-12-01T00:00:00.000001Z",
            "1970-01-01T00:00:00.500000Z",
        ] {
            let at = time.parse().expect("a time");
            let line = String::from_utf8(Line::begin(Style::Text).end(at)).expect("text");
            assert_eq!(line, format!("{time}  INFO\n"));
        }
    }
}
