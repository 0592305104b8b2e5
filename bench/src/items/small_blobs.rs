//! Stores many blobs of 4 KiB, each durable before its answer.

use std::rc::Rc;

use anyhow::Result;

use crate::bench::Bench;
use crate::contestant::Contestant::{self, Files, Log, Placed};
use crate::items::uploads::{Uploads, Work};
use crate::limits;
use crate::load::Blob;
use crate::rows;
use crate::server::Server;

const REPOSITORY: &str = "bench/small";
const CONNECTIONS: usize = 16;
const COUNT: usize = 5_000;
const SIZE_BYTES: u16 = 4096;

enum Runner {
    Registry(Server),
    Limit(Contestant),
}

pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    let servers = bench.prepared(&Contestant::REGISTRIES, |_, server| {
        server.make_repository(REPOSITORY)?;
        Ok(server)
    })?;
    let mut runners = servers.into_iter().map(Runner::Registry).collect::<Vec<_>>();
    runners.extend([Files, Placed, Log].map(Runner::Limit));

    bench.in_turns(&mut runners, |bench, runner| {
        rustix::fs::sync();
        let record = vec![0x5A; usize::from(SIZE_BYTES)];
        match runner {
            Runner::Registry(server) => store(bench, server)?,
            Runner::Limit(limit) => {
                let path = bench.new_directory(*limit);
                let limits = (COUNT, bench.cell * 2);
                let outcome = match limit {
                    Files => limits::make_files(&path, CONNECTIONS, limits, &record)?,
                    Placed => limits::place_files(&path, CONNECTIONS, limits, &record)?,
                    _ => limits::append_log(&path, CONNECTIONS, bench.cell, &record)?,
                };
                bench.add(&rows::SMALL_BLOBS, *limit, outcome.rate());
            }
        }
        Ok(())
    })
}

fn store(bench: &mut Bench, server: &Server) -> Result<()> {
    let first = bench.new_numbers(COUNT as u64);
    let blobs = (first..first + COUNT as u64).map(|number| Blob::new(number, SIZE_BYTES.into()));
    let work = blobs.map(|blob| {
        Rc::new(Work {
            blobs: vec![blob],
            asks_first: false,
            manifest: None,
        })
    });
    let mut script = Uploads::new(server.client()?, REPOSITORY, work.collect(), bench.cell * 2);
    let (outcome, used) = server.measure(CONNECTIONS, &mut script)?;
    let done = script.done as f64;
    bench.add(&rows::SMALL_BLOBS, server.contestant, done / outcome.seconds);
    bench.add(&rows::SMALL_BLOBS_CPU, server.contestant, used * 1e6 / done);
    Ok(())
}
