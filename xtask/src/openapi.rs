//! `cargo xtask openapi`: writes the OpenAPI document of the control API, and the list of its routes in `docs/control-api.md`.

use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};

use crate::root;

/// Only the tests of the crate compile the schemas, so one of them writes.
pub(crate) fn run() -> Result<ExitCode> {
    let status = Command::new("cargo")
        .args([
            "test",
            "--locked",
            "--quiet",
            "-p",
            "ecru-control",
            "--lib",
            "openapi",
        ])
        .env("ECRU_TESTS_WRITE_OPENAPI", "1")
        .current_dir(root()?)
        .status()
        .context("running the tests of the control API")?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
