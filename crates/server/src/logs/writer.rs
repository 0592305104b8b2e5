//! Writes log lines on a separate thread, so that requests do not wait for the reader of the log.

use std::{
    io::{self, Write},
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use tracing_subscriber::fmt::MakeWriter;

/// Room for about five thousand lines.
const WAITING_BYTES_MAX: usize = 1024 * 1024;
/// The most memory that is kept after a burst of lines.
const KEPT_BYTES_MAX: usize = 128 * 1024;
/// How long lines may be gathered before they are written. Waking a thread for each line would cost a request
/// more than the line itself.
const GATHERING: Duration = Duration::from_millis(5);
/// The longest that the end of the process waits for a log reader that has stopped reading.
const FINISH_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Clone)]
pub(super) struct LogWriter(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// Lines are stored in one buffer. Separate memory for each line would be allocated by one thread and freed
/// by another, which costs more than copying.
#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    lost: u64,
    thread: Activity,
    /// No more lines are gathered.
    finishing: bool,
}

/// The activity of the writing thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Activity {
    #[default]
    Gathering,
    /// The thread sleeps until there is a line, and must be woken.
    Idle,
    Writing,
    /// There is no thread.
    Absent,
}

impl State {
    fn has_work(&self) -> bool {
        !self.waiting.is_empty() || self.lost > 0
    }

    fn is_settled(&self) -> bool {
        match self.thread {
            Activity::Absent => true,
            Activity::Writing => false,
            Activity::Gathering | Activity::Idle => !self.has_work(),
        }
    }
}

impl LogWriter {
    pub(super) fn start(out: impl Write + Send + 'static) -> LogWriter {
        let shared = Arc::new(Shared::default());
        let written = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write_lines(&written, out));
        // Without the thread nothing is logged, but the server serves.
        if thread.is_err() {
            shared.lock().thread = Activity::Absent;
        }
        LogWriter(shared)
    }

    /// Takes one whole line. Never fails: lines without room are counted, and the count is written when there
    /// is room again.
    pub(super) fn push(&self, line: &[u8]) {
        let mut state = self.0.lock();
        let is_full = state.waiting.len() + line.len() > WAITING_BYTES_MAX;
        if is_full || state.thread == Activity::Absent {
            state.lost += 1;
            return;
        }
        state.waiting.extend_from_slice(line);
        if state.thread == Activity::Idle {
            state.thread = Activity::Gathering;
            drop(state);
            self.0.changed.notify_all();
        }
    }

    /// Waits until every line so far is written.
    pub(super) fn finish(&self) {
        let mut state = self.0.lock();
        state.finishing = true;
        self.0.changed.notify_all();
        let waited = self
            .0
            .changed
            .wait_timeout_while(state, FINISH_TIMEOUT, |state| !state.is_settled());
        drop(waited);
    }
}

impl Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(line);
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

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for lines and briefly for more, and takes them. Returns the number of lost lines.
    fn take(&self, batch: &mut Vec<u8>) -> u64 {
        let mut state = self.lock();
        state.thread = Activity::Idle;
        let mut state = self
            .changed
            .wait_while(state, |state| !state.has_work())
            .unwrap_or_else(PoisonError::into_inner);
        state.thread = Activity::Gathering;
        let (mut state, _) = self
            .changed
            .wait_timeout_while(state, GATHERING, |state| !state.finishing)
            .unwrap_or_else(PoisonError::into_inner);
        state.thread = Activity::Writing;
        mem::swap(&mut state.waiting, batch);
        mem::take(&mut state.lost)
    }

    fn written(&self) {
        self.lock().thread = Activity::Gathering;
        self.changed.notify_all();
    }
}

fn write_lines(shared: &Shared, mut out: impl Write) {
    let mut batch = Vec::new();
    loop {
        let lost = shared.take(&mut batch);
        if lost > 0 {
            let text = format!("{lost} log lines were lost: they arrived faster than they were read\n");
            batch.extend_from_slice(text.as_bytes());
        }
        let _ = out.write_all(&batch).and_then(|()| out.flush());
        batch.clear();
        batch.shrink_to(KEPT_BYTES_MAX);
        shared.written();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes nothing until it is opened.
    #[derive(Clone, Default)]
    struct Gate(Arc<Passage>);

    #[derive(Default)]
    struct Passage {
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
            let Passage {
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
        writer.push(b"four\n");
        writer.finish();
        assert_eq!(gate.text(), "one\ntwo\nthree\nfour\n");
    }

    #[test]
    fn nothing_is_lost_of_what_many_threads_write() {
        const LINES: usize = 2_000;
        let gate = Gate::default();
        gate.open();
        let writer = LogWriter::start(gate.clone());
        thread::scope(|scope| {
            for thread in 0..4 {
                let writer = &writer;
                scope.spawn(move || {
                    for number in 0..LINES {
                        writer.push(format!("{thread} {number}\n").as_bytes());
                    }
                });
            }
        });
        writer.finish();
        let text = gate.text();
        for thread in 0..4 {
            let own = text
                .lines()
                .filter_map(|line| line.strip_prefix(&format!("{thread} ")));
            let numbers = own.map(|number| number.parse::<usize>().expect("a number"));
            assert!(numbers.eq(0..LINES), "the lines of thread {thread}");
        }
    }

    #[test]
    fn a_reader_that_does_not_read_costs_lines_and_not_requests() {
        let gate = Gate::default();
        let writer = LogWriter::start(gate.clone());
        let sent = WAITING_BYTES_MAX / b"line\n".len() * 3;
        for _ in 0..sent {
            writer.push(b"line\n");
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

    #[test]
    fn a_reader_that_does_not_read_does_not_keep_the_process_from_ending() {
        let gate = Gate::default();
        let writer = LogWriter::start(gate.clone());
        writer.push(b"line\n");
        writer.finish();
        assert_eq!(gate.text(), "");
        gate.open();
    }
}
