//! Starts an `ecru` for the run: the binary beside this one, in memory, on a free port.

use std::{process::Stdio, time::Duration};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

const START_MAX: Duration = Duration::from_secs(30);
const STOP_MAX: Duration = Duration::from_secs(10);

/// Registry for the rules of the pull-through cache. The port refuses connections, so no request leaves the
/// machine.
const NO_UPSTREAM: &str = "public.ecr.aws=http://127.0.0.1:1";

pub(crate) struct Server {
    process: Child,
    pub(crate) endpoint: String,
    /// Kept open, because the server prints to this pipe.
    _printed: Lines<BufReader<ChildStdout>>,
}

impl Server {
    pub(crate) async fn start() -> Result<Self> {
        let own = std::env::current_exe().context("this binary does not know where it is")?;
        let binary = own.with_file_name("ecru");
        let mut process = Command::new(&binary)
            .args(["serve", "--listen", "127.0.0.1:0", "--ephemeral"])
            .env("ECRU_UPSTREAM", NO_UPSTREAM)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| {
                format!(
                    "`{}` does not start; is it built? or name an --endpoint",
                    binary.display()
                )
            })?;
        let printed = process.stdout.take().context("the server prints nothing")?;
        let mut printed = BufReader::new(printed).lines();
        let endpoint = timeout(START_MAX, announced(&mut printed))
            .await
            .context("the server did not say where it listens")??;
        Ok(Self {
            process,
            endpoint,
            _printed: printed,
        })
    }

    /// Stops the server gracefully, so that it removes its files. Dropping this value kills it.
    pub(crate) async fn stop(mut self) -> Result<()> {
        let id = self.process.id().and_then(|id| i32::try_from(id).ok());
        if let Some(process) = id.and_then(Pid::from_raw) {
            kill_process(process, Signal::TERM).context("the server cannot be stopped")?;
        }
        timeout(STOP_MAX, self.process.wait())
            .await
            .context("the server did not stop")??;
        Ok(())
    }
}

async fn announced(printed: &mut Lines<BufReader<ChildStdout>>) -> Result<String> {
    while let Some(line) = printed.next_line().await? {
        let address = line.split_once("listening on ").map(|(_, address)| address);
        if let Some(address) = address.and_then(|address| address.split_whitespace().next()) {
            return Ok(address.to_owned());
        }
    }
    anyhow::bail!("the server ended at once")
}
