//! The cost of images that are made to be expensive, measured by the budget of their scan, never by a clock.

use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::inventory::Inventory;
use crate::limits::{Budget, Spent};
use crate::readers::Scratch;
use crate::test_layers::{
    TarBuilder, bdb_over_one_value, layer_of, ndb_over_one_header, program_of_beginnings, program_of_bombs,
    repeated, sqlite_over_one_record,
};
use crate::{Layer, Limit, Limits, Report, ScanError, Scanner};

const MIB: usize = 1 << 20;
/// The size of a package with the longest permitted texts.
const PACKAGE_BYTES_MAX: u64 = 2_048;

/// Reads a layer as a scan does, and returns the cost.
fn read(layer: &[u8], limits: Limits) -> (Result<Inventory, ScanError>, Spent) {
    let budget = Budget::new(limits);
    let directory = TempDir::new().unwrap();
    let scratch = Scratch {
        directory: directory.path().to_owned(),
    };
    let inventory = Inventory::of_layer(layer, &budget, &scratch);
    (inventory, budget.spent())
}

/// Checks that a layer is refused with the given error, and that the cost stayed within the limits.
#[track_caller]
fn check(layer: &[u8], expected: Limit) -> Spent {
    check_within(layer, Limits::default(), expected)
}

#[track_caller]
fn check_within(layer: &[u8], limits: Limits, expected: Limit) -> Spent {
    let (inventory, spent) = read(layer, limits);
    match inventory {
        Err(ScanError::Limit(limit)) => assert_eq!(limit, expected, "{spent:?}"),
        other => panic!(
            "{:?} after {spent:?}",
            other.map(|inventory| inventory.sources.len())
        ),
    }
    assert!(spent.packages <= limits.packages_max + 1, "{spent:?}");
    assert!(
        spent.kept_bytes <= limits.kept_bytes_max + PACKAGE_BYTES_MAX,
        "{spent:?}"
    );
    assert!(spent.image_bytes <= 20 * MIB as u64, "{spent:?}");
    spent
}

