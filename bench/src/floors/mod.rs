//! The limits of the machine: what a program that does only the unavoidable reaches.

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

/// Does the same on several threads, and gives the latencies of all.
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
