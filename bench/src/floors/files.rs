//! A file and a flush for each record, by several threads.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;

use super::at_once;
use crate::load::Outcome;

/// Stores records until the count or the time is reached.
pub(crate) fn store_files(
    directory: &Path,
    threads: usize,
    (count, duration): (usize, Duration),
    record: &[u8],
) -> Result<Outcome> {
    fs::create_dir_all(directory)?;
    let next = AtomicUsize::new(0);
    let began = Instant::now();
    let store = || -> Result<Vec<u64>> {
        let mut latencies_ns = Vec::new();
        while began.elapsed() < duration {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                break;
            }
            let called = Instant::now();
            let mut file = File::create_new(directory.join(number.to_string()))?;
            file.write_all(record)?;
            file.sync_all()?;
            latencies_ns.push(u64::try_from(called.elapsed().as_nanos())?);
        }
        Ok(latencies_ns)
    };
    let latencies_ns = at_once(threads, store)?;
    let seconds = began.elapsed().as_secs_f64();
    fs::remove_dir_all(directory)?;
    Ok(Outcome {
        seconds,
        latencies_ns,
        body_bytes: 0,
    })
}
