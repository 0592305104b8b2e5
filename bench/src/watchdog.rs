//! A small process that outlives a killed run and ends the servers that the run left behind.

use std::collections::BTreeSet;
use std::io::{self, BufRead, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

use anyhow::{Context, Result, anyhow};
use rustix::process::{Pid, Signal, kill_process};

use crate::tools::Tools;

static WATCHDOG: OnceLock<Mutex<Child>> = OnceLock::new();

pub(crate) fn start(tools: &Tools) -> Result<()> {
    let child = Command::new(tools.itself())
        .arg("watchdog")
        .stdin(Stdio::piped())
        .spawn()
        .context("starting the watchdog")?;
    WATCHDOG
        .set(Mutex::new(child))
        .map_err(|_| anyhow!("two watchdogs"))
}

/// Registers a running server.
pub(crate) fn entrust(pid: u32) {
    tell(&format!("+{pid}\n"));
}

/// Removes a server that has ended, because its process ID may be used again.
pub(crate) fn release(pid: u32) {
    tell(&format!("-{pid}\n"));
}

fn tell(line: &str) {
    if let Some(child) = WATCHDOG.get() {
        let mut child = child.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(stdin) = &mut child.stdin {
            // A failure here matters only if the run is killed.
            drop(stdin.write_all(line.as_bytes()));
        }
    }
}

/// Reads the registered servers until the pipe closes, which happens however the run ends.
pub(crate) fn watch() -> Result<()> {
    let mut running = BTreeSet::new();
    for line in io::stdin().lock().lines() {
        let line = line?;
        if let Some(pid) = line.strip_prefix('+') {
            running.insert(pid.parse::<i32>()?);
        } else if let Some(pid) = line.strip_prefix('-') {
            running.remove(&pid.parse::<i32>()?);
        }
    }
    for pid in running.into_iter().filter_map(Pid::from_raw) {
        // The server may have ended with the run.
        let _ = kill_process(pid, Signal::TERM);
    }
    Ok(())
}
