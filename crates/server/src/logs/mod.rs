//! Log lines on standard error, for people or for machines.

mod writer;

use std::io::IsTerminal;

use tracing_subscriber::{
    filter::Targets,
    layer::{Layer, SubscriberExt},
    util::SubscriberInitExt,
};

use writer::LogWriter;

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

/// The last lines are written out when this is dropped.
pub(crate) struct Logs(LogWriter);

impl Drop for Logs {
    fn drop(&mut self) {
        self.0.finish();
    }
}

impl Logging {
    /// Sends what this process logs to standard error from here on.
    pub(crate) fn start(self) -> Logs {
        let writer = LogWriter::start(std::io::stderr());
        let lines = tracing_subscriber::fmt::layer()
            .with_writer(writer.clone())
            .with_target(false);
        let lines = match self.format {
            Format::Text => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
            Format::Json => lines.json().flatten_event(true).boxed(),
        };
        // Only fails when a subscriber is set already, which then is the one to keep.
        let _ = tracing_subscriber::registry()
            .with(lines)
            .with(self.level)
            .try_init();
        std::panic::set_hook(Box::new(|panic| {
            let location = panic.location().map(ToString::to_string);
            let text = panic.payload_as_str().unwrap_or("no text");
            tracing::error!(location, panic = text, "a thread panicked");
        }));
        Logs(writer)
    }
}
