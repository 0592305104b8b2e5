//! The project's tasks. `cargo xtask codegen` writes the code that follows from the service models, `cargo xtask
//! fidelity` writes the page of tested answers, `cargo xtask openapi` the description of the control API, and
//! `cargo xtask link-order` the list of functions that a start runs. `cargo xtask rooms` prints the order of the rooms of each crate, and `cargo xtask comments` a sample of
//! comments for review. `cargo xtask test` runs all checks, and with `--long` also the long rounds.

mod codegen;
mod comments;
mod fidelity;
mod graph;
mod imports;
mod link_order;
mod openapi;
#[cfg(test)]
mod portable_sql;
mod rooms;
mod suite;
#[cfg(test)]
mod tidy;
mod tokens;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result};

const USAGE: &str = "usage: cargo xtask <codegen | comments --seed <number> --count <number> | fidelity | link-order | \
                     openapi | rooms | test [--long]>";

fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["codegen"] => codegen::run().map(|()| ExitCode::SUCCESS),
        ["comments", "--seed", seed, "--count", count] => {
            comments::run(seed.parse()?, count.parse()?).map(|()| ExitCode::SUCCESS)
        }
        ["fidelity"] => fidelity::run().map(|()| ExitCode::SUCCESS),
        ["link-order"] => link_order::run().map(|()| ExitCode::SUCCESS),
        ["openapi"] => openapi::run(),
        ["rooms"] => rooms::run(),
        ["test"] => suite::run(false),
        ["test", "--long"] => suite::run(true),
        _ => anyhow::bail!(USAGE),
    }
}

/// The root of the workspace.
fn root() -> Result<PathBuf> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    Ok(manifest
        .parent()
        .context("xtask is a folder of the workspace")?
        .to_owned())
}
