//! `ecru advisories import`: loads advisories from files, also while a server runs on the same directory.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use clap::{Args, ValueHint};
use ecru_scanner::{Advisories, Imported};

use super::{make_directory, scan_again};
use crate::command_line::{
    Failure, Outcome,
    data::DataArguments,
    output::{complain, print},
};

#[derive(Debug, Args)]
pub(in crate::command_line) struct ImportArguments {
    #[command(flatten)]
    data: DataArguments,

    /// Files or directories of advisories, such as the `all.zip` of an ecosystem at osv.dev
    #[arg(required = true, value_name = "FILE OR DIRECTORY", value_hint = ValueHint::AnyPath)]
    sources: Vec<PathBuf>,
}

pub(super) fn run(arguments: &ImportArguments) -> Outcome {
    let data = arguments.data.directory()?;
    let imported = load(&data, &arguments.sources).map_err(|error| Failure::Work(format!("{error:#}")))?;
    print(&format!("imported {} advisories", imported.advisories));
    if imported.advisories > 0 {
        scan_again(&data);
    }
    if let Some(problem) = imported.first_refusal {
        complain(&format!(
            "{} documents are not advisories and were skipped; the first is {problem}",
            imported.refused
        ));
    }
    let nothing = imported.advisories == 0 && imported.refused > 0;
    Ok(if nothing {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn load(data: &Path, sources: &[PathBuf]) -> anyhow::Result<Imported> {
    make_directory(data)?;
    let advisories = Advisories::open(data, None)
        .with_context(|| format!("cannot open the advisories in `{}`", data.display()))?;
    let mut total = Imported::default();
    for source in sources {
        let imported = advisories.import(source)?;
        total.advisories += imported.advisories;
        total.refused += imported.refused;
        total.first_refusal = total.first_refusal.or(imported.first_refusal);
    }
    Ok(total)
}
