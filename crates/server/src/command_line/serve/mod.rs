//! `ecru serve`: runs a server until a signal ends it.

mod arguments;
mod greeting;
mod public_endpoint;
mod values;

use std::{process::ExitCode, thread, time::Duration};

use anyhow::Context;
use tokio::{
    runtime::{Builder, Runtime},
    signal::unix::{Signal, SignalKind, signal},
};

use greeting::Greeting;

use super::{Failure, Outcome};
use crate::{DataDirectory, Options, Server, advice};

pub(super) use arguments::ServeArguments;

const WORKERS_MIN: usize = 2;
/// Maximum number of heaps. Each thread caches small allocations, so a few heaps serve many threads.
const HEAPS_MAX: usize = 8;
/// Time for the disk work of requests that were cut off. Acknowledged work is finished before.
const LEFTOVERS_TIMEOUT: Duration = Duration::from_secs(1);

pub(super) fn run(arguments: ServeArguments) -> Outcome {
    let (options, logging) = arguments.into_options()?;
    let workers = thread::available_parallelism().map_or(WORKERS_MIN, |cores| cores.get().max(WORKERS_MIN));
    ecru_heap::share(workers.min(HEAPS_MAX));
    let data = match &options.data {
        DataDirectory::Kept(directory) => Some(directory.clone()),
        DataDirectory::Ephemeral => None,
    };
    let logs = logging.start();
    let ended = runtime(workers).and_then(|runtime| {
        let ended = runtime.block_on(serve_until_signal(options));
        runtime.shutdown_timeout(LEFTOVERS_TIMEOUT);
        ended
    });
    // Writes the remaining log lines before the reason of a failure is printed.
    drop(logs);
    match ended {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => Err(Failure::Work(advice::on_start(&error, data.as_deref()))),
    }
}

fn runtime(workers: usize) -> anyhow::Result<Runtime> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build();
    runtime.context("cannot start worker threads")
}

async fn serve_until_signal(options: Options) -> anyhow::Result<()> {
    // Registered before the start, so that a signal during the start ends the server gracefully too.
    let mut signals = [SignalKind::terminate(), SignalKind::interrupt()].map(signal);
    let server = Server::start(options.clone()).await?;
    Greeting::new(&options, &server).print();

    let [terminate, interrupt] = &mut signals;
    tokio::select! {
        received = received(terminate) => received?,
        received = received(interrupt) => received?,
    }
    tracing::info!("stopping");
    server.stop().await;
    Ok(())
}

async fn received(signal: &mut std::io::Result<Signal>) -> anyhow::Result<()> {
    match signal {
        Ok(signal) => {
            signal.recv().await;
            Ok(())
        }
        Err(error) => anyhow::bail!("cannot wait for signals: {error}"),
    }
}
