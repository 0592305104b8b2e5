//! The project's own tasks: `cargo xtask codegen` writes what follows from the service model.

mod codegen;

use anyhow::{Result, bail};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        ["codegen"] => codegen::run(),
        _ => bail!("usage: cargo xtask codegen"),
    }
}
