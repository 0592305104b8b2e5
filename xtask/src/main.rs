//! The project's own tasks: `cargo xtask codegen` writes what follows from the service model, `cargo xtask
//! fidelity` the page that tells what is shown, `cargo xtask link-order` which functions a start runs, `cargo xtask
//! rooms` prints the order of the rooms of each crate, and `cargo xtask test` proves it all.

mod codegen;
mod fidelity;
mod graph;
mod imports;
mod link_order;
mod rooms;
mod suite;
#[cfg(test)]
mod tidy;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result};

const USAGE: &str = "usage: cargo xtask <codegen | fidelity | link-order | rooms | test>";

fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["codegen"] => codegen::run().map(|()| ExitCode::SUCCESS),
        ["fidelity"] => fidelity::run().map(|()| ExitCode::SUCCESS),
        ["link-order"] => link_order::run().map(|()| ExitCode::SUCCESS),
        ["rooms"] => rooms::run(),
        ["test"] => suite::run(),
        _ => anyhow::bail!(USAGE),
    }
}

/// Of the workspace.
fn root() -> Result<PathBuf> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    Ok(manifest
        .parent()
        .context("xtask stands in the workspace")?
        .to_owned())
}
