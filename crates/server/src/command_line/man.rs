//! `ecru man`: writes the manual pages, one for each command.

use std::{fs, path::PathBuf, process::ExitCode};

use clap::{Args, ValueHint};

use super::{Failure, Outcome, output::print};

#[derive(Debug, Args)]
pub(super) struct ManArguments {
    /// Directory for the pages, such as `~/.local/share/man/man1`; created if it does not exist
    #[arg(value_name = "DIRECTORY", value_hint = ValueHint::DirPath)]
    to: PathBuf,
}

pub(super) fn run(arguments: &ManArguments, command: clap::Command) -> Outcome {
    let to = &arguments.to;
    let written = fs::create_dir_all(to).and_then(|()| clap_mangen::generate_to(command, to));
    written.map_err(|error| {
        Failure::Work(format!(
            "cannot write manual pages to `{}`: {error}; name a directory that you can write to",
            to.display()
        ))
    })?;
    print(&format!("read them with `man {}`", to.join("ecru.1").display()));
    Ok(ExitCode::SUCCESS)
}
