//! A lifecycle policy over many images: the evaluation, the expiry of most images, and the delay of pushes
//! meanwhile.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::bench::{Bench, say};
use crate::contestant::Contestant::Ecru;
use crate::images::{self, Family, SEEDED};
use crate::load::{Each, exchange};
use crate::rows;
use crate::server::Server;
use crate::wire;

const BESIDE: &str = "bench/beside";
const KEPT: usize = 1_000;
/// Pushes between two counts of the remaining images.
const PUSHES: u64 = 100;
const LOOKED_AT_EVERY: Duration = Duration::from_millis(100);
const EXPIRING_MAX: Duration = Duration::from_mins(3);

/// Measures ecru alone, in one round: images expire only once.
pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    let family = Family::new();
    let server = bench.start(Ecru)?;
    images::seed(&server, bench.many)?;
    family.prepare(&server, BESIDE)?;
    rustix::fs::sync();

    let policy = policy();
    server.call("PutLifecyclePolicy", &input(&policy.replace("1000", "999999")))?;
    let judged = Instant::now();
    let path = format!("/_ecru/lifecycle/explain?repository={SEEDED}&limit=1");
    exchange(server.address, wire::ask("GET", &path), |response| {
        response.expect(200)
    })?;
    bench.add(
        &rows::LIFECYCLE_JUDGED,
        Ecru,
        judged.elapsed().as_secs_f64() * 1e3,
    );

    server.call("PutLifecyclePolicy", &input(&policy))?;
    let expiring = Instant::now();
    let mut longest = 0.0_f64;
    while left(&server)? > KEPT {
        ensure!(expiring.elapsed() < EXPIRING_MAX, "images do not expire");
        let first = bench.new_numbers(PUSHES);
        let pushes = (first..first + PUSHES).map(|number| family.put_image(BESIDE, number));
        let (mut outcome, _) = server.measure(1, &mut Each::new(pushes.collect(), 200))?;
        longest = longest.max(outcome.percentile_us(1.0) / 1e3);
    }
    bench.add(&rows::LIFECYCLE_EXPIRED, Ecru, expiring.elapsed().as_secs_f64());
    bench.add(&rows::LIFECYCLE_BESIDE, Ecru, longest);
    server.discard()?;
    memory(bench, &policy)
}

/// The server's memory after most images of a very large repository have expired.
fn memory(bench: &mut Bench, policy: &str) -> Result<()> {
    let server = bench.start(Ecru)?;
    images::seed(&server, bench.most())?;
    server.call("PutLifecyclePolicy", &input(policy))?;
    let expiring = Instant::now();
    while left(&server)? > KEPT {
        ensure!(expiring.elapsed() < EXPIRING_MAX * 2, "images do not expire");
        thread::sleep(LOOKED_AT_EVERY);
    }
    bench.add(&rows::LIFECYCLE_MEMORY, Ecru, server.resident_mib()?);
    say(&format!(
        "all but {KEPT} of {} images expired in {:.1} s, with {:.1} MiB at most",
        bench.most(),
        expiring.elapsed().as_secs_f64(),
        server.peak_mib()?
    ));
    server.discard()
}

fn policy() -> String {
    let selection = json!({"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": KEPT});
    let rule = json!({"rulePriority": 1, "selection": selection, "action": {"type": "expire"}});
    json!({ "rules": [rule] }).to_string()
}

fn input(policy: &str) -> Value {
    json!({"repositoryName": SEEDED, "lifecyclePolicyText": policy})
}

/// The number of remaining images. It is exact up to `KEPT`, and beyond that only greater than `KEPT`.
fn left(server: &Server) -> Result<usize> {
    let page = server.call(
        "ListImages",
        &json!({"repositoryName": SEEDED, "maxResults": KEPT}),
    )?;
    let listed = page.get("imageIds").and_then(Value::as_array).map_or(0, Vec::len);
    let more = page.get("nextToken").is_some_and(|token| !token.is_null());
    Ok(if more { KEPT + 1 } else { listed })
}
