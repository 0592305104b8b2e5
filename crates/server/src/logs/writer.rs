//! Log lines on their way out: a thread writes them, so that no request waits for whoever reads them.

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel},
    },
    thread,
    time::Duration,
};

use tracing_subscriber::fmt::MakeWriter;

const LINES_WAITING_MAX: usize = 4096;
/// How long lines may be gathered before they are written: waking a thread for each would cost a request more
/// than its line does.
const GATHERING: Duration = Duration::from_millis(5);
const BATCH_BYTES_MAX: usize = 64 * 1024;
/// A reader that has stopped reading does not keep the process from ending.
const FINISH_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Clone)]
pub(super) struct LogWriter {
    lines: SyncSender<Message>,
    lost: Arc<AtomicU64>,
}

enum Message {
    Line(Box<[u8]>),
    Finish(Sender<()>),
}

impl LogWriter {
    pub(super) fn start(out: impl Write + Send + 'static) -> LogWriter {
        let (lines, waiting) = sync_channel(LINES_WAITING_MAX);
        let lost = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&lost);
        // Without the thread nothing is logged: every line is counted as lost, and the server serves.
        let _ = thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write_lines(&waiting, &counted, out));
        LogWriter { lines, lost }
    }

    /// Waits until every line so far is written.
    pub(super) fn finish(&self) {
        let (done, finished) = channel();
        if self.lines.send(Message::Finish(done)).is_ok() {
            let _ = finished.recv_timeout(FINISH_TIMEOUT);
        }
    }
}

impl Write for LogWriter {
    /// Takes one whole line. Never fails: there is nobody to tell.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match self.lines.try_send(Message::Line(line.into())) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for LogWriter {
    type Writer = LogWriter;

    fn make_writer(&self) -> LogWriter {
        self.clone()
    }
}

fn write_lines(waiting: &Receiver<Message>, lost: &AtomicU64, mut out: impl Write) {
    let mut batch = Vec::new();
    while let Ok(first) = waiting.recv() {
        let mut finished = Vec::new();
        if matches!(first, Message::Line(_)) {
            thread::sleep(GATHERING);
        }
        let mut next = Some(first);
        while let Some(message) = next {
            match message {
                Message::Line(line) => batch.extend_from_slice(&line),
                Message::Finish(done) => finished.push(done),
            }
            next = if batch.len() < BATCH_BYTES_MAX {
                waiting.try_recv().ok()
            } else {
                None
            };
        }
        let count = lost.swap(0, Ordering::Relaxed);
        if count > 0 {
            batch.extend_from_slice(
                format!("{count} log lines were lost: they came faster than they are read\n").as_bytes(),
            );
        }
        let _ = out.write_all(&batch).and_then(|()| out.flush());
        batch.clear();
        for done in finished {
            let _ = done.send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Condvar, Mutex};

    use super::*;

    /// Writes nothing until it is opened.
    #[derive(Clone, Default)]
    struct Gate(Arc<State>);

    #[derive(Default)]
    struct State {
        open: Mutex<bool>,
        opened: Condvar,
        written: Mutex<Vec<u8>>,
    }

    impl Gate {
        fn open(&self) {
            *self.0.open.lock().expect("a lock") = true;
            self.0.opened.notify_all();
        }

        fn text(&self) -> String {
            String::from_utf8(self.0.written.lock().expect("a lock").clone()).expect("text")
        }
    }

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let State {
                open,
                opened,
                written,
            } = &*self.0;
            drop(
                opened
                    .wait_while(open.lock().expect("a lock"), |open| !*open)
                    .expect("a lock"),
            );
            written.lock().expect("a lock").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_are_written_in_order_before_the_end() {
        let gate = Gate::default();
        gate.open();
        let mut writer = LogWriter::start(gate.clone());
        for line in ["one\n", "two\n", "three\n"] {
            writer.write_all(line.as_bytes()).expect("a line");
        }
        writer.finish();
        assert_eq!(gate.text(), "one\ntwo\nthree\n");
    }

    #[test]
    fn a_reader_that_does_not_read_costs_lines_and_not_requests() {
        let gate = Gate::default();
        let mut writer = LogWriter::start(gate.clone());
        let sent = LINES_WAITING_MAX * 3;
        for _ in 0..sent {
            writer.write_all(b"line\n").expect("a line");
        }
        gate.open();
        writer.finish();
        let text = gate.text();
        let written = text.lines().filter(|line| *line == "line").count();
        let counts = text
            .lines()
            .filter_map(|line| line.split_once(" log lines were lost"));
        let lost: usize = counts
            .map(|(count, _)| count.parse::<usize>().expect("a number"))
            .sum();
        assert!(lost > 0);
        assert_eq!(written + lost, sent);
    }
}
