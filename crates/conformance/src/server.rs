//! An `ecru` of the run's own: the binary beside this one, with nothing to keep, on a port that is free.

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

/// Rules of the pull-through cache name this registry; nothing beyond the machine is asked for it.
const NO_UPSTREAM: &str = "public.ecr.aws=http://127.0.0.1:1";

pub(crate) struct Server {
    process: Child,
    pub(crate) endpoint: String,
    /// Held open, so that the server can print.
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

    /// In good order, so that nothing of it is left; otherwise by force, when this is dropped.
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
