//! `ecru backup`: makes a backup, whether or not a server runs on the data directory.

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
    /// Directory for the backup: an empty one, one that does not exist yet, or one with an earlier backup
    #[arg(value_name = "DIRECTORY", value_hint = ValueHint::DirPath)]
    to: PathBuf,

    #[command(flatten)]
    data: DataArguments,
}

pub(super) fn run(arguments: &BackupArguments) -> Outcome {
    let data = arguments.data.directory()?;
    // The server makes the backup, and its working directory may be another one.
    let to = std::path::absolute(&arguments.to).map_err(|error| {
        Failure::Work(format!(
            "`{}` is not the path of a directory: {error}",
            arguments.to.display()
        ))
    })?;
    end(ask(&data, &Task::Backup(to), &mut print))
}
