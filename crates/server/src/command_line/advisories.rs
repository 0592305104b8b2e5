//! `ecru advisories import` and `update`: load what a scan holds against the packages of an image.

use std::{
    fs::DirBuilder,
    io::{self, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use clap::{Args, Subcommand};
use ecru_outbound::Url;
use ecru_scanner::{Advisories, Ecosystem, Imported};
use tokio::runtime::Builder;

use super::{
    arguments::DataArguments,
    complain,
    progress::{Progress, mebibytes},
};
use crate::{
    advisories::{Outcome, PUBLISHED_AT, Step, update as update_all},
    maintenance::{Ended, Task, ask},
};

const NEXT: &str = "Scan an image, for example with\n  \
    aws --endpoint-url http://localhost:4566 ecr start-image-scan --repository-name demo --image-id imageTag=latest";

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

#[derive(Debug, Args)]
pub(super) struct UpdateArguments {
    #[command(flatten)]
    pub(super) data: DataArguments,

    /// Where the archives of advisories are: `<URL>/<ecosystem>/all.zip`
    #[arg(long, env = "ECRU_ADVISORIES_FROM", value_name = "URL", default_value = PUBLISHED_AT)]
    #[arg(value_parser = parse_archives)]
    pub(super) from: Url,

    /// An ecosystem in the words of OSV, such as `Debian:12`, `Alpine:v3.19`, `PyPI` or `npm`; may be given again
    /// [default: those of the images that are stored]
    #[arg(long = "ecosystem", value_name = "NAME", value_parser = str::parse::<Ecosystem>)]
    pub(super) ecosystems: Vec<Ecosystem>,
}

#[derive(Debug, Args)]
pub(super) struct ImportArguments {
    #[command(flatten)]
    pub(super) data: DataArguments,

    /// Where the advisories are, such as the `all.zip` of an ecosystem at osv.dev
    #[arg(required = true, value_name = "FILE OR DIRECTORY")]
    pub(super) sources: Vec<PathBuf>,
}

/// Also while a server runs on the same directory.
pub(super) fn import(data: &Path, sources: &[PathBuf]) -> ExitCode {
    match load(data, sources) {
        Ok(imported) => {
            say_out(&format!("imported {} advisories", imported.advisories));
            if imported.advisories > 0 {
                scan_again(data);
            }
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

/// Fetches those of the named ecosystems, or of all that the stored images use; also while a server runs.
pub(super) fn update(data: &Path, from: &Url, named: &[Ecosystem]) -> ExitCode {
    match try_to_update(data, from, named) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Whether all is well: of ecosystems that nobody named, some may have no advisories.
fn try_to_update(data: &Path, from: &Url, named: &[Ecosystem]) -> anyhow::Result<bool> {
    let ecosystems = if named.is_empty() {
        of_stored_images(data)?
    } else {
        make_directory(data)?;
        named.to_vec()
    };
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("cannot start a runtime")?;
    let mut progress = Progress::new();
    let mut say = |step: Step<'_>| report(&mut progress, &step, from);
    let outcomes = runtime.block_on(update_all(data, from, &ecosystems, &mut say))?;
    let here = |outcome: &Outcome| matches!(outcome, Outcome::Loaded { .. } | Outcome::Unchanged);
    let may_be_absent = named.is_empty() && outcomes.iter().any(here);
    if outcomes
        .iter()
        .any(|outcome| matches!(outcome, Outcome::Loaded { .. }))
        && !scan_again(data)
    {
        say_out(NEXT);
    }
    Ok(outcomes
        .iter()
        .all(|outcome| here(outcome) || may_be_absent && matches!(outcome, Outcome::Absent)))
}

/// Asks the server that runs on the directory, or looks here where none does.
fn of_stored_images(data: &Path) -> anyhow::Result<Vec<Ecosystem>> {
    const HINT: &str =
        "name ecosystems, as in `ecru advisories update --ecosystem Debian:12 --ecosystem PyPI`";
    let found = if has_registry(data) {
        match ask(data, &Task::Ecosystems, &mut complain) {
            Ended::Good(names) => Ecosystem::choose(names.lines().filter_map(|name| name.parse().ok())),
            Ended::Damage(problem) | Ended::Failed(problem) => anyhow::bail!(
                "cannot look at the images that are stored in `{}`: {problem}; {HINT}",
                data.display()
            ),
        }
    } else {
        Vec::new()
    };
    anyhow::ensure!(
        !found.is_empty(),
        "no image with packages is stored in `{}`, so no ecosystem is known: push an image first, or {HINT}",
        data.display()
    );
    Ok(found)
}

/// Has the scans repeated that lacked advisories. Whether there are any.
fn scan_again(data: &Path) -> bool {
    if !has_registry(data) {
        return false;
    }
    match ask(data, &Task::ScanAgain, &mut complain) {
        Ended::Good(count) if count == "0" => false,
        Ended::Good(count) => {
            say_out(&format!("scans that lacked advisories and are repeated: {count}"));
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
    data.join("ecru.sqlite").exists()
}

fn report(progress: &mut Progress, step: &Step<'_>, from: &Url) {
    match step {
        Step::Fetching {
            archive,
            bytes,
            length,
        } => progress.show(archive.as_str(), *bytes, *length),
        Step::Interrupted(archive, problem) => progress.say(&format!("{archive}: {problem}; continuing")),
        Step::Checking(archive) => progress.say(&format!("checking {archive}")),
        Step::Ended(ecosystem, outcome) => {
            progress.clear();
            match outcome {
                Outcome::Loaded { advisories, bytes } => say_out(&format!(
                    "{ecosystem}: {advisories} advisories ({})",
                    mebibytes(*bytes)
                )),
                Outcome::Unchanged => say_out(&format!("{ecosystem}: up to date")),
                Outcome::Absent => complain(&format!("{ecosystem}: no advisories are published at {from}")),
                Outcome::Failed(error) => complain(&format!(
                    "{ecosystem}: {error:#}; the advisories that were loaded before stay in use"
                )),
            }
        }
    }
}

fn say_out(line: &str) {
    // Nobody is left to read it when standard output is closed.
    let _ = writeln!(io::stdout(), "{line}");
}

fn make_directory(data: &Path) -> anyhow::Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(data);
    made.with_context(|| format!("cannot make the data directory `{}`", data.display()))
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

/// Without anything that could be a secret.
pub(super) fn parse_archives(text: &str) -> Result<Url, &'static str> {
    const HINT: &str = "a place of archives is `http://` or `https://`, a host, and perhaps port and path";
    let url = Url::parse(text).map_err(|_| HINT)?;
    let known = matches!(url.scheme(), "http" | "https") && url.has_host();
    let anonymous = url.username().is_empty() && url.password().is_none();
    let bare = url.query().is_none() && url.fragment().is_none();
    (known && anonymous && bare).then_some(url).ok_or(HINT)
}
