//! `ecru restore`: restores a backup into an empty data directory.

use std::{
    path::{Path, PathBuf},
    thread,
};

use anyhow::Context as _;
use clap::{Args, ValueHint};
use ecru_kms::{KEY_FILE, MasterKey, copy_key_file, lost_keys};
use ecru_store::{Options, Report, Restored, Snapshot, Store};

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
    let working = {
        let (from, to) = (from.clone(), to.clone());
        thread::spawn(move || ecru_store::restore(&from, &to, &report))
    };
    while let Some(line) = said.blocking_recv() {
        print(&line);
    }
    end(match working.join() {
        Ok(Ok(restored)) => match restore_keys(&from, &to) {
            Ok(()) => restored_all(&restored),
            Err(error) => Ended::Failed(format!("the keys of KMS cannot be restored: {error:#}")),
        },
        Ok(Err(error)) => Ended::Failed(advice::on_restore(&error, &data)),
        Err(_) => Ended::Failed("the restore panicked".to_owned()),
    })
}

/// Restores the file of the master key, if the backup has it, and says which keys are lost without it.
fn restore_keys(from: &Path, to: &Path) -> anyhow::Result<()> {
    copy_key_file(from, to).with_context(|| format!("cannot copy `{KEY_FILE}`"))?;
    let file = to.join(KEY_FILE);
    let master = file.exists().then(|| MasterKey::read(&file)).transpose()?;
    let options = Options {
        directory: to.to_owned(),
        ephemeral: false,
    };
    let read = |at: &Snapshot<'_>| lost_keys(at, master.as_ref());
    let (_store, lost) = Store::open_and_read(&options, &[ecru_kms::MIGRATIONS], read)?;
    for key in &lost {
        print(&format!("the backup lacks the master key of {key}"));
    }
    if !lost.is_empty() {
        print(&format!(
            "these keys cannot be used until their master key is in `{}`, or given with `--master-key-file`",
            file.display()
        ));
    }
    Ok(())
}

fn restored_all(restored: &Restored) -> Ended {
    let Restored {
        blobs,
        bytes,
        damaged,
    } = restored;
    let sums = format!("restored the database and {blobs} blob files of {bytes} bytes: {damaged} damaged");
    if *damaged == 0 {
        Ended::Good(sums)
    } else {
        Ended::Damage(sums)
    }
}
