//! Read operations of the ECR API, over one connection and over 32.

use std::collections::BTreeSet;
use std::fs;
use std::rc::Rc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::bench::Bench;
use crate::contestant::Contestant::{self, Ecru, Nginx};
use crate::images::{self, Family};
use crate::launch::DOCUMENTS;
use crate::load::{Repeat, Request, exchange, exchange_all};
use crate::rows::{self, Reads};
use crate::server::Server;
use crate::wire;

const REPOSITORY: &str = "bench/app";
const REPOSITORIES: usize = 1_000;
const IMAGES: usize = 1_000;
const PAGE: usize = 100;
const MANY: usize = 32;

struct Operation {
    rows: &'static Reads,
    name: &'static str,
    input: Value,
    /// The list in its output, and the minimum number of its elements.
    list: (&'static str, usize),
}

fn operations() -> [Operation; 5] {
    [
        Operation {
            rows: &rows::DESCRIBE_ONE,
            name: "DescribeRepositories",
            input: json!({"repositoryNames": [REPOSITORY]}),
            list: ("repositories", 1),
        },
        Operation {
            rows: &rows::TOKEN,
            name: "GetAuthorizationToken",
            input: json!({}),
            list: ("authorizationData", 1),
        },
        Operation {
            rows: &rows::BATCH_GET,
            name: "BatchGetImage",
            input: json!({"repositoryName": REPOSITORY, "imageIds": [{"imageTag": images::tag(7)}]}),
            list: ("images", 1),
        },
        Operation {
            rows: &rows::REPOSITORIES_PAGE,
            name: "DescribeRepositories",
            input: json!({"maxResults": PAGE}),
            list: ("repositories", PAGE),
        },
        Operation {
            rows: &rows::IMAGES_PAGE,
            name: "DescribeImages",
            input: json!({"repositoryName": REPOSITORY, "maxResults": PAGE}),
            list: ("imageDetails", PAGE),
        },
    ]
}

pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    let operations = operations();
    let family = Family::new();
    let mut servers = bench.prepared(&Contestant::EMULATORS, |_, server| {
        prepare(&server, &family)?;
        operations.iter().try_for_each(|it| check(&server, it))?;
        Ok(server)
    })?;
    let ecru = servers
        .iter()
        .find(|it| it.contestant == Ecru)
        .context("no ecru")?;
    let answers = operations
        .iter()
        .map(|it| answer(ecru, it))
        .collect::<Result<Vec<_>>>()?;
    servers.extend(bench.prepared(&[Nginx], |_, server| {
        for (number, body) in answers.iter().enumerate() {
            fs::write(server.directory.join(DOCUMENTS).join(number.to_string()), body)?;
        }
        Ok(server)
    })?);

    // A server that needs seconds for a page is not measured again.
    let mut slow = BTreeSet::new();
    bench.in_turns(&mut servers, |bench, server| {
        for (number, operation) in operations.iter().enumerate() {
            if slow.contains(&(server.contestant, number)) {
                continue;
            }
            let request = if server.contestant == Nginx {
                wire::fetch(&format!("/{number}"), operation.name)
            } else {
                wire::call(operation.name, &operation.input)
            };
            let began = Instant::now();
            cell(bench, server, &request, operation.rows)?;
            if began.elapsed() > bench.cell * 5 {
                slow.insert((server.contestant, number));
            }
        }
        Ok(())
    })
}

fn prepare(server: &Server, family: &Family) -> Result<()> {
    family.prepare(server, REPOSITORY)?;
    images::put_images(server, family, REPOSITORY, IMAGES)?;
    let names = (1..REPOSITORIES).map(|number| format!("bench/many-{number:04}"));
    let requests = names.map(|name| wire::call("CreateRepository", &json!({"repositoryName": name})));
    exchange_all(server.address, MANY, requests.collect(), 200)
}

fn check(server: &Server, operation: &Operation) -> Result<()> {
    let output = server.call(operation.name, &operation.input)?;
    let (list, least) = operation.list;
    let found = output.get(list).and_then(Value::as_array).map_or(0, Vec::len);
    ensure!(found >= least, "{} gave {found} {list}", operation.name);
    Ok(())
}

fn answer(server: &Server, operation: &Operation) -> Result<Vec<u8>> {
    let request = wire::call(operation.name, &operation.input);
    exchange(server.address, request, |response| Ok(response.body.to_vec()))
}

fn cell(bench: &mut Bench, server: &Server, request: &Rc<Request>, rows: &'static Reads) -> Result<()> {
    let load = |part: u32| Repeat::new(vec![Rc::clone(request)], 200, bench.cell / part);
    server.measure(1, &mut load(20))?;
    let (mut one, _) = server.measure(1, &mut load(4))?;
    let (mut many, used) = server.measure(MANY, &mut load(1))?;
    let each = used * 1e6 / many.latencies_ns.len() as f64;

    let contestant = server.contestant;
    bench.add(&rows.one_p50, contestant, one.percentile_us(0.5));
    bench.add(&rows.one_p99, contestant, one.percentile_us(0.99));
    bench.add(&rows.many, contestant, many.rate());
    bench.add(&rows.many_p50, contestant, many.percentile_us(0.5));
    bench.add(&rows.many_p99, contestant, many.percentile_us(0.99));
    bench.add(&rows.many_cpu, contestant, each);
    Ok(())
}
