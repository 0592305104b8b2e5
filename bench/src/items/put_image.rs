//! `PutImage` of a new image under a new tag, with layers that are already stored.

use anyhow::{Result, ensure};

use crate::bench::Bench;
use crate::contestant::Contestant::{self, Log};
use crate::images::Family;
use crate::limits;
use crate::load::{Each, Outcome};
use crate::rows;
use crate::server::Server;

const REPOSITORY: &str = "bench/put";
const MANY: usize = 32;
/// More requests than any contestant completes in one load, with one connection and with many.
const COUNTS: (u64, u64) = (8_000, 40_000);

enum Runner {
    Emulator(Server),
    Limit(Contestant),
}

pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    let family = Family::new();
    let servers = bench.prepared(&Contestant::EMULATORS, |_, server| {
        family.prepare(&server, REPOSITORY)?;
        Ok(server)
    })?;
    let mut runners = servers.into_iter().map(Runner::Emulator).collect::<Vec<_>>();
    runners.push(Runner::Limit(Log));

    bench.in_turns(&mut runners, |bench, runner| {
        rustix::fs::sync();
        match runner {
            Runner::Emulator(server) => {
                let (one, _) = put(bench, server, &family, (1, COUNTS.0))?;
                report_one(bench, server.contestant, one);
                let (many, used) = put(bench, server, &family, (MANY, COUNTS.1))?;
                let each = used * 1e6 / many.latencies_ns.len() as f64;
                bench.add(&rows::PUT_MANY_CPU, server.contestant, each);
                report_many(bench, server.contestant, many);
            }
            Runner::Limit(limit) => {
                let path = bench.new_directory(*limit);
                let record = family.manifest(0);
                let one = limits::append_log(&path, 1, bench.cell, record.as_bytes())?;
                report_one(bench, *limit, one);
                let many = limits::append_log(&path, MANY, bench.cell, record.as_bytes())?;
                report_many(bench, *limit, many);
            }
        }
        Ok(())
    })
}

fn put(
    bench: &mut Bench,
    server: &Server,
    family: &Family,
    (connections, count): (usize, u64),
) -> Result<(Outcome, f64)> {
    let first = bench.new_numbers(count);
    let requests = (first..first + count).map(|number| family.put_image(REPOSITORY, number));
    let mut script = Each::new(requests.collect(), 200).within(bench.cell);
    let (outcome, used) = server.measure(connections, &mut script)?;
    ensure!(!outcome.latencies_ns.is_empty(), "nothing was stored");
    Ok((outcome, used))
}

fn report_one(bench: &mut Bench, contestant: Contestant, mut outcome: Outcome) {
    bench.add(&rows::PUT_ONE, contestant, outcome.percentile_us(0.5));
    bench.add(&rows::PUT_ONE_P99, contestant, outcome.percentile_us(0.99));
}

fn report_many(bench: &mut Bench, contestant: Contestant, mut outcome: Outcome) {
    bench.add(&rows::PUT_MANY, contestant, outcome.rate());
    bench.add(&rows::PUT_MANY_P50, contestant, outcome.percentile_us(0.5));
    bench.add(&rows::PUT_MANY_P99, contestant, outcome.percentile_us(0.99));
}
