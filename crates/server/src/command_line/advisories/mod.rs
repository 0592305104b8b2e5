//! `ecru advisories`: loads the security advisories that scans use.

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
    /// Load advisories in the OSV format from JSON files, zip files or directories; works beside a running
    /// server
    Import(ImportArguments),

    /// Fetch the advisories of the ecosystems that the stored images use; works beside a running server
    ///
    /// Each archive is checked before it replaces the installed one. An interrupted download continues where
    /// it ended. `HTTPS_PROXY` and `NO_PROXY` are respected.
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

/// Repeats the scans that lacked advisories. Returns whether there were any.
fn scan_again(data: &Path) -> bool {
    if !has_registry(data) {
        return false;
    }
    match ask(data, &Task::ScanAgain, &mut complain) {
        Ended::Good(count) if count == "0" => false,
        Ended::Good(count) => {
            print(&format!(
                "scans to repeat, because they lacked advisories: {count}"
            ));
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

/// Advisories may be loaded before the directory holds a registry.
fn has_registry(data: &Path) -> bool {
    Store::is_in(data)
}

fn make_directory(data: &Path) -> anyhow::Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(data);
    made.with_context(|| {
        format!(
            "cannot create the data directory `{}` (`--data-dir`)",
            data.display()
        )
    })
}
