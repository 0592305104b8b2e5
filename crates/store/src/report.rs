//! Sends the findings of long work, line by line, to a client that waits for it.

use tokio::sync::mpsc;

use crate::StoreError;

/// Lines that wait to be read. The work waits while the queue is full.
const LINES_MAX: usize = 64;

/// The sending end. The work ends once the receiving end is gone.
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

    /// Like `say`, for a thread that may block.
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
