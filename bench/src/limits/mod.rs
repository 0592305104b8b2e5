//! The limits of the machine: the figures of programs that do only the necessary work.

mod files;
mod log;
mod receiver;
mod streams;

use std::thread::{self, ScopedJoinHandle};

use anyhow::{Result, anyhow};

pub(crate) use files::{make_files, place_files};
pub(crate) use log::append_log;
pub(crate) use receiver::receive;
pub(crate) use streams::{hash, write};

/// Runs the work on several threads, and returns the latencies of all.
fn at_once(threads: usize, work: impl Fn() -> Result<Vec<u64>> + Copy + Send) -> Result<Vec<u64>> {
    let latencies = thread::scope(|scope| {
        let workers = (0..threads).map(|_| scope.spawn(work)).collect::<Vec<_>>();
        let ended = workers.into_iter().map(ScopedJoinHandle::join);
        ended
            .map(|it| it.map_err(|_| anyhow!("a thread panicked"))?)
            .collect::<Result<Vec<_>>>()
    })?;
    Ok(latencies.concat())
}
