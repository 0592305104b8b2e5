//! Cold start: from the spawn of the process to its first successful answer.

use anyhow::Result;

use crate::bench::Bench;
use crate::contestant::Contestant::{self, Ecru, Moto, Nginx};
use crate::rows;
use crate::server::Server;

const TIMES: u32 = 3;

pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    let mut contestants = bench.tools.present(&Contestant::SERVERS);
    bench.in_turns(&mut contestants, |bench, contestant| {
        let first = bench.start(*contestant)?;
        bench.add(&rows::FIRST_START, *contestant, first.start_seconds * 1e3);
        let directory = first.stop();
        // Moto needs a second for each start.
        let times = if *contestant == Moto { 1 } else { TIMES };
        for _ in 0..times {
            let server = Server::start(*contestant, &bench.tools, &directory)?;
            bench.add(&rows::START, *contestant, server.start_seconds * 1e3);
        }
        Ok(())
    })?;

    let mut contestants = with_images(bench)?;
    bench.in_turns(&mut contestants, |bench, (contestant, directory)| {
        for _ in 0..TIMES {
            let server = Server::start(*contestant, &bench.tools, directory)?;
            bench.add(&rows::START_MANY, *contestant, server.start_seconds * 1e3);
        }
        Ok(())
    })
}

fn with_images(bench: &mut Bench) -> Result<Vec<(Contestant, std::path::PathBuf)>> {
    let mut contestants = vec![(Ecru, bench.seeded(bench.many)?)];
    if bench.tools.program(Nginx).is_some() {
        contestants.push((Nginx, bench.new_directory(Nginx)));
    }
    Ok(contestants)
}
