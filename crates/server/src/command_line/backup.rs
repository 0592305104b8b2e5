//! `ecru backup`: makes a backup, with or without a server that runs on the data directory.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::{
    Failure, Outcome,
    data::DataArguments,
    output::{end, print},
};
use crate::maintenance::{Task, ask};

#[derive(Debug, Args)]
pub(super) struct BackupArguments {
    /// Where the backup is to be: an empty directory, one to be made, or one with a backup
    #[arg(value_name = "DIRECTORY", value_hint = ValueHint::DirPath)]
    to: PathBuf,

    #[command(flatten)]
    data: DataArguments,
}

pub(super) fn run(arguments: &BackupArguments) -> Outcome {
    let data = arguments.data.directory()?;
    // The server that makes the backup may have been started in another directory.
    let to = std::path::absolute(&arguments.to).map_err(|error| {
        Failure::Work(format!(
            "`{}` is not the path of a directory: {error}",
            arguments.to.display()
        ))
    })?;
    end(ask(&data, &Task::Backup(to), &mut print))
}
