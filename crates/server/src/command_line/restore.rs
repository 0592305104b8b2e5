//! `ecru restore`: restores a backup into an empty data directory.

use std::{path::PathBuf, thread};

use clap::{Args, ValueHint};
use ecru_store::{Report, Restored};

use super::{
    Outcome,
    data::DataArguments,
    output::{end, print},
};
use crate::{advice, maintenance::Ended};

#[derive(Debug, Args)]
pub(super) struct RestoreArguments {
    /// Directory that holds the backup
    #[arg(value_name = "DIRECTORY", value_hint = ValueHint::DirPath)]
    from: PathBuf,

    #[command(flatten)]
    data: DataArguments,
}

pub(super) fn run(arguments: &RestoreArguments) -> Outcome {
    let (from, to) = (arguments.from.clone(), arguments.data.directory()?);
    let data = to.clone();
    let (report, mut said) = Report::new();
    let working = thread::spawn(move || ecru_store::restore(&from, &to, &report));
    while let Some(line) = said.blocking_recv() {
        print(&line);
    }
    end(match working.join() {
        Ok(Ok(restored)) => restored_all(&restored),
        Ok(Err(error)) => Ended::Failed(advice::on_restore(&error, &data)),
        Err(_) => Ended::Failed("the restore panicked".to_owned()),
    })
}

fn restored_all(restored: &Restored) -> Ended {
    let Restored {
        blobs,
        bytes,
        damaged,
    } = restored;
    let sums = format!("restored {blobs} blobs of {bytes} bytes: {damaged} damaged");
    if *damaged == 0 {
        Ended::Good(sums)
    } else {
        Ended::Damage(sums)
    }
}
