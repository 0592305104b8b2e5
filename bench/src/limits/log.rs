//! A durable log: records are appended to one file, and one flush serves all waiting writers.

use std::fs::{self, File};
use std::io::Write;
use std::mem;
use std::path::Path;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};

use super::at_once;
use crate::load::Outcome;

/// Appends until the duration is over.
pub(crate) fn append_log(path: &Path, threads: usize, duration: Duration, record: &[u8]) -> Result<Outcome> {
    let log = Log::create(path)?;
    let began = Instant::now();
    let append = || -> Result<Vec<u64>> {
        let mut latencies_ns = Vec::new();
        while began.elapsed() < duration {
            let called = Instant::now();
            log.append(record)?;
            latencies_ns.push(u64::try_from(called.elapsed().as_nanos())?);
        }
        Ok(latencies_ns)
    };
    let latencies_ns = at_once(threads, append)?;
    let seconds = began.elapsed().as_secs_f64();
    fs::remove_file(path)?;
    Ok(Outcome {
        seconds,
        latencies_ns,
        body_bytes: 0,
    })
}

struct Log {
    file: File,
    state: Mutex<State>,
    flushed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    appended: u64,
    durable: u64,
    flushing: bool,
    failed: bool,
}

impl Log {
    fn create(path: &Path) -> Result<Self> {
        Ok(Self {
            file: File::create(path)?,
            state: Mutex::default(),
            flushed: Condvar::new(),
        })
    }

    /// Returns when the record is on stable storage. If no thread is flushing, the caller flushes for all.
    fn append(&self, record: &[u8]) -> Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.waiting.extend_from_slice(record);
        state.appended += 1;
        let own = state.appended;
        while state.durable < own && !state.failed {
            if state.flushing {
                state = self.flushed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.flushing = true;
            let taken = mem::take(&mut state.waiting);
            let last = state.appended;
            drop(state);
            let written = (&self.file)
                .write_all(&taken)
                .and_then(|()| self.file.sync_data());
            state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.flushing = false;
            state.failed |= written.is_err();
            state.durable = last;
            self.flushed.notify_all();
        }
        if state.failed {
            return Err(anyhow!("the log could not be written"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn every_record_is_in_the_file_once() {
        let path = std::env::temp_dir().join(format!("ecru-bench-log-{}", std::process::id()));
        let log = Log::create(&path).unwrap();
        thread::scope(|scope| {
            for worker in 0..4_u8 {
                let log = &log;
                scope.spawn(move || (0..50).for_each(|_| log.append(&[worker; 8]).unwrap()));
            }
        });
        let mut records = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert!(
            records
                .chunks(8)
                .all(|record| record.iter().all(|byte| *byte == record[0]))
        );
        records.sort_unstable();
        assert_eq!(
            records,
            (0..4_u8).flat_map(|worker| [worker; 400]).collect::<Vec<_>>()
        );
    }
}
