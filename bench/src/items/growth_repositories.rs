//! The same requests in registries of 100 to 100,000 repositories, with all servers running at the same time.

use std::rc::Rc;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::growth::{COUNT, PAGE, SIZES, TURNS};
use crate::bench::Bench;
use crate::contestant::Contestant::Ecru;
use crate::load::{Each, Request, exchange_all};
use crate::rows::{self, Growth};
use crate::server::Server;
use crate::wire;

const CONNECTIONS: usize = 32;
/// Number of requests that are built ahead of the load at a time.
const BATCH: usize = 10_000;

struct Grown {
    repositories: usize,
    server: Server,
    /// A page of `DescribeRepositories` from the middle of the list.
    page: Rc<Request>,
}

pub(super) fn run(bench: &mut Bench) -> Result<()> {
    let mut grown = Vec::new();
    let many = bench.many;
    for repositories in SIZES.into_iter().filter(|it| *it <= many) {
        let server = bench.start(Ecru)?;
        fill(&server, repositories)?;
        // The first writes after a start extend the database's log, as with images.
        create_and_remove(bench, &server)?;
        let page = page_in_the_middle(&server, repositories)?;
        grown.push(Grown {
            repositories,
            server,
            page,
        });
    }
    for _ in 0..TURNS {
        bench.in_turns(&mut grown, |bench, it| turn(bench, it))?;
    }
    for it in grown {
        it.server.discard()?;
    }
    Ok(())
}

fn turn(bench: &mut Bench, grown: &Grown) -> Result<()> {
    rustix::fs::sync();
    let p50 = create_and_remove(bench, &grown.server)?;
    bench.add(rows::GROWTH_CREATE.of(grown.repositories), Ecru, p50);

    let pages = vec![Rc::clone(&grown.page); usize::try_from(COUNT)?];
    cell(bench, grown, &rows::GROWTH_DESCRIBE, pages)?;
    let names = (0..COUNT).map(|number| name(number * 7_919 % grown.repositories as u64));
    let uploads = names.map(|name| wire::call("InitiateLayerUpload", &json!({"repositoryName": name})));
    cell(bench, grown, &rows::GROWTH_UPLOAD, uploads.collect())
}

fn cell(bench: &mut Bench, grown: &Grown, growth: &Growth, requests: Vec<Rc<Request>>) -> Result<()> {
    let (mut outcome, _) = grown.server.measure(1, &mut Each::new(requests, 200))?;
    bench.add(growth.of(grown.repositories), Ecru, outcome.percentile_us(0.5));
    Ok(())
}

/// A name that sorts as its number does.
fn name(number: u64) -> String {
    format!("bench/r{number:08}")
}

fn on_repository(operation: &str, number: u64) -> Rc<Request> {
    wire::call(operation, &json!({"repositoryName": name(number)}))
}

fn fill(server: &Server, count: usize) -> Result<()> {
    let numbers = (0..count as u64).collect::<Vec<_>>();
    for some in numbers.chunks(BATCH) {
        let requests = some
            .iter()
            .map(|number| on_repository("CreateRepository", *number));
        exchange_all(server.address, CONNECTIONS, requests.collect(), 200)
            .with_context(|| format!("creating {count} repositories"))?;
    }
    Ok(())
}

/// The median time of creating a repository. The new repositories are removed again, so that the number stays
/// the same.
fn create_and_remove(bench: &mut Bench, server: &Server) -> Result<f64> {
    let first = u64::from(u32::MAX) + bench.new_numbers(COUNT);
    let each = |operation: &'static str| (first..first + COUNT).map(move |it| on_repository(operation, it));
    let (mut outcome, _) = server.measure(1, &mut Each::new(each("CreateRepository").collect(), 200))?;
    exchange_all(server.address, 1, each("DeleteRepository").collect(), 200)?;
    Ok(outcome.percentile_us(0.5))
}

/// Reads pages up to the middle, and checks that they are full.
fn page_in_the_middle(server: &Server, repositories: usize) -> Result<Rc<Request>> {
    let mut input = json!({"maxResults": PAGE});
    for _ in 0..repositories / PAGE / 2 {
        let output = server.call("DescribeRepositories", &input)?;
        let rows = output.get("repositories").and_then(Value::as_array);
        ensure!(rows.is_some_and(|rows| rows.len() == PAGE), "a page is not full");
        let next = output.get("nextToken").and_then(Value::as_str);
        let next = next.context("no page after this one")?;
        input = json!({"maxResults": PAGE, "nextToken": next});
    }
    Ok(wire::call("DescribeRepositories", &input))
}
