//! The same requests in repositories of 100 to 100,000 images, with all servers running at the same time.

use std::rc::Rc;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::growth_repositories;
use crate::bench::Bench;
use crate::contestant::Contestant::Ecru;
use crate::images::{self, Family, SEEDED};
use crate::load::{Each, Outcome, Request};
use crate::rows::{self, Growth};
use crate::server::Server;
use crate::wire;

pub(super) const SIZES: [usize; 4] = [100, 1_000, 10_000, 100_000];
pub(super) const PAGE: usize = 100;
/// Number of requests of each kind in a turn.
pub(super) const COUNT: u64 = 200;
/// At most the size of the smallest repository. Each manifest is then read once after the writes of a turn,
/// when none is in the server's memory.
const MANIFESTS: u64 = 100;
/// Turns in each round. They are short, so that a disturbance affects all sizes alike.
pub(super) const TURNS: usize = 5;
const DELETED_AT_ONCE: usize = 100;

struct Grown {
    images: usize,
    server: Server,
    /// A page of `ListImages` and one of `DescribeImages`, both from the middle of the list.
    pages: [Rc<Request>; 2],
}

/// An operation that returns pages, and the list in its output.
type Listing = (&'static str, &'static str);

const LISTINGS: [Listing; 2] = [("ListImages", "imageIds"), ("DescribeImages", "imageDetails")];

pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    let family = Family::new();
    let mut grown = Vec::new();
    let many = bench.many;
    for images in SIZES.into_iter().filter(|it| *it <= many) {
        let directory = bench.seeded(images)?;
        let server = Server::start(Ecru, &bench.tools, &directory)?;
        // The first writes after a start extend the database's log; later writes reuse it.
        put(bench, &server, &family)?;
        let [first, second] = LISTINGS;
        let pages = [
            page_in_the_middle(&server, images, first)?,
            page_in_the_middle(&server, images, second)?,
        ];
        grown.push(Grown {
            images,
            server,
            pages,
        });
    }
    for _ in 0..TURNS {
        bench.in_turns(&mut grown, |bench, it| turn(bench, it, &family))?;
    }
    drop(grown);
    growth_repositories::run(bench)
}

fn turn(bench: &mut Bench, grown: &Grown, family: &Family) -> Result<()> {
    rustix::fs::sync();
    let outcome = put(bench, &grown.server, family)?;
    report(bench, grown, &rows::GROWTH_PUT, outcome);
    cell(bench, grown, &rows::GROWTH_GET, manifests(grown))?;
    cell(bench, grown, &rows::GROWTH_TAGS, pages_of_tags(grown))?;
    let [list, describe] = &grown.pages;
    cell(bench, grown, &rows::GROWTH_LIST, repeated(list))?;
    cell(bench, grown, &rows::GROWTH_PAGE, repeated(describe))
}

/// Stores new images and removes them again, so that the repository keeps its size.
fn put(bench: &mut Bench, server: &Server, family: &Family) -> Result<Outcome> {
    let first = u64::from(u32::MAX) + bench.new_numbers(COUNT);
    let numbers = first..first + COUNT;
    let requests = numbers.clone().map(|number| family.put_image(SEEDED, number));
    let (outcome, _) = server.measure(1, &mut Each::new(requests.collect(), 200))?;

    let identifiers = numbers
        .map(|number| family.identifier(number))
        .collect::<Vec<_>>();
    for some in identifiers.chunks(DELETED_AT_ONCE) {
        let output = server.call(
            "BatchDeleteImage",
            &json!({"repositoryName": SEEDED, "imageIds": some}),
        )?;
        let failures = output.get("failures").and_then(Value::as_array);
        ensure!(
            failures.is_none_or(Vec::is_empty),
            "not all was deleted: {failures:?}"
        );
    }
    Ok(outcome)
}

fn cell(bench: &mut Bench, grown: &Grown, growth: &Growth, requests: Vec<Rc<Request>>) -> Result<()> {
    let (outcome, _) = grown.server.measure(1, &mut Each::new(requests, 200))?;
    report(bench, grown, growth, outcome);
    Ok(())
}

fn report(bench: &mut Bench, grown: &Grown, growth: &Growth, mut outcome: Outcome) {
    bench.add(growth.of(grown.images), Ecru, outcome.percentile_us(0.5));
}

/// Manifests whose tags are spread over the repository.
fn manifests(grown: &Grown) -> Vec<Rc<Request>> {
    let images = grown.images as u64;
    let numbers = (0..MANIFESTS).map(|number| number * 7_919 % images);
    let paths = numbers.map(|it| format!("/v2/{SEEDED}/manifests/{}", images::tag(it)));
    paths.map(|path| wire::ask("GET", &path)).collect()
}

fn pages_of_tags(grown: &Grown) -> Vec<Rc<Request>> {
    let images = grown.images as u64;
    let starts = (0..COUNT).map(|number| number * 7_919 % (images - PAGE as u64 + 1));
    let paths = starts.map(|start| match start.checked_sub(1) {
        None => format!("/v2/{SEEDED}/tags/list?n={PAGE}"),
        Some(last) => format!("/v2/{SEEDED}/tags/list?n={PAGE}&last={}", images::tag(last)),
    });
    paths.map(|path| wire::ask("GET", &path)).collect()
}

fn repeated(request: &Rc<Request>) -> Vec<Rc<Request>> {
    vec![Rc::clone(request); usize::try_from(COUNT).unwrap_or_default()]
}

/// Reads pages up to the middle, and checks that they are full.
fn page_in_the_middle(server: &Server, images: usize, (operation, list): Listing) -> Result<Rc<Request>> {
    let page = |token: Option<&str>| match token {
        None => json!({"repositoryName": SEEDED, "maxResults": PAGE}),
        Some(token) => json!({"repositoryName": SEEDED, "maxResults": PAGE, "nextToken": token}),
    };
    let mut input = page(None);
    for _ in 0..images / PAGE / 2 {
        let output = server.call(operation, &input)?;
        let rows = output.get(list).and_then(Value::as_array);
        ensure!(rows.is_some_and(|rows| rows.len() == PAGE), "a page is not full");
        let next = output.get("nextToken").and_then(Value::as_str);
        ensure!(next.is_some(), "no page after this one");
        input = page(next);
    }
    Ok(wire::call(operation, &input))
}
