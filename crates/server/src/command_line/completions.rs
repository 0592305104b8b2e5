//! `ecru completions`: prints the completion script of a shell.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::Args;
use clap_complete::Shell;

#[derive(Debug, Args)]
pub(super) struct CompletionsArguments {
    /// Shell to print the script for
    shell: Shell,
}

pub(super) fn run(arguments: &CompletionsArguments, mut command: clap::Command) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "ecru", &mut script);
    // A closed standard output is not an error.
    let _ = io::stdout().write_all(&script);
    ExitCode::SUCCESS
}
