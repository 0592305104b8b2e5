//! Log lines on standard error, for people or for machines.

mod line;
mod writer;

use std::io::IsTerminal;
use std::sync::OnceLock;

use jiff::Timestamp;
use tracing::Level;

use tracing_subscriber::{
    filter::Targets,
    layer::{Layer, SubscriberExt},
    util::SubscriberInitExt,
};

use writer::LogWriter;

pub(crate) use line::{Line, Name, Style, name};

/// The target of lines about requests, in filters.
const REQUEST_TARGET: &str = "ecru::request";

/// Set if lines about requests are enabled.
static REQUEST_LINES: OnceLock<RequestLines> = OnceLock::new();

/// The output for lines about requests, which do not pass through tracing.
pub(crate) struct RequestLines {
    writer: LogWriter,
    style: Style,
}

/// `None` if lines about requests are disabled.
pub(crate) fn request_lines() -> Option<&'static RequestLines> {
    REQUEST_LINES.get()
}

impl RequestLines {
    pub(crate) fn begin(&self) -> Line {
        Line::begin(self.style)
    }

    pub(crate) fn write(&self, line: Line) {
        self.writer.push(&line.end(Timestamp::now()));
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    Json,
}

#[derive(Clone, Debug)]
pub(crate) struct Logging {
    pub(crate) level: Targets,
    pub(crate) format: Format,
}

/// Dropping this writes the last lines.
pub(crate) struct Logs(LogWriter);

impl Drop for Logs {
    fn drop(&mut self) {
        self.0.finish();
    }
}

impl Logging {
    /// From here on, sends the logs of this process to standard error.
    pub(crate) fn start(self) -> Logs {
        let writer = LogWriter::start(std::io::stderr());
        let style = match self.format {
            Format::Text if std::io::stderr().is_terminal() => Style::Colored,
            Format::Text => Style::Text,
            Format::Json => Style::Json,
        };
        let lines = tracing_subscriber::fmt::layer()
            .with_writer(writer.clone())
            .with_target(false);
        let lines = match style {
            Style::Text | Style::Colored => lines.with_ansi(style == Style::Colored).boxed(),
            Style::Json => lines.json().flatten_event(true).boxed(),
        };
        let wants_requests = self.level.would_enable(REQUEST_TARGET, &Level::INFO);
        let started = tracing_subscriber::registry()
            .with(lines)
            .with(self.level)
            .try_init();
        // Fails only if a subscriber is already set, which then stays.
        if started.is_ok() && wants_requests {
            let writer = writer.clone();
            let _ = REQUEST_LINES.set(RequestLines { writer, style });
        }
        std::panic::set_hook(Box::new(|panic| {
            let location = panic.location().map(ToString::to_string);
            let text = panic.payload_as_str().unwrap_or("no text");
            tracing::error!(location, panic = text, "a thread panicked");
        }));
        Logs(writer)
    }
}
