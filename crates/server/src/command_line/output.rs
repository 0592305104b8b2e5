//! What commands print: lines on standard output, complaints on standard error.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use super::{Failure, Outcome};
use crate::maintenance::Ended;

pub(super) fn print(line: &str) {
    // Nobody reads it when standard output is closed.
    let _ = writeln!(io::stdout(), "{line}");
}

pub(super) fn complain(problem: &str) {
    let _ = writeln!(io::stderr(), "ecru: {problem}");
}

/// Prints the last line about a task. Damage is a result and has a separate exit code.
pub(super) fn end(ended: Ended) -> Outcome {
    match ended {
        Ended::Good(sums) => {
            print(&sums);
            Ok(ExitCode::SUCCESS)
        }
        Ended::Damage(sums) => {
            print(&sums);
            Ok(ExitCode::FAILURE)
        }
        Ended::Failed(problem) => Err(Failure::Work(problem)),
    }
}
