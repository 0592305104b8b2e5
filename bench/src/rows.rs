//! Every measured figure with its unit and its targets.
//!
//! `{big}` and `{many}` are replaced by the sizes of the run.

use crate::contestant::Contestant::{
    self, Disk, Distribution, Fakecloud, FakecloudDisk, Files, Log, Moto, Nginx, Placed, Receiver, Zot,
};

#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) targets: &'static [Target],
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Target {
    /// At least this factor times the best of these.
    AtLeast(f64, &'static [Contestant]),
    /// At most this factor times the best of these.
    AtMost(f64, &'static [Contestant]),
    /// At most this value, in the row's unit.
    Below(f64),
    /// At most this factor times ecru's own figure of another row.
    Flat(f64, &'static Row),
}

use Target::{AtLeast, AtMost, Below, Flat};

const REGISTRIES: &[Contestant] = &[Distribution, Zot, Fakecloud, FakecloudDisk];

const fn row(name: &'static str, unit: &'static str, targets: &'static [Target]) -> Row {
    Row { name, unit, targets }
}

pub(crate) static FIRST_START: Row = row("first start, in a new directory", "ms", &[]);
pub(crate) static START: Row = row("cold start, no images", "ms", &[AtMost(1.0, &[Nginx])]);
pub(crate) static START_MANY: Row = row(
    "cold start, {many} images",
    "ms",
    &[AtMost(2.0, &[Nginx]), Flat(2.0, &START)],
);

pub(crate) static IDLE: Row = row("memory, idle", "MiB", &[Below(10.0)]);
pub(crate) static IDLE_SOME: Row = row("memory, idle with 10,000 images", "MiB", &[Below(20.0)]);
pub(crate) static IDLE_MANY: Row = row("memory, idle with {many} images", "MiB", &[]);
pub(crate) static AFTER_READS: Row = row("memory, after reading {many} images", "MiB", &[]);
pub(crate) static PEAK_PUSH: Row = row("memory, peak of a push of {big}", "MiB", &[Below(25.0)]);
pub(crate) static AFTER_PULLS: Row = row("memory, after pulls of {big}", "MiB", &[Below(30.0)]);

pub(crate) static PUSH: Row = row(
    "push {big} in one PUT, durable",
    "MB/s",
    &[AtLeast(0.9, &[Receiver]), AtLeast(1.5, REGISTRIES)],
);
pub(crate) static PUSH_PATCH: Row = row(
    "push {big} in one PATCH, durable",
    "MB/s",
    &[AtLeast(0.9, &[Receiver]), AtLeast(1.5, REGISTRIES)],
);
pub(crate) static PUSH_CPU: Row = row("push {big} in one PUT: processor", "s/GiB", &[]);

pub(crate) static PULL: Row = row("pull {big}, 1 connection", "MB/s", &[AtLeast(0.9, &[Nginx])]);
pub(crate) static PULL_CPU: Row = row(
    "pull {big}, 1 connection: processor",
    "s/GiB",
    &[AtMost(1.2, &[Nginx])],
);
pub(crate) static PULL_EIGHT: Row = row("pull {big}, 8 connections", "MB/s", &[AtLeast(0.9, &[Nginx])]);
pub(crate) static PULL_EIGHT_CPU: Row = row(
    "pull {big}, 8 connections: processor",
    "s/GiB",
    &[AtMost(1.2, &[Nginx])],
);

pub(crate) static SMALL_BLOBS: Row = row(
    "blobs of 4 KiB, 16 connections, durable",
    "per s",
    &[AtLeast(4.0, &[Placed]), AtLeast(6.0, &[Zot])],
);
pub(crate) static SMALL_BLOBS_CPU: Row = row("blobs of 4 KiB: processor", "µs each", &[]);

pub(crate) static GET: Row = row(
    "manifest GET by tag, 32 connections",
    "per s",
    &[AtLeast(1.5, &[Fakecloud]), AtLeast(0.9, &[Nginx])],
);
pub(crate) static GET_P99: Row = row("manifest GET by tag, 32 connections: p99", "µs", &[]);
pub(crate) static GET_CPU: Row = row(
    "manifest GET by tag: processor",
    "µs each",
    &[Flat(1.15, &GET_TEST_CPU)],
);
pub(crate) static GET_TEST_CPU: Row = row("manifest GET by tag, as `test`: processor", "µs each", &[]);
pub(crate) static GET_LOGGED_CPU: Row = row(
    "manifest GET by tag, with the request log: processor",
    "µs each",
    &[Flat(1.1, &GET_CPU)],
);
pub(crate) static HEAD: Row = row(
    "manifest HEAD by tag, 32 connections",
    "per s",
    &[AtLeast(1.5, &[Fakecloud]), AtLeast(0.8, &[Nginx])],
);
pub(crate) static HEAD_P99: Row = row("manifest HEAD by tag, 32 connections: p99", "µs", &[]);
pub(crate) static HEAD_CPU: Row = row("manifest HEAD by tag: processor", "µs each", &[]);

pub(crate) static IMAGES: Row = row(
    "images of 10 × 1 MiB, 4 at once, durable",
    "per s",
    &[AtLeast(1.5, &[Fakecloud]), AtLeast(3.0, &[Zot])],
);
pub(crate) static IMAGES_AGAIN: Row = row(
    "images of 10 × 1 MiB, 4 at once, all there",
    "per s",
    &[AtLeast(2.0, &[Fakecloud])],
);

pub(crate) static PUT_ONE: Row = row(
    "PutImage, 1 connection: p50, durable",
    "µs",
    &[AtMost(2.5, &[Log])],
);
pub(crate) static PUT_ONE_P99: Row = row("PutImage, 1 connection: p99, durable", "µs", &[]);
pub(crate) static PUT_MANY: Row = row(
    "PutImage, 32 connections, durable",
    "per s",
    &[AtLeast(0.4, &[Fakecloud]), AtLeast(25.0, &[FakecloudDisk])],
);
pub(crate) static PUT_MANY_P50: Row = row("PutImage, 32 connections: p50", "µs", &[]);
pub(crate) static PUT_MANY_P99: Row = row("PutImage, 32 connections: p99", "µs", &[]);
pub(crate) static PUT_MANY_CPU: Row = row("PutImage, 32 connections: processor", "µs each", &[]);

const READ: &[Target] = &[AtLeast(1.25, &[Fakecloud])];
const READ_CPU: &[Target] = &[AtMost(1.0, &[Fakecloud])];

/// The rows of a read operation.
#[derive(Debug)]
pub(crate) struct Reads {
    pub(crate) one_p50: Row,
    pub(crate) one_p99: Row,
    pub(crate) many: Row,
    pub(crate) many_p50: Row,
    pub(crate) many_p99: Row,
    pub(crate) many_cpu: Row,
}

macro_rules! reads {
    ($name:literal, $rate:expr, $processor:expr) => {
        Reads {
            one_p50: row(concat!($name, ", 1 connection: p50"), "µs", &[]),
            one_p99: row(concat!($name, ", 1 connection: p99"), "µs", &[]),
            many: row(concat!($name, ", 32 connections"), "per s", $rate),
            many_p50: row(concat!($name, ", 32 connections: p50"), "µs", &[]),
            many_p99: row(concat!($name, ", 32 connections: p99"), "µs", &[]),
            many_cpu: row(
                concat!($name, ", 32 connections: processor"),
                "µs each",
                $processor,
            ),
        }
    };
}

pub(crate) static DESCRIBE_ONE: Reads = reads!("DescribeRepositories of 1", READ, READ_CPU);
pub(crate) static TOKEN: Reads = reads!("GetAuthorizationToken", READ, READ_CPU);
pub(crate) static BATCH_GET: Reads = reads!("BatchGetImage", READ, READ_CPU);
pub(crate) static REPOSITORIES_PAGE: Reads = reads!(
    "DescribeRepositories, 100 of 1,000",
    &[AtLeast(3.0, &[Fakecloud])],
    &[]
);
pub(crate) static IMAGES_PAGE: Reads =
    reads!("DescribeImages, 100 of 1,000", &[AtLeast(8.0, &[Fakecloud])], &[]);

/// The rows of an operation in repositories of 100, 1,000, 10,000 and 100,000 images.
#[derive(Debug)]
pub(crate) struct Growth {
    pub(crate) first: &'static Row,
    pub(crate) second: &'static Row,
    pub(crate) third: &'static Row,
    pub(crate) last: &'static Row,
}

impl Growth {
    pub(crate) fn of(&self, images: usize) -> &'static Row {
        match images {
            100 => self.first,
            1_000 => self.second,
            10_000 => self.third,
            _ => self.last,
        }
    }
}

macro_rules! growth {
    ($growth:ident, $name:literal, $things:literal) => {
        pub(crate) static $growth: Growth = {
            static FIRST: Row = row(concat!($name, ", 100 ", $things, ": p50"), "µs", &[]);
            static SECOND: Row = row(
                concat!($name, ", 1,000 ", $things, ": p50"),
                "µs",
                &[Flat(1.2, &FIRST)],
            );
            static THIRD: Row = row(
                concat!($name, ", 10,000 ", $things, ": p50"),
                "µs",
                &[Flat(1.2, &FIRST)],
            );
            static LAST: Row = row(
                concat!($name, ", 100,000 ", $things, ": p50"),
                "µs",
                &[Flat(1.2, &FIRST)],
            );
            Growth {
                first: &FIRST,
                second: &SECOND,
                third: &THIRD,
                last: &LAST,
            }
        };
    };
}

growth!(GROWTH_PUT, "growth of PutImage", "images");
growth!(GROWTH_GET, "growth of manifest GET", "images");
growth!(GROWTH_TAGS, "growth of a page of tags/list", "images");
growth!(GROWTH_LIST, "growth of a page of ListImages", "images");
growth!(GROWTH_PAGE, "growth of a page of DescribeImages", "images");
growth!(GROWTH_CREATE, "growth of CreateRepository", "repositories");
growth!(
    GROWTH_DESCRIBE,
    "growth of a page of DescribeRepositories",
    "repositories"
);
growth!(GROWTH_UPLOAD, "growth of InitiateLayerUpload", "repositories");

pub(crate) static LIFECYCLE_JUDGED: Row = row("lifecycle: {many} images judged", "ms", &[Below(2_000.0)]);
pub(crate) static LIFECYCLE_EXPIRED: Row = row("lifecycle: all but 1,000 of {many} expired", "s", &[]);
pub(crate) static LIFECYCLE_BESIDE: Row = row("lifecycle: longest PutImage beside it", "ms", &[Below(100.0)]);

pub(crate) static LIFECYCLE_MEMORY: Row = row(
    "memory, after all but 1,000 of {most} images expired",
    "MiB",
    &[Below(40.0)],
);

pub(crate) static LIMIT_SHA256: Row = row("hash {big}", "MB/s", &[]);
pub(crate) static LIMIT_DISK: Row = row("write {big}, one fsync", "MB/s", &[]);

/// Remarks on the other contestants' figures, printed below the table.
pub(crate) const NOTES: [(Contestant, &str); 9] = [
    (Moto, "keeps all data in memory, and loses it when it stops"),
    (Fakecloud, "keeps all data in memory, and loses it when it stops"),
    (
        FakecloudDisk,
        "keeps all data in memory, and writes all of it to one file at each change",
    ),
    (
        Nginx,
        "sends the same bytes from files, with sendfile, and checks nothing",
    ),
    (
        Receiver,
        "a bare program that receives, hashes, writes and flushes",
    ),
    (
        Log,
        "appends to one file, one flush serves all waiting writers, no network",
    ),
    (
        Files,
        "makes files and flushes each; the journal takes many of a new directory in one commit, no network",
    ),
    (
        Placed,
        "the same under another name first, then renamed and the directory flushed, as a store must, no network",
    ),
    (Disk, "one file, one flush"),
];
