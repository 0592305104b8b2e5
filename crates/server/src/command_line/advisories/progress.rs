//! Shows the progress of downloads: a changing line on a terminal, and one line per download elsewhere.

use std::{
    io::{self, IsTerminal, Write},
    time::{Duration, Instant},
};

const EVERY: Duration = Duration::from_millis(100);
const BAR_CELLS: usize = 24;
const CLEAR: &str = "\r\x1b[K";

pub(super) struct Progress {
    on_terminal: bool,
    /// The subject and the time of the last line.
    shown: Option<(String, Instant)>,
}

impl Progress {
    pub(super) fn new() -> Progress {
        Progress {
            on_terminal: io::stderr().is_terminal(),
            shown: None,
        }
    }

    pub(super) fn show(&mut self, name: &str, bytes: u64, length: Option<u64>) {
        let before = self.shown.as_ref().filter(|(shown, _)| shown == name);
        if before.is_some_and(|(_, at)| !self.on_terminal || at.elapsed() < EVERY) {
            return;
        }
        self.shown = Some((name.to_owned(), Instant::now()));
        if self.on_terminal {
            print(&format!("{CLEAR}{}", bar(name, bytes, length)));
        } else {
            let size = length.map_or(String::new(), |length| format!(" ({})", mebibytes(length)));
            print(&format!("fetching {name}{size}\n"));
        }
    }

    /// Prints a line that stays.
    pub(super) fn say(&mut self, line: &str) {
        self.clear();
        print(&format!("{line}\n"));
    }

    /// Removes the progress line, so that other output can be printed.
    pub(super) fn clear(&mut self) {
        if self.on_terminal && self.shown.take().is_some() {
            print(CLEAR);
        }
    }
}

fn print(text: &str) {
    let mut err = io::stderr();
    // A closed standard error must not end the download.
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}

fn bar(name: &str, bytes: u64, length: Option<u64>) -> String {
    let Some(length) = length.filter(|length| *length > 0) else {
        return format!("{name} {}", mebibytes(bytes));
    };
    let part = |of: usize| {
        let part = u128::from(bytes.min(length)) * of as u128 / u128::from(length);
        usize::try_from(part).unwrap_or(of)
    };
    let full = part(BAR_CELLS);
    let cells = "#".repeat(full) + &" ".repeat(BAR_CELLS - full);
    format!("{name} [{cells}] {:>3} % of {}", part(100), mebibytes(length))
}

pub(super) fn mebibytes(bytes: u64) -> String {
    let tenths = bytes.saturating_mul(10) >> 20;
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_says_how_much_of_what_has_come() {
        assert_eq!(
            bar("npm", 3 << 20, Some(12 << 20)),
            "npm [######                  ]  25 % of 12.0 MiB"
        );
        assert_eq!(
            bar("npm", 1 << 20, Some(1 << 20)),
            "npm [########################] 100 % of 1.0 MiB"
        );
        assert_eq!(bar("npm", 1_600_000, None), "npm 1.5 MiB");
        assert_eq!(bar("npm", 5, Some(0)), "npm 0.0 MiB");
    }
}
