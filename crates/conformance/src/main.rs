//! `ecru-conformance`: sends requests made from the service model, and checks whether an endpoint answers
//! each correctly.

mod client;
mod facts;
mod form;
mod judge;
mod outcome;
mod path;
mod report;
mod samples;
mod server;
mod services;
mod session;
mod signature;
mod texts;
mod values;
mod variants;
mod xml;

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};

use client::Client;
use outcome::Outcome;
use server::Server;
use services::Service;
use signature::Signer;

/// Send valid and invalid variants of every operation of a service to an endpoint
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Print for each operation how many variants were answered correctly
    Run {
        #[command(flatten)]
        target: Target,

        /// Write every outcome to this file
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,

        /// Store the outcomes as the baseline for later checks
        #[arg(long)]
        update_baseline: bool,
    },
    /// Compare with the baseline, and fail on every difference
    Check {
        #[command(flatten)]
        target: Target,
    },
}

#[derive(Args)]
struct Target {
    /// Endpoint for the requests; without it, the run starts the `ecru` beside this binary
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,

    /// Service to test
    #[arg(long, default_value = "ecr")]
    service: Service,

    #[arg(long, env = "AWS_REGION", default_value = "us-east-1")]
    region: String,

    #[arg(long, env = "AWS_ACCESS_KEY_ID", default_value = "test", hide = true)]
    access_key_id: String,

    #[arg(
        long,
        env = "AWS_SECRET_ACCESS_KEY",
        default_value = "test",
        hide = true,
        hide_env_values = true
    )]
    secret_access_key: String,

    #[arg(long, env = "AWS_SESSION_TOKEN", hide = true, hide_env_values = true)]
    session_token: Option<String>,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start")?;
    runtime.block_on(execute(arguments.command))
}

async fn execute(command: Command) -> Result<ExitCode> {
    let (target, json, update_baseline, check) = match command {
        Command::Run {
            target,
            json,
            update_baseline,
        } => (target, json, update_baseline, false),
        Command::Check { target } => (target, None, false, true),
    };
    let service = target.service;
    let outcomes = outcomes(target).await?;
    if let Some(path) = json {
        let text = serde_json::to_string_pretty(&outcomes).context("the outcomes cannot be written")?;
        std::fs::write(&path, text).with_context(|| format!("writing `{}`", path.display()))?;
    }
    if update_baseline {
        std::fs::write(service.baseline_path(), outcome::baseline(&outcomes))
            .context("writing the baseline")?;
    }
    let passed = if check {
        report::check(service.baseline(), &outcomes)?
    } else {
        report::table(&outcomes)?
    };
    Ok(if passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn outcomes(target: Target) -> Result<Vec<Outcome>> {
    if let Some(endpoint) = &target.endpoint {
        return ask(&target, endpoint).await;
    }
    let own = Server::start().await?;
    let outcomes = ask(&target, &own.endpoint).await;
    own.stop().await?;
    outcomes
}

async fn ask(target: &Target, endpoint: &str) -> Result<Vec<Outcome>> {
    let (facts, samples) = (target.service.facts()?, target.service.samples()?);
    let signer = Signer {
        access_key_id: target.access_key_id.clone(),
        secret_access_key: target.secret_access_key.clone(),
        session_token: target.session_token.clone(),
        region: target.region.clone(),
        service: facts.protocol.signing_name.clone(),
    };
    let client = Client::new(endpoint, &facts, signer)?;
    session::run(client, &target.region, &facts, &samples).await
}
