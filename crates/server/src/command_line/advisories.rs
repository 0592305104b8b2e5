//! `ecru advisories import`: loads what a scan holds against the packages of an image.

use std::{
    fs::DirBuilder,
    io::{self, Write},
    os::unix::fs::DirBuilderExt,
    path::Path,
    process::ExitCode,
};

use anyhow::Context;
use ecru_scanner::{Advisories, Imported};

use super::complain;

/// Also while a server runs on the same directory.
pub(super) fn import(data: &Path, sources: &[std::path::PathBuf]) -> ExitCode {
    match load(data, sources) {
        Ok(imported) => {
            let mut out = io::stdout();
            // Nobody is left to tell when standard output is closed.
            let _ = writeln!(out, "imported {} advisories", imported.advisories);
            if let Some(problem) = imported.first_refusal {
                complain(&format!(
                    "{} documents are no advisories and were left out; the first is {problem}",
                    imported.refused
                ));
            }
            let nothing = imported.advisories == 0 && imported.refused > 0;
            if nothing {
                ExitCode::FAILURE
            } else {
                ExitCode::SUCCESS
            }
        }
        Err(error) => {
            complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn load(data: &Path, sources: &[std::path::PathBuf]) -> anyhow::Result<Imported> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(data);
    made.with_context(|| format!("cannot make the data directory `{}`", data.display()))?;
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
