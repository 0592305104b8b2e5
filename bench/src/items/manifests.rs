//! Reads manifests by tag over 32 connections: with a token, as the user `test`, and with the request log.

use std::fs;

use anyhow::{Context, Result};

use crate::bench::Bench;
use crate::contestant::Contestant::{self, Ecru, EcruLogging, Nginx};
use crate::images::{self, Family};
use crate::launch::DOCUMENTS;
use crate::load::{Outcome, Repeat};
use crate::rows::{self, Row};
use crate::server::Server;
use crate::wire::Client;

// No part of the name is a word of the protocol, because fakecloud would misread the path.
const REPOSITORY: &str = "bench/read";
const CONNECTIONS: usize = 32;
const TAGS: u64 = 100;

const READS: [&Row; 3] = [&rows::GET, &rows::GET_P99, &rows::GET_CPU];
const HEADS: [&Row; 3] = [&rows::HEAD, &rows::HEAD_P99, &rows::HEAD_CPU];

pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    let family = Family::new();
    let mut contestants = Contestant::REGISTRIES.to_vec();
    contestants.extend([EcruLogging, Nginx]);
    let mut servers = bench.prepared(&contestants, |_, server| {
        prepare(&server, &family)?;
        Ok(server)
    })?;
    // nginx gets the same headers as ecru.
    let ecru = servers
        .iter()
        .find(|it| it.contestant == Ecru)
        .context("no ecru")?;
    let holder = ecru.client()?.clone();
    bench.in_turns(&mut servers, |bench, server| {
        let client = match server.contestant {
            Nginx => &holder,
            _ => server.client()?,
        };
        match server.contestant {
            Ecru => {
                cell(bench, server, (client, "GET"), &READS)?;
                cell_of_processor(bench, server, &Client::test(), &rows::GET_TEST_CPU)?;
                cell(bench, server, (client, "HEAD"), &HEADS)
            }
            EcruLogging => cell_of_processor(bench, server, client, &rows::GET_LOGGED_CPU),
            _ => {
                cell(bench, server, (client, "GET"), &READS)?;
                cell(bench, server, (client, "HEAD"), &HEADS)
            }
        }
    })
}

fn prepare(server: &Server, family: &Family) -> Result<()> {
    if server.contestant == Nginx {
        for number in 0..TAGS {
            let path = server.directory.join(DOCUMENTS).join(images::tag(number));
            fs::write(path, family.manifest(number))?;
        }
        return Ok(());
    }
    family.prepare(server, REPOSITORY)?;
    for number in 0..TAGS {
        let (tag, manifest) = (images::tag(number), family.manifest(number));
        let request = server.client()?.put_manifest(REPOSITORY, &tag, &manifest);
        server.expect(request, 201)?;
        server.check_manifest(REPOSITORY, &tag, &manifest)?;
    }
    Ok(())
}

fn cell(
    bench: &mut Bench,
    server: &Server,
    (client, method): (&Client, &str),
    [rate, p99, processor]: &[&'static Row; 3],
) -> Result<()> {
    let (mut outcome, used) = load(bench, server, client, method)?;
    let count = outcome.latencies_ns.len() as f64;
    bench.add(rate, server.contestant, outcome.rate());
    bench.add(p99, server.contestant, outcome.percentile_us(0.99));
    bench.add(processor, server.contestant, used * 1e6 / count);
    Ok(())
}

/// Measures a row of ecru that is the reference of another row.
fn cell_of_processor(bench: &mut Bench, server: &Server, client: &Client, row: &'static Row) -> Result<()> {
    let (outcome, used) = load(bench, server, client, "GET")?;
    bench.add(row, Ecru, used * 1e6 / outcome.latencies_ns.len() as f64);
    Ok(())
}

fn load(bench: &Bench, server: &Server, client: &Client, method: &str) -> Result<(Outcome, f64)> {
    let requests = (0..TAGS).map(|number| {
        let tag = images::tag(number);
        let path = match server.contestant {
            Nginx => format!("/{tag}"),
            _ => format!("/v2/{REPOSITORY}/manifests/{tag}"),
        };
        client.ask(method, &path)
    });
    let requests = requests.collect::<Vec<_>>();
    server.measure(
        CONNECTIONS,
        &mut Repeat::new(requests.clone(), 200, bench.cell / 10),
    )?;
    server.measure(CONNECTIONS, &mut Repeat::new(requests, 200, bench.cell))
}
