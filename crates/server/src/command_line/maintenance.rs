//! `ecru gc`, `verify`, `backup` and `restore`: what they print, and their exit codes.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
};

use ecru_store::{Report, Restored};

use super::complain;
use crate::maintenance::{Ended, Task, ask, whole};

/// On a data directory, with or without a server that runs on it.
pub(super) fn gc(data: &Path) -> ExitCode {
    end(ask(data, &Task::Gc, &mut print))
}

pub(super) fn verify(data: &Path) -> ExitCode {
    end(ask(data, &Task::Verify, &mut print))
}

/// The server that makes the backup may have been started elsewhere.
pub(super) fn back_up(data: &Path, to: &Path) -> ExitCode {
    match std::path::absolute(to) {
        Ok(to) => end(ask(data, &Task::Backup(to), &mut print)),
        Err(error) => end(Ended::Failed(format!(
            "`{}` is no directory: {error}",
            to.display()
        ))),
    }
}

pub(super) fn restore(from: &Path, data: &Path) -> ExitCode {
    let (report, mut said) = Report::new();
    let (from, to): (PathBuf, PathBuf) = (from.to_owned(), data.to_owned());
    let working = thread::spawn(move || ecru_store::restore(&from, &to, &report));
    while let Some(line) = said.blocking_recv() {
        print(&line);
    }
    end(match working.join() {
        Ok(Ok(Restored {
            blobs,
            bytes,
            damaged,
        })) => {
            let sums = format!("restored {blobs} blobs of {bytes} bytes: {damaged} damaged");
            if damaged == 0 {
                Ended::Good(sums)
            } else {
                Ended::Damage(sums)
            }
        }
        Ok(Err(error)) => Ended::Failed(whole(&error)),
        Err(_) => Ended::Failed("the work panicked".to_owned()),
    })
}

fn end(ended: Ended) -> ExitCode {
    match ended {
        Ended::Good(sums) => {
            print(&sums);
            ExitCode::SUCCESS
        }
        Ended::Damage(sums) => {
            print(&sums);
            ExitCode::FAILURE
        }
        Ended::Failed(problem) => {
            complain(&problem);
            ExitCode::FAILURE
        }
    }
}

fn print(line: &str) {
    // Nobody is left to tell when standard output is closed.
    let _ = writeln!(io::stdout(), "{line}");
}
