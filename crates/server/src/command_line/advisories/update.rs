//! `ecru advisories update`: fetches advisories, also while a server runs on the same directory.

use std::{path::Path, process::ExitCode};

use anyhow::Context;
use clap::Args;
use ecru_outbound::Url;
use ecru_scanner::Ecosystem;
use tokio::runtime::Builder;

use super::{
    has_registry, make_directory,
    progress::{Progress, mebibytes},
    scan_again,
};
use crate::{
    advisories::{Outcome as Updated, PUBLISHED_AT, Step, update as update_all},
    command_line::{
        Failure, Outcome,
        data::DataArguments,
        output::{complain, print},
    },
    maintenance::{Ended, Task, ask},
};

const NEXT: &str = "Scan an image, for example with\n  \
    aws --endpoint-url http://localhost:4566 ecr start-image-scan --repository-name demo --image-id imageTag=latest";

#[derive(Debug, Args)]
pub(in crate::command_line) struct UpdateArguments {
    #[command(flatten)]
    data: DataArguments,

    /// URL of the archives of advisories: `<URL>/<ecosystem>/all.zip`
    #[arg(long, env = "ECRU_ADVISORIES_FROM", value_name = "URL", default_value = PUBLISHED_AT)]
    #[arg(value_parser = parse_archives)]
    from: Url,

    /// Ecosystem by its OSV name, such as `Debian:12`, `Alpine:v3.19`, `PyPI` or `npm`; may be repeated
    /// [default: those of the stored images]
    #[arg(long = "ecosystem", value_name = "NAME", value_parser = str::parse::<Ecosystem>)]
    ecosystems: Vec<Ecosystem>,
}

pub(super) fn run(arguments: &UpdateArguments) -> Outcome {
    let data = arguments.data.directory()?;
    match update(&data, &arguments.from, &arguments.ecosystems) {
        Ok(true) => Ok(ExitCode::SUCCESS),
        Ok(false) => Ok(ExitCode::FAILURE),
        Err(error) => Err(Failure::Work(format!("{error:#}"))),
    }
}

/// Fetches the advisories of the named ecosystems, or of all that the stored images use. Returns whether all
/// were fetched. An ecosystem without advisories counts as fetched, unless the user named it or nothing else
/// was fetched.
fn update(data: &Path, from: &Url, named: &[Ecosystem]) -> anyhow::Result<bool> {
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
    let here = |outcome: &Updated| matches!(outcome, Updated::Loaded { .. } | Updated::Unchanged);
    let may_be_absent = named.is_empty() && outcomes.iter().any(here);
    if outcomes
        .iter()
        .any(|outcome| matches!(outcome, Updated::Loaded { .. }))
        && !scan_again(data)
    {
        print(NEXT);
    }
    Ok(outcomes
        .iter()
        .all(|outcome| here(outcome) || may_be_absent && matches!(outcome, Updated::Absent)))
}

/// Asks the server that runs on the directory. Without a server, reads the directory.
fn of_stored_images(data: &Path) -> anyhow::Result<Vec<Ecosystem>> {
    const HINT: &str =
        "name ecosystems, as in `ecru advisories update --ecosystem Debian:12 --ecosystem PyPI`";
    let found = if has_registry(data) {
        match ask(data, &Task::Ecosystems, &mut complain) {
            Ended::Good(names) => Ecosystem::choose(names.lines().filter_map(|name| name.parse().ok())),
            Ended::Damage(problem) | Ended::Failed(problem) => anyhow::bail!(
                "cannot read the images in `{}`: {problem}; {HINT}",
                data.display()
            ),
        }
    } else {
        Vec::new()
    };
    anyhow::ensure!(
        !found.is_empty(),
        "`{}` holds no image with packages, so the ecosystems are unknown: push an image first, or {HINT}",
        data.display()
    );
    Ok(found)
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
                Updated::Loaded { advisories, bytes } => print(&format!(
                    "{ecosystem}: {advisories} advisories ({})",
                    mebibytes(*bytes)
                )),
                Updated::Unchanged => print(&format!("{ecosystem}: up to date")),
                Updated::Absent => complain(&format!("{ecosystem}: no advisories are published at {from}")),
                Updated::Failed(error) => complain(&format!(
                    "{ecosystem}: {error:#}; the current advisories stay in use"
                )),
            }
        }
    }
}

/// Parses the URL. It must contain nothing that could be a secret.
pub(in crate::command_line) fn parse_archives(text: &str) -> Result<Url, &'static str> {
    const HINT: &str = "the URL of archives is `http://` or `https://`, a host, and optionally port and path";
    let url = Url::parse(text).map_err(|_| HINT)?;
    let known = matches!(url.scheme(), "http" | "https") && url.has_host();
    let anonymous = url.username().is_empty() && url.password().is_none();
    let bare = url.query().is_none() && url.fragment().is_none();
    (known && anonymous && bare).then_some(url).ok_or(HINT)
}
