//! Where long work says what it finds, line by line, to somebody who waits for it.

use tokio::sync::mpsc;

use crate::StoreError;

/// Lines that wait to be read; the work waits with them.
const LINES_MAX: usize = 64;

/// The saying end. Once nobody listens any more, the work ends.
#[derive(Clone)]
pub struct Report {
    lines: mpsc::Sender<String>,
}

impl Report {
    pub fn new() -> (Report, mpsc::Receiver<String>) {
        let (lines, heard) = mpsc::channel(LINES_MAX);
        (Report { lines }, heard)
    }

    pub async fn say(&self, line: impl Into<String>) -> Result<(), StoreError> {
        self.lines
            .send(line.into())
            .await
            .map_err(|_| StoreError::Unheard)
    }

    /// As `say`, on a thread that may wait.
    pub fn say_blocking(&self, line: impl Into<String>) -> Result<(), StoreError> {
        self.lines
            .blocking_send(line.into())
            .map_err(|_| StoreError::Unheard)
    }

    pub fn check_heard(&self) -> Result<(), StoreError> {
        if self.lines.is_closed() {
            return Err(StoreError::Unheard);
        }
        Ok(())
    }
}
