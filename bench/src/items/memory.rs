//! Resident memory of idle servers, and of ecru after all its images were read.

use std::thread;
use std::time::Duration;

use anyhow::Result;

use crate::bench::Bench;
use crate::contestant::Contestant::{self, Ecru};
use crate::images::{self, SEEDED};
use crate::load::exchange_all;
use crate::rows;
use crate::server::Server;
use crate::wire;

/// Time for a server to free what it needed only for the start.
const SETTLE: Duration = Duration::from_millis(500);
const SOME: usize = 10_000;

pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    let mut contestants = bench.tools.present(&Contestant::SERVERS);
    bench.in_turns(&mut contestants, |bench, contestant| {
        let directory = bench.start(*contestant)?.stop();
        let server = Server::start(*contestant, &bench.tools, &directory)?;
        thread::sleep(SETTLE);
        bench.add(&rows::IDLE, *contestant, server.resident_mib()?);
        Ok(())
    })?;

    let some = bench.seeded(SOME)?;
    let many = bench.seeded(bench.many)?;
    bench.in_turns(&mut [Ecru], |bench, contestant| {
        let server = Server::start(*contestant, &bench.tools, &some)?;
        thread::sleep(SETTLE);
        bench.add(&rows::IDLE_SOME, *contestant, server.resident_mib()?);
        drop(server);

        let server = Server::start(*contestant, &bench.tools, &many)?;
        thread::sleep(SETTLE);
        bench.add(&rows::IDLE_MANY, *contestant, server.resident_mib()?);
        let paths = (0..bench.many as u64).map(|it| format!("/v2/{SEEDED}/manifests/{}", images::tag(it)));
        let requests = paths.map(|path| wire::ask("GET", &path)).collect();
        exchange_all(server.address, 32, requests, 200)?;
        thread::sleep(SETTLE);
        bench.add(&rows::AFTER_READS, *contestant, server.resident_mib()?);
        Ok(())
    })
}
