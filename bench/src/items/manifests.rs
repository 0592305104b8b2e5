//! Manifests are read by tag, over 32 connections.

use std::fs;
use std::rc::Rc;

use anyhow::Result;

use crate::bench::Bench;
use crate::contestant::Contestant::{self, Nginx};
use crate::images::{self, Family};
use crate::launch::DOCUMENTS;
use crate::load::{Repeat, Request};
use crate::rows::{self, Row};
use crate::server::Server;
use crate::wire;

// No part of the name is one of the protocol's own words, which fakecloud would take it for.
const REPOSITORY: &str = "bench/read";
const CONNECTIONS: usize = 32;
const TAGS: u64 = 100;

pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    let family = Family::new();
    let mut contestants = Contestant::REGISTRIES.to_vec();
    contestants.push(Nginx);
    let mut servers = bench.prepared(&contestants, |_, server| {
        prepare(&server, &family)?;
        Ok(server)
    })?;
    bench.in_turns(&mut servers, |bench, server| {
        cell(bench, server, "GET", [&rows::GET, &rows::GET_P99, &rows::GET_CPU])?;
        cell(
            bench,
            server,
            "HEAD",
            [&rows::HEAD, &rows::HEAD_P99, &rows::HEAD_CPU],
        )
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
        server.expect(wire::put_manifest(REPOSITORY, &tag, &manifest), 201)?;
        server.check_manifest(REPOSITORY, &tag, &manifest)?;
    }
    Ok(())
}

fn cell(
    bench: &mut Bench,
    server: &Server,
    method: &str,
    [rate, p99, processor]: [&'static Row; 3],
) -> Result<()> {
    let requests = (0..TAGS).map(|number| request(server, method, &images::tag(number)));
    let requests = requests.collect::<Vec<_>>();
    server.measure(
        CONNECTIONS,
        &mut Repeat::new(requests.clone(), 200, bench.cell / 10),
    )?;
    let (mut outcome, used) = server.measure(CONNECTIONS, &mut Repeat::new(requests, 200, bench.cell))?;
    let count = outcome.latencies_ns.len() as f64;
    bench.add(rate, server.contestant, outcome.rate());
    bench.add(p99, server.contestant, outcome.percentile_us(0.99));
    bench.add(processor, server.contestant, used * 1e6 / count);
    Ok(())
}

fn request(server: &Server, method: &str, tag: &str) -> Rc<Request> {
    if server.contestant == Nginx {
        return wire::ask(method, &format!("/{tag}"));
    }
    wire::ask(method, &format!("/v2/{REPOSITORY}/manifests/{tag}"))
}
