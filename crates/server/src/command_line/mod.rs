//! The `ecru` command: what it is told, and a server from start to stop.

mod advisories;
mod arguments;
mod greeting;
mod public_endpoint;
mod serve;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use arguments::Arguments;
use clap::error::ErrorKind;

const BAD_ARGUMENTS: u8 = 2;

/// Runs the command of this process's arguments to its end.
pub fn run() -> ExitCode {
    let options = match Arguments::read(std::env::args_os()) {
        Ok(arguments) => match arguments.import() {
            Some(Ok((data, sources))) => return advisories::import(&data, sources),
            Some(Err(problem)) => Err(problem),
            None => arguments.into_options(),
        },
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            // Nobody is left to tell when standard output is closed.
            let _ = error.print();
            return ExitCode::SUCCESS;
        }
        Err(error) => Err(one_line(&error)),
    };
    match options {
        Ok((options, logging)) => serve::serve(options, logging),
        Err(problem) => {
            complain(&problem);
            ExitCode::from(BAD_ARGUMENTS)
        }
    }
}

fn complain(problem: &str) {
    let _ = writeln!(io::stderr(), "ecru: {problem}");
}

/// What is wrong, without the usage that follows it.
fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let problem: Vec<&str> = text
        .lines()
        .map(str::trim)
        .take_while(|line| !line.is_empty())
        .collect();
    problem.join(" ")
}
