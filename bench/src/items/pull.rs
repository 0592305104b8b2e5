//! Reads one large blob, over one connection and over eight.

use std::fs::File;

use anyhow::{Result, ensure};

use crate::bench::Bench;
use crate::contestant::Contestant::{self, Nginx};
use crate::launch::DOCUMENTS;
use crate::load::{Blob, Each};
use crate::rows::{self, Row};
use crate::server::Server;

const REPOSITORY: &str = "bench/pull";

pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    let blob = Blob::new(bench.new_numbers(1), bench.big_bytes);
    let mut contestants = Contestant::REGISTRIES.to_vec();
    contestants.push(Nginx);
    let mut servers = bench.prepared(&contestants, |_, server| {
        prepare(&server, &blob)?;
        // The first read fills the caches.
        pull(&server, &blob, 1)?;
        Ok(server)
    })?;
    rustix::fs::sync();

    bench.in_turns(&mut servers, |bench, server| {
        bench.turn(server.contestant, "pull", |bench| {
            let eight = (8, &rows::PULL_EIGHT, &rows::PULL_EIGHT_CPU);
            cell(bench, server, &blob, (1, &rows::PULL, &rows::PULL_CPU))?;
            cell(bench, server, &blob, eight)?;
            bench.add(&rows::AFTER_PULLS, server.contestant, server.resident_mib()?);
            Ok(())
        })
    })?;
    servers.into_iter().try_for_each(Server::discard)
}

fn prepare(server: &Server, blob: &Blob) -> Result<()> {
    if server.contestant == Nginx {
        let mut file = File::create(server.directory.join(DOCUMENTS).join("blob"))?;
        return Ok(blob.content.write_to(&mut file)?);
    }
    server.make_repository(REPOSITORY)?;
    server.push_blob(REPOSITORY, blob)
}

fn cell(
    bench: &mut Bench,
    server: &Server,
    blob: &Blob,
    (connections, rate, processor): (usize, &'static Row, &'static Row),
) -> Result<()> {
    let (seconds, used) = pull(server, blob, connections)?;
    let bytes = blob.content.size_bytes() as f64 * connections as f64;
    bench.add(rate, server.contestant, bytes / 1e6 / seconds);
    bench.add(processor, server.contestant, used / (bytes / f64::from(1 << 30)));
    Ok(())
}

/// Reads the whole blob on every connection. Returns wall-clock seconds, and the server's processor seconds.
fn pull(server: &Server, blob: &Blob, connections: usize) -> Result<(f64, f64)> {
    let path = if server.contestant == Nginx {
        "/blob".to_owned()
    } else {
        format!("/v2/{REPOSITORY}/blobs/{}", blob.digest)
    };
    let requests = vec![server.client()?.ask("GET", &path); connections];
    let (outcome, used) = server.measure(connections, &mut Each::new(requests, 200))?;
    let expected = blob.content.size_bytes() * connections as u64;
    ensure!(
        outcome.body_bytes == expected,
        "{} sent {} bytes instead of {expected}",
        server.contestant,
        outcome.body_bytes
    );
    Ok((outcome.seconds, used))
}
