//! `ecru-bench`: the same work for ecru, for other registries and for the limits of the machine, in one run.
#![expect(
    clippy::cast_precision_loss,
    reason = "figures are rounded to three digits in the end"
)]

mod bench;
mod contestant;
mod figures;
mod floors;
mod images;
mod items;
mod launch;
mod load;
mod machine;
mod report;
mod rows;
mod server;
mod signing;
mod tools;
mod warden;
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
    /// The bare receiver that a push is held against.
    #[command(hide = true)]
    Floor {
        #[arg(long)]
        listen: SocketAddr,
        #[arg(long)]
        directory: PathBuf,
    },
    /// Ends the servers of a run that was killed.
    #[command(hide = true)]
    Warden,
}

#[derive(Debug, Args)]
struct Options {
    /// Only these items
    #[arg(long, value_delimiter = ',')]
    items: Vec<String>,
    /// Print the items and end
    #[arg(long)]
    list: bool,
    /// How often each contestant is measured; medians are taken over the rounds
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=99))]
    rounds: u32,
    /// Less of everything, in three minutes: to see that it works, not to quote
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
    /// Where servers keep their data while they are measured; not in memory
    #[arg(long, default_value = "target/bench")]
    directory: PathBuf,
    /// Write all samples to this file
    #[arg(long)]
    json: Option<PathBuf>,
    /// Write the table to this file too
    #[arg(long)]
    markdown: Option<PathBuf>,
    /// Where peers are looked for
    #[arg(long, env = "PATH", hide = true)]
    search_path: String,
}

fn main() -> Result<()> {
    let CommandLine { helper, options } = CommandLine::parse();
    match helper {
        Some(Helper::Floor { listen, directory }) => return floors::receive(listen, &directory),
        Some(Helper::Warden) => return warden::watch(),
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
    warden::start(&bench.tools)?;
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
