//! `ecru-bench`: runs the same work on ecru, on other registries and on the limits of the machine.
#![expect(
    clippy::cast_precision_loss,
    reason = "figures are rounded to three digits when they are printed"
)]

mod bench;
mod contestant;
mod figures;
mod images;
mod items;
mod launch;
mod limits;
mod load;
mod machine;
mod report;
mod rows;
mod server;
mod signing;
mod tools;
mod watchdog;
mod wire;

use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::{Args, Parser, Subcommand};

use crate::bench::Bench;

#[derive(Debug, Parser)]
#[command(about, args_conflicts_with_subcommands = true)]
struct CommandLine {
    #[command(subcommand)]
    helper: Option<Helper>,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, Subcommand)]
enum Helper {
    /// Run the bare receiver that pushes are compared with
    #[command(hide = true)]
    Floor {
        #[arg(long)]
        listen: SocketAddr,
        #[arg(long)]
        directory: PathBuf,
    },
    /// End the servers of a run that was killed
    #[command(hide = true)]
    Watchdog,
}

#[derive(Debug, Args)]
struct Options {
    /// Run only these items
    #[arg(long, value_delimiter = ',')]
    items: Vec<String>,
    /// Print the items and exit
    #[arg(long)]
    list: bool,
    /// Number of rounds; figures are medians over the rounds
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=99))]
    rounds: u32,
    /// Do less of everything, in three minutes: a check of the bench, not for publication
    #[arg(long)]
    quick: bool,
    /// Stream 5 GiB instead of 1 GiB in the large pushes and pulls
    #[arg(long, conflicts_with = "quick")]
    full: bool,
    /// Leave these contestants out
    #[arg(long, value_delimiter = ',')]
    without: Vec<String>,
    #[arg(long, default_value = "target/dist/ecru")]
    ecru: PathBuf,
    /// Directory for the servers' data; not in memory
    #[arg(long, default_value = "target/bench")]
    directory: PathBuf,
    /// Write all samples to this file
    #[arg(long)]
    json: Option<PathBuf>,
    /// Write the table to this file too
    #[arg(long)]
    markdown: Option<PathBuf>,
    /// Directories to search for peers
    #[arg(long, env = "PATH", hide = true)]
    search_path: String,
}

fn main() -> Result<()> {
    let CommandLine { helper, options } = CommandLine::parse();
    match helper {
        Some(Helper::Floor { listen, directory }) => return limits::receive(listen, &directory),
        Some(Helper::Watchdog) => return watchdog::watch(),
        None => {}
    }
    if options.list {
        for item in &items::ALL {
            writeln!(io::stdout(), "{:<12} {}", item.name, item.about)?;
        }
        return Ok(());
    }
    for name in &options.items {
        let known = items::ALL.iter().any(|item| item.name == name);
        ensure!(known, "no item `{name}`: see --list");
    }

    let mut bench = Bench::new(&options)?;
    watchdog::start(&bench.tools)?;
    let measured = measure(&mut bench, &options);
    // What was measured until a failure is worth seeing too.
    let table = report::markdown(&bench);
    writeln!(io::stdout(), "{table}")?;
    if let Some(path) = &options.markdown {
        fs::write(path, table).with_context(|| format!("writing {}", path.display()))?;
    }
    if let Some(path) = &options.json {
        let text = serde_json::to_string_pretty(&report::json(&bench))?;
        fs::write(path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    bench.clean()?;
    measured
}

fn measure(bench: &mut Bench, options: &Options) -> Result<()> {
    for item in &items::ALL {
        if !options.items.is_empty() && !options.items.iter().any(|name| name == item.name) {
            continue;
        }
        let began = Instant::now();
        (item.run)(bench).with_context(|| format!("item `{}`", item.name))?;
        bench::say(&format!(
            "{} took {:.0} s",
            item.name,
            began.elapsed().as_secs_f64()
        ));
    }
    Ok(())
}