#[test]
fn lists_of_millions_of_packages_end_at_the_limit_of_packages() {
    let lists = [
        ("app/requirements.txt", "a==1\n"),
        ("app/go.mod", "require a v1\n"),
        ("lib/apk/db/installed", "P:a\nV:1\n\n"),
        ("var/lib/dpkg/status", "Package: a\nVersion: 1\n\n"),
        (
            "app/Cargo.lock",
            "[[package]]\nname = \"a\"\nversion = \"1\"\nsource = \"registry+x\"\n",
        ),
        ("app/poetry.lock", "[[package]]\nname = \"a\"\nversion = \"1\"\n"),
    ];
    for (path, piece) in lists {
        check(&layer_of(path, &repeated(piece, 16 * MIB)), Limit::Packages);
    }
    let members =
        |piece: &str| String::from_utf8(repeated(piece, 8 * MIB / piece.len() * piece.len())).unwrap();
    let lock = members(r#""node_modules/a":{"version":"1"},"#);
    let lock = format!(r#"{{"packages":{{{lock}"b":{{}}}}}}"#);
    check(
        &layer_of("app/package-lock.json", lock.as_bytes()),
        Limit::Packages,
    );
    let older = members(r#""a":{"version":"1"},"#);
    let older = format!(r#"{{"dependencies":{{{older}"b":{{}}}}}}"#);
    check(
        &layer_of("app/package-lock.json", older.as_bytes()),
        Limit::Packages,
    );
    let pipfile = members(r#""a":{"version":"==1"},"#);
    let pipfile = format!(r#"{{"default":{{{pipfile}"b":{{}}}}}}"#);
    check(&layer_of("app/Pipfile.lock", pipfile.as_bytes()), Limit::Packages);
}

#[test]
fn packages_of_long_texts_end_at_the_limit_of_bytes() {
    let limits = Limits {
        kept_bytes_max: 1 << 20,
        ..Limits::default()
    };
    let (name, version) = ("n".repeat(500), "1".repeat(250));
    let dpkg = format!(
        "Package: {name}\nVersion: {version}\nSource: {name} ({version})\nArchitecture: {version}\n\n"
    );
    let apk = format!("P:{name}\nV:{version}\no:{name}\nA:{version}\n\n");
    for (path, piece) in [
        ("var/lib/dpkg/status", dpkg),
        ("lib/apk/db/installed", apk),
        ("app/requirements.txt", format!("{name}=={version}\n")),
    ] {
        let layer = layer_of(path, &repeated(&piece, 4 * MIB));
        check_within(&layer, limits, Limit::KeptBytes);
    }
}

#[test]
fn texts_longer_than_any_of_a_package_are_not_kept() {
    let long = "x".repeat(60_000);
    let paragraph = format!("P:a\nV:1\nA:{long}\no:{long}\n\nP:{long}\nV:1\n\nP:b\nV:{long}\n\n");
    let (inventory, spent) = read(
        &layer_of(
            "lib/apk/db/installed",
            &repeated(&paragraph, 100 * paragraph.len()),
        ),
        Limits::default(),
    );
    assert_eq!(inventory.unwrap().sources.len(), 1);
    assert_eq!(spent.packages, 100);
    assert!(spent.kept_bytes < 100 * 200);
}

#[test]
fn files_that_are_found_again_and_again_end_at_the_limit_of_bytes() {
    let directory = "d".repeat(80);
    let deep = |depth: usize| vec![directory.as_str(); depth].join("/");
    let release = format!(
        "NAME={0}\nPRETTY_NAME={0}\nID={0}\nVERSION_ID={0}\n",
        "r".repeat(250)
    );
    let layer = (0..20_000).fold(TarBuilder::new(), |tar, _| {
        tar.file("etc/os-release", release.as_bytes())
    });
    let limits = Limits {
        kept_bytes_max: 4 << 20,
        ..Limits::default()
    };
    let (inventory, spent) = read(&layer.build(), limits);
    assert!(matches!(inventory, Err(ScanError::Limit(Limit::KeptBytes))));
    assert!(spent.kept_bytes <= limits.kept_bytes_max + 5_000);

    // A path that is longer than any system can open is refused.
    for (depth, fits) in [(40, true), (60, false)] {
        let path = format!("{}/requirements.txt", deep(depth));
        let layer = crate::test_layers::long_path(&path, b"a==1\n");
        assert_eq!(read(&layer, Limits::default()).0.is_ok(), fits, "{depth}");
    }
}

#[test]
fn entries_of_a_database_over_one_value_are_not_read_more_often_than_it_is_large() {
    let databases = [
        ("Packages", bdb_over_one_value(16_000, true)),
        ("Packages", bdb_over_one_value(9_000, false)),
        ("Packages.db", ndb_over_one_header(30_000, 12 * MIB)),
        ("rpmdb.sqlite", sqlite_over_one_record(20_000)),
    ];
    for (name, database) in databases {
        let spent = check(
            &layer_of(&format!("var/lib/rpm/{name}"), &database),
            Limit::Database,
        );
        assert!(
            spent.database_bytes <= 4 * database.len() as u64 + 65_536,
            "{name}: {spent:?}"
        );
        assert!(spent.kept_bytes < 100_000, "{name}: {spent:?}");
    }
}

#[test]
fn a_list_that_is_read_in_part_only_fails_the_scan() {
    let long = format!(
        r#"{{"packages":{{"node_modules/a":{{"version":"1"}}}},"x":"{}"}}"#,
        "y".repeat(17 * MIB)
    );
    check(
        &layer_of("app/package-lock.json", long.as_bytes()),
        Limit::FileSize,
    );
    check(&layer_of("app/Pipfile.lock", long.as_bytes()), Limit::FileSize);
    let manifest = format!(r#"{{"name":"a","version":"1","x":"{}"}}"#, "y".repeat(2 * MIB));
    check(
        &layer_of("app/node_modules/a/package.json", manifest.as_bytes()),
        Limit::FileSize,
    );
}

#[test]
fn every_place_in_a_program_that_looks_like_a_list_asks_for_the_time() {
    let bytes = MIB / 8;
    let (inventory, spent) = read(&layer_of("app", &program_of_beginnings(bytes)), Limits::default());
    assert_eq!(inventory.unwrap().sources, []);
    assert!(spent.clock_checks >= bytes as u64 / 2, "{spent:?}");

    // The unpacked bytes of a list count like bytes of the layer.
    let program = program_of_bombs(12, 4 * MIB);
    let limits = Limits {
        image_bytes_max: 16 << 20,
        ..Limits::default()
    };
    let (inventory, spent) = read(&layer_of("app", &program), limits);
    assert!(
        matches!(inventory, Err(ScanError::Limit(Limit::ImageSize))),
        "{spent:?}"
    );
    assert!(spent.image_bytes <= 21 << 20, "{spent:?}");
}

#[test]
fn packed_bytes_that_unpack_to_nothing_ask_for_the_time() {
    let empty = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best())
        .finish()
        .unwrap();
    let layer = empty.repeat(2 * MIB / empty.len());
    let (inventory, spent) = read(&layer, Limits::default());
    assert_eq!(inventory.unwrap(), Inventory::default());
    assert!(spent.clock_checks >= 2 * MIB as u64 / 65_536, "{spent:?}");
}

#[test]
fn a_scan_that_has_no_time_left_ends_wherever_it_is() {
    let limits = Limits {
        duration_max: Duration::ZERO,
        ..Limits::default()
    };
    let layer = layer_of("app/requirements.txt", b"a==1\n");
    let (inventory, spent) = read(&layer, limits);
    assert!(matches!(inventory, Err(ScanError::Limit(Limit::Time))));
    assert_eq!(spent.packages, 0);
}

struct Bench {
    directory: TempDir,
    limits: Limits,
}

impl Bench {
    fn new(advisories: &[Value], limits: Limits) -> Self {
        let bench = Self {
            directory: TempDir::new().unwrap(),
            limits,
        };
        let file = bench.directory.path().join("some.json");
        std::fs::write(&file, Value::from(advisories.to_vec()).to_string()).unwrap();
        bench.scanner().advisories().import(&file).unwrap();
        bench
    }

    fn path(&self) -> PathBuf {
        self.directory.path().to_owned()
    }

    fn scanner(&self) -> Scanner {
        Scanner::open(&self.path(), None, self.limits).unwrap()
    }

    fn scan(&self, layers: Vec<Layer>) -> Result<Report, ScanError> {
        self.scanner().scan(layers)
    }
}

fn layer(digest: &str, bytes: Vec<u8>) -> Layer {
    Layer::new(digest.to_owned(), io::Cursor::new(bytes))
}

/// Advisories of many vulnerabilities each, with long texts, about every version of `a`.
fn kernel(advisories: usize) -> Vec<Value> {
    let cves = |number: usize| -> Vec<String> {
        (0..50)
            .map(|place| format!("CVE-2099-{}", 10_000 + 50 * number + place))
            .collect()
    };
    (0..advisories)
        .map(|number| {
            json!({
                "id": format!("PYSEC-2099-{number}"), "modified": "2024-01-02T03:04:05Z", "aliases": cves(number),
                "details": "d".repeat(8_000),
                "affected": [{
                    "package": { "ecosystem": "PyPI", "name": "a" },
                    "ranges": [{ "type": "ECOSYSTEM", "events": [{ "introduced": "0" }] }],
                }],
            })
        })
        .collect()
}

fn versions_of_one_name(count: usize) -> Vec<u8> {
    let lines: Vec<_> = (0..count).map(|version| format!("a=={version}\n")).collect();
    layer_of("app/requirements.txt", lines.concat().as_bytes())
}

#[test]
fn findings_without_end_fail_the_scan_instead_of_being_cut() {
    let bench = Bench::new(&kernel(4), Limits::default());
    let report = bench.scan(vec![layer("few", versions_of_one_name(1))]).unwrap();
    assert_eq!(report.findings.len(), 200);
    let error = bench
        .scan(vec![layer("many", versions_of_one_name(5_000))])
        .unwrap_err();
    assert!(matches!(error, ScanError::Limit(Limit::Findings)), "{error}");
    assert_eq!(error.to_string(), "the image has more findings than are kept");

    let fewer = Bench {
        limits: Limits {
            findings_max: 199,
            ..Limits::default()
        },
        ..bench
    };
    let error = fewer
        .scan(vec![layer("few", versions_of_one_name(1))])
        .unwrap_err();
    assert!(matches!(error, ScanError::Limit(Limit::Findings)), "{error}");
}

#[test]
fn many_layers_share_one_budget_whether_or_not_they_were_read_before() {
    let bench = Bench::new(&[], Limits::default());
    let list = |number: usize| {
        let lines = (0..20_000).map(|version| format!("p{number}=={version}\n"));
        layer_of("app/requirements.txt", lines.collect::<String>().as_bytes())
    };
    for number in 0..3 {
        let digest = number.to_string();
        assert!(bench.scan(vec![layer(&digest, list(number))]).is_ok());
    }
    let unread = || -> Layer {
        Layer {
            digest: "unread".to_owned(),
            open: Box::new(|| panic!("the layer is not opened")),
        }
    };
    let known = (0..3).map(|number| layer(&number.to_string(), list(number)));
    let error = bench.scan(known.chain([unread()]).collect()).unwrap_err();
    assert!(matches!(error, ScanError::Limit(Limit::Packages)), "{error}");
}

#[test]
fn layers_are_opened_one_at_a_time() {
    struct Open(io::Cursor<Vec<u8>>, Arc<AtomicUsize>);
    impl Read for Open {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.read(buffer)
        }
    }
    impl Drop for Open {
        fn drop(&mut self) {
            self.1.fetch_sub(1, Ordering::Relaxed);
        }
    }

    let bench = Bench::new(&[], Limits::default());
    let (open, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let layers = (0..200).map(|number: usize| {
        let (open, most) = (Arc::clone(&open), Arc::clone(&most));
        Layer {
            digest: number.to_string(),
            open: Box::new(move || {
                most.fetch_max(open.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
                let content = io::Cursor::new(layer_of("file", b"x"));
                Ok(Some(Box::new(Open(content, open)) as Box<dyn Read + Send>))
            }),
        }
    });
    bench.scan(layers.collect()).unwrap();
    assert_eq!(
        (open.load(Ordering::Relaxed), most.load(Ordering::Relaxed)),
        (0, 1)
    );
}

#[test]
fn a_layer_that_is_kept_elsewhere_is_read_once_it_is_here() {
    let bench = Bench::new(&kernel(1), Limits::default());
    let elsewhere = Layer {
        digest: "one".to_owned(),
        open: Box::new(|| Ok(None)),
    };
    assert!(!bench.scan(vec![elsewhere]).unwrap().has_packages);
    let here = bench.scan(vec![layer("one", versions_of_one_name(1))]).unwrap();
    assert_eq!(here.findings.len(), 50);
}

/// Stores a row as an earlier build stored the inventory of a layer.
fn remember(bench: &Bench, layer: &str, sources: &str) {
    let scanner = bench.scanner();
    scanner
        .advisories()
        .connection()
        .execute(
            "INSERT INTO inventories (layer, version, used, entries, unpacked_bytes, sources, files, whiteouts, opaque)
             VALUES (?1, 1, 1, 3, 4096, ?2, x'', x'', x'')",
            [layer, sources],
        )
        .unwrap();
}

#[test]
fn an_inventory_that_an_earlier_build_kept_is_read_and_counted() {
    let bench = Bench::new(&kernel(1), Limits::default());
    let package = |name: &str, source: &str| {
        json!({ "manager": "Python", "name": name, "version": "1", "source_name": source, "source_version": null,
            "architecture": source })
    };
    let sources = |packages: Vec<Value>| {
        json!([
            { "path": "etc/os-release",
              "content": { "Release": { "id": "debian", "version_id": "12", "name": "Debian", "pretty_name": "D" } } },
            { "path": "app/requirements.txt", "content": { "Packages": packages } },
        ])
        .to_string()
    };
    remember(&bench, "old", &sources(vec![package("a", &"s".repeat(70_000))]));
    let unread = || Layer {
        digest: "old".to_owned(),
        open: Box::new(|| panic!("the stored inventory is enough")),
    };
    let report = bench.scan(vec![unread()]).unwrap();
    assert_eq!(
        (report.findings.len(), report.distribution.as_deref()),
        (50, Some("D"))
    );

    // An inventory that is too large or invalid is made again from the layer.
    remember(
        &bench,
        "large",
        &sources(vec![package("b", &"s".repeat(17 * MIB))]),
    );
    remember(&bench, "broken", &sources(vec![package("", "s")]));
    for digest in ["large", "broken"] {
        let report = bench.scan(vec![layer(digest, versions_of_one_name(1))]).unwrap();
        assert_eq!(report.findings.len(), 50, "{digest}");
    }
}

#[test]
fn a_layer_with_much_to_tell_is_not_kept() {
    let bench = Bench::new(&[], Limits::default());
    let names = (0..12_000).map(|number| format!("{}{number}==1\n", "n".repeat(400)));
    let large = layer_of("app/requirements.txt", names.collect::<String>().as_bytes());
    assert!(bench.scan(vec![layer("large", large)]).is_ok());
    assert!(bench.scan(vec![layer("small", versions_of_one_name(3))]).is_ok());
    let scanner = bench.scanner();
    let connection = scanner.advisories().connection();
    let kept: Vec<String> = connection
        .prepare("SELECT layer FROM inventories")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(kept, ["small"]);
}
