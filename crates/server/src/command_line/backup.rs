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

    /// Include the file that decrypts the keys of KMS
    #[arg(long)]
    with_keys: bool,

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
    let task = if arguments.with_keys {
        Task::BackupWithKeys(to)
    } else {
        Task::Backup(to)
    };
    end(ask(&data, &task, &mut print))
}
