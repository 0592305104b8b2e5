//! One file for each record, by several threads: either created and flushed, or put in place as a store must
//! do it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;

use super::at_once;
use crate::load::Outcome;

/// Creates and flushes files until the count or the time is reached. The name may be lost in a power cut, and
/// a reader may see a partial file.
pub(crate) fn make_files(
    directory: &Path,
    threads: usize,
    limits: (usize, Duration),
    record: &[u8],
) -> Result<Outcome> {
    store(directory, threads, limits, |name| {
        make(&directory.join(name), record)
    })
}

/// Creates and flushes files under a temporary name, renames them, and flushes the directory. The final name
/// is then durable, and never belongs to a partial file.
pub(crate) fn place_files(
    directory: &Path,
    threads: usize,
    limits: (usize, Duration),
    record: &[u8],
) -> Result<Outcome> {
    store(directory, threads, limits, |name| {
        let aside = directory.join(format!("{name}.new"));
        make(&aside, record)?;
        fs::rename(aside, directory.join(name))?;
        File::open(directory)?.sync_all()
    })
}

fn make(path: &Path, record: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(record)?;
    file.sync_all()
}

fn store(
    directory: &Path,
    threads: usize,
    (count, duration): (usize, Duration),
    one: impl Fn(&str) -> io::Result<()> + Sync,
) -> Result<Outcome> {
    fs::create_dir_all(directory)?;
    let next = AtomicUsize::new(0);
    let began = Instant::now();
    let work = || -> Result<Vec<u64>> {
        let mut latencies_ns = Vec::new();
        while began.elapsed() < duration {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                break;
            }
            let called = Instant::now();
            one(&number.to_string())?;
            latencies_ns.push(u64::try_from(called.elapsed().as_nanos())?);
        }
        Ok(latencies_ns)
    };
    let latencies_ns = at_once(threads, work)?;
    let seconds = began.elapsed().as_secs_f64();
    fs::remove_dir_all(directory)?;
    Ok(Outcome {
        seconds,
        latencies_ns,
        body_bytes: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_has_a_file_until_the_count_is_reached() {
        let directory = std::env::temp_dir().join(format!("ecru-bench-files-{}", std::process::id()));
        let limits = (20, Duration::from_mins(1));
        for keep in [make_files, place_files] {
            let outcome = keep(&directory, 4, limits, b"record").unwrap();
            assert_eq!(outcome.latencies_ns.len(), 20);
            assert!(!directory.exists(), "what was stored is still there");
        }
    }
}
