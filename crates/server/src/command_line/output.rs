//! Prints the output of commands: results on standard output, problems on standard error.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use super::{Failure, Outcome};
use crate::maintenance::Ended;

pub(super) fn print(line: &str) {
    // A closed standard output is not an error.
    let _ = writeln!(io::stdout(), "{line}");
}

pub(super) fn complain(problem: &str) {
    let _ = writeln!(io::stderr(), "ecru: {problem}");
}

/// Prints the last line of a task. Damage has an exit code of its own, because it is a result and not a
/// failure.
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
