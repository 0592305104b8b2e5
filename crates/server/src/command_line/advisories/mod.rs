//! `ecru advisories`: load what a scan holds against the packages of an image.

mod import;
mod progress;
mod update;

use std::{fs::DirBuilder, os::unix::fs::DirBuilderExt, path::Path};

use anyhow::Context;
use clap::Subcommand;
use ecru_store::Store;

use import::ImportArguments;
use update::UpdateArguments;

use super::{
    Outcome,
    output::{complain, print},
};
use crate::maintenance::{Ended, Task, ask};

pub(super) use update::parse_archives;

#[derive(Debug, Subcommand)]
pub(super) enum AdvisoriesCommand {
    /// Load advisories in the OSV format: JSON files, zip files of them, or directories of both; also while the
    /// server runs
    Import(ImportArguments),

    /// Fetch the advisories of the ecosystems that the stored images use; also while the server runs
    ///
    /// Each archive is checked before it takes the place of the one before; a download that was cut off is continued.
    /// `HTTPS_PROXY` and `NO_PROXY` are respected.
    Update(UpdateArguments),
}

impl AdvisoriesCommand {
    pub(super) fn run(self) -> Outcome {
        match self {
            Self::Import(arguments) => import::run(&arguments),
            Self::Update(arguments) => update::run(&arguments),
        }
    }
}

/// Has the scans repeated that lacked advisories. Whether there are any.
fn scan_again(data: &Path) -> bool {
    if !has_registry(data) {
        return false;
    }
    match ask(data, &Task::ScanAgain, &mut complain) {
        Ended::Good(count) if count == "0" => false,
        Ended::Good(count) => {
            print(&format!("scans that lacked advisories and are repeated: {count}"));
            true
        }
        Ended::Damage(problem) | Ended::Failed(problem) => {
            complain(&format!(
                "scans that lacked advisories cannot be repeated: {problem}"
            ));
            false
        }
    }
}

/// Advisories may be loaded before there is one.
fn has_registry(data: &Path) -> bool {
    Store::is_in(data)
}

fn make_directory(data: &Path) -> anyhow::Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(data);
    made.with_context(|| {
        format!(
            "cannot make the data directory `{}` (`--data-dir`)",
            data.display()
        )
    })
}
