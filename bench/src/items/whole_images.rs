//! Pushes whole images as clients do: HEAD, POST and PUT for each layer, then the manifest.

use std::rc::Rc;
use std::time::Duration;

use anyhow::Result;

use crate::bench::Bench;
use crate::contestant::Contestant;
use crate::images::{self, Family};
use crate::items::uploads::{Uploads, Work};
use crate::rows::{self, Row};
use crate::server::Server;

const REPOSITORY: &str = "bench/images";
const CONNECTIONS: usize = 4;
const LAYERS: u64 = 10;
const LAYER_BYTES: u64 = 1 << 20;
const IMAGES: u64 = 32;

pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    let mut servers = bench.prepared(&Contestant::REGISTRIES, |_, server| {
        server.make_repository(REPOSITORY)?;
        Ok(server)
    })?;
    bench.in_turns(&mut servers, |bench, server| {
        let work = new_images(bench);
        rustix::fs::sync();
        let duration = bench.cell * 2;
        let done = push(bench, server, (work.clone(), duration), &rows::IMAGES)?;
        // Only images that are already stored, repeated.
        let there = work.into_iter().take(done).collect::<Vec<_>>();
        let again = there.iter().cycle().take(20_000).cloned().collect();
        let duration = bench.cell;
        push(bench, server, (again, duration), &rows::IMAGES_AGAIN)?;
        Ok(())
    })?;
    servers.into_iter().try_for_each(Server::discard)
}

fn new_images(bench: &mut Bench) -> Vec<Rc<Work>> {
    let mut made = Vec::new();
    for _ in 0..IMAGES {
        let first = bench.new_numbers(LAYERS);
        let family = Family::with_layers(images::own_layers(first, LAYERS, LAYER_BYTES));
        made.push(Rc::new(Work {
            blobs: family.blobs().cloned().collect(),
            asks_first: true,
            manifest: Some((images::tag(first), family.manifest(first))),
        }));
    }
    made
}

fn push(
    bench: &mut Bench,
    server: &Server,
    (work, duration): (Vec<Rc<Work>>, Duration),
    row: &'static Row,
) -> Result<usize> {
    let mut script = Uploads::new(server.client()?, REPOSITORY, work, duration);
    let (outcome, _) = server.measure(CONNECTIONS, &mut script)?;
    bench.add(row, server.contestant, script.done as f64 / outcome.seconds);
    Ok(script.done)
}
