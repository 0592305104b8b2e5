//! The `ecru` command: what it is told, and a server from start to stop.

mod advisories;
mod arguments;
mod greeting;
mod maintenance;
mod progress;
mod public_endpoint;
mod serve;
mod values;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use arguments::{Arguments, Work};
use clap::error::ErrorKind;

const BAD_ARGUMENTS: u8 = 2;

/// Runs the command of this process's arguments to its end.
pub fn run() -> ExitCode {
    let options = match Arguments::read(std::env::args_os()) {
        Ok(arguments) => match arguments.work() {
            Ok(Some(work)) => return work_on(&work),
            Ok(None) => arguments.into_options(),
            Err(problem) => Err(problem),
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

fn work_on(work: &Work<'_>) -> ExitCode {
    match work {
        Work::Import { data, sources } => advisories::import(data, sources),
        Work::Update {
            data,
            from,
            ecosystems,
        } => advisories::update(data, from, ecosystems),
        Work::Gc { data } => maintenance::gc(data),
        Work::Verify { data } => maintenance::verify(data),
        Work::Backup { data, to } => maintenance::back_up(data, to),
        Work::Restore { from, data } => maintenance::restore(from, data),
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
