//! Stores one large blob: in one PUT, and in one PATCH followed by a PUT.

use std::fs;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::bench::Bench;
use crate::contestant::Contestant::{self, Disk, Receiver, Sha256};
use crate::limits;
use crate::load::{Blob, Request, exchange};
use crate::rows;
use crate::server::Server;
use crate::wire;

const REPOSITORY: &str = "bench/push";

pub(crate) fn run(bench: &mut Bench) -> Result<()> {
    let mut contestants = bench.tools.present(&Contestant::REGISTRIES);
    contestants.extend([Receiver, Sha256, Disk]);
    // Two different blobs, because a registry may recognise content that it already has.
    let whole = Blob::new(bench.new_numbers(1), bench.big_bytes);
    let appended = Blob::new(bench.new_numbers(1), bench.big_bytes);
    let megabytes = bench.big_bytes as f64 / 1e6;
    let gib = bench.big_bytes as f64 / f64::from(1 << 30);

    bench.in_turns(&mut contestants, |bench, contestant| {
        // Writes that another contestant has left must not slow this one down.
        rustix::fs::sync();
        match *contestant {
            Sha256 => {
                let seconds = limits::hash(&whole.content);
                bench.add(&rows::LIMIT_SHA256, Sha256, megabytes / seconds);
            }
            Disk => {
                let path = bench.new_directory(Disk);
                let seconds = limits::write(&whole.content, &path)?;
                bench.add(&rows::LIMIT_DISK, Disk, megabytes / seconds);
            }
            contestant => bench.turn(contestant, "push", |bench| {
                let server = bench.start(contestant)?;
                prepare(&server)?;
                let before = server.cpu_seconds()?;
                let seconds = push(&server, &whole)?;
                let used = server.cpu_seconds()? - before;
                bench.add(&rows::PUSH, contestant, megabytes / seconds);
                bench.add(&rows::PUSH_CPU, contestant, used / gib);

                rustix::fs::sync();
                let seconds = push_in_parts(&server, &appended)?;
                bench.add(&rows::PUSH_PATCH, contestant, megabytes / seconds);
                bench.add(&rows::PEAK_PUSH, contestant, server.peak_mib()?);
                check(&server, &[&whole, &appended])?;
                server.discard()
            })?,
        }
        Ok(())
    })
}

fn prepare(server: &Server) -> Result<()> {
    if server.contestant == Receiver {
        return Ok(());
    }
    server.client()?;
    server.make_repository(REPOSITORY)
}

fn push(server: &Server, blob: &Blob) -> Result<f64> {
    let began = Instant::now();
    if server.contestant == Receiver {
        let request = Request::with_content("PUT", "/", &[], blob.content);
        server.expect(request, 201)?;
    } else {
        server.push_blob(REPOSITORY, blob)?;
    }
    Ok(began.elapsed().as_secs_f64())
}

fn push_in_parts(server: &Server, blob: &Blob) -> Result<f64> {
    if server.contestant == Receiver {
        return push(server, blob);
    }
    let client = server.client()?;
    let began = Instant::now();
    let path = exchange(server.address, client.begin_upload(REPOSITORY), wire::location)?;
    let path = exchange(server.address, client.append_upload(&path, blob), wire::location)?;
    server
        .expect(client.close_upload(&path, &blob.digest), 201)
        .with_context(|| format!("a push to {}", server.contestant))?;
    Ok(began.elapsed().as_secs_f64())
}

/// Checks that all bytes are stored.
fn check(server: &Server, blobs: &[&Blob]) -> Result<()> {
    if server.contestant == Receiver {
        let files = fs::read_dir(&server.directory)?.filter_map(Result::ok);
        let stored = files.filter_map(|file| file.metadata().ok()).map(|it| it.len());
        let sent = blobs.iter().map(|blob| blob.content.size_bytes());
        ensure!(stored.sum::<u64>() == sent.sum::<u64>(), "the floor lost bytes");
        return Ok(());
    }
    for blob in blobs {
        let path = format!("/v2/{REPOSITORY}/blobs/{}", blob.digest);
        exchange(server.address, server.client()?.ask("HEAD", &path), |response| {
            response.expect(200)?;
            let size = response
                .header("content-length")
                .map(str::parse::<u64>)
                .transpose()?;
            ensure!(
                size == Some(blob.content.size_bytes()),
                "{path} is {size:?} bytes long"
            );
            Ok(())
        })?;
    }
    Ok(())
}
