//! Whole scans: images with realistic content, and advisories written from public facts.

use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::test_layers::TarBuilder;
use crate::{Layer, Limit, Limits, Manager, Report, ScanError, Scanner, Severity};

const DEBIAN: &[u8] = b"PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\nVERSION_ID=\"12\"\n";
const ALPINE: &[u8] = b"ID=alpine\nVERSION_ID=3.18.4\nPRETTY_NAME=\"Alpine Linux v3.18\"\n";
const ALMA: &[u8] = b"ID=\"almalinux\"\nVERSION_ID=\"9.2\"\nPRETTY_NAME=\"AlmaLinux 9.2\"\n";

struct Bench {
    directory: TempDir,
    scanner: Scanner,
}

impl Bench {
    fn new(advisories: &[Value]) -> Self {
        Self::with(advisories, Limits::default())
    }

    fn with(advisories: &[Value], limits: Limits) -> Self {
        let directory = TempDir::new().unwrap();
        let scanner = Scanner::open(directory.path(), None, limits).unwrap();
        let file = directory.path().join("some.json");
        fs::write(&file, Value::from(advisories.to_vec()).to_string()).unwrap();
        let imported = scanner.advisories().import(&file).unwrap();
        assert_eq!((imported.advisories, imported.refused), (advisories.len(), 0));
        Self { directory, scanner }
    }

    fn scan(&self, layers: &[&[u8]]) -> Result<Report, ScanError> {
        self.scanner
            .scan(layers.iter().map(|bytes| layer(bytes)).collect())
    }

    #[track_caller]
    fn check(&self, layers: &[&[u8]], expected: &[(&str, &str, Option<&str>)]) -> Report {
        let report = self.scan(layers).unwrap();
        let seen: Vec<_> = report
            .findings
            .iter()
            .map(|finding| {
                (
                    finding.name.as_str(),
                    finding.package.name(),
                    finding.fixed_in_version.as_deref(),
                )
            })
            .collect();
        assert_eq!(seen, expected);
        report
    }
}

/// A layer that is named by its bytes.
fn layer(bytes: &[u8]) -> Layer {
    let digest = bytes
        .iter()
        .fold(7_u64, |sum, byte| sum.wrapping_mul(31) + u64::from(*byte));
    Layer::new(digest.to_string(), io::Cursor::new(bytes.to_vec()))
}

fn advisory(id: &str, ecosystem: &str, name: &str, events: &Value) -> Value {
    json!({
        "schema_version": "1.6.0",
        "id": id,
        "modified": "2024-01-02T03:04:05Z",
        "details": "What can go wrong.",
        "references": [{ "type": "WEB", "url": "https://example.com/advisory" }],
        "severity": [{ "type": "CVSS_V3", "score": "CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H" }],
        "affected": [{
            "package": { "ecosystem": ecosystem, "name": name },
            "ranges": [{ "type": "ECOSYSTEM", "events": events }],
        }],
    })
}

fn glibc() -> Value {
    advisory(
        "DEBIAN-CVE-2023-4911",
        "Debian:12",
        "glibc",
        &json!([{ "introduced": "0" }, { "fixed": "2.36-9+deb12u3" }]),
    )
}

fn debian(glibc: &str) -> Vec<u8> {
    let status = format!(
        "Package: libc6\nStatus: install ok installed\nArchitecture: amd64\nSource: glibc\nVersion: {glibc}\n\n\
         Package: bash\nStatus: install ok installed\nVersion: 5.2.15-2+b2\n"
    );
    let archive = TarBuilder::new()
        .directory("./")
        .directory("./etc/")
        .link("./etc/os-release", "../usr/lib/os-release")
        .file("./usr/lib/os-release", DEBIAN)
        .file("./var/lib/dpkg/status", status.as_bytes());
    archive.gzip()
}

#[test]
fn a_debian_image_has_the_findings_of_its_sources() {
    let bench = Bench::new(&[glibc()]);
    let found = [("CVE-2023-4911", "libc6", Some("2.36-9+deb12u3"))];
    let report = bench.check(&[&debian("2.36-9+deb12u1")], &found);
    assert_eq!(
        report.distribution.as_deref(),
        Some("Debian GNU/Linux 12 (bookworm)")
    );
    let finding = &report.findings[0];
    assert_eq!(finding.severity, Severity::High);
    assert_eq!(finding.scores[0].score.to_string(), "7.8");
    assert_eq!(
        (finding.path.as_str(), finding.package.manager()),
        ("var/lib/dpkg/status", Manager::Dpkg)
    );
    assert!(report.has_packages && !report.is_uncovered);

    let clean = bench.check(&[&debian("2.36-9+deb12u3")], &[]);
    assert!(clean.has_packages && !clean.is_uncovered);
}

#[test]
fn an_alpine_image_has_the_findings_of_its_origins() {
    let fixed = json!([{ "introduced": "0" }, { "fixed": "3.1.4-r0" }]);
    let bench = Bench::new(&[advisory(
        "ALPINE-CVE-2023-5363",
        "Alpine:v3.18",
        "openssl",
        &fixed,
    )]);
    let image = |version: &str| {
        let installed =
            format!("P:libcrypto3\nV:{version}\nA:x86_64\no:openssl\n\nP:musl\nV:1.2.4-r2\no:musl\n\n");
        TarBuilder::new()
            .file("etc/os-release", ALPINE)
            .file("lib/apk/db/installed", installed.as_bytes())
            .build()
    };
    bench.check(
        &[&image("3.1.3-r0")],
        &[("CVE-2023-5363", "libcrypto3", Some("3.1.4-r0"))],
    );
    bench.check(&[&image("3.1.4-r1")], &[]);
}

#[test]
fn an_image_with_rpm_has_the_findings_of_its_packages() {
    let mut openssl = advisory(
        "ALSA-2023:3722",
        "AlmaLinux:9",
        "openssl-libs",
        &json!([{ "introduced": "0" }, { "fixed": "1:3.0.7-16.el9_2" }]),
    );
    openssl["upstream"] = json!(["CVE-2023-0464", "CVE-2023-2650"]);
    let bench = Bench::new(&[openssl]);
    let image = |release: &str| {
        let header = crate::readers::test_rpm_header("openssl-libs", Some(1), "3.0.7", release);
        TarBuilder::new()
            .file("etc/os-release", ALMA)
            .file("var/lib/rpm/rpmdb.sqlite", &rpm_database(&[header]))
            .gzip()
    };
    let fixed = Some("1:3.0.7-16.el9_2");
    let both = [
        ("CVE-2023-0464", "openssl-libs", fixed),
        ("CVE-2023-2650", "openssl-libs", fixed),
    ];
    bench.check(&[&image("6.el9_2")], &both);
    bench.check(&[&image("16.el9_2")], &[]);
}

fn rpm_database(headers: &[Vec<u8>]) -> Vec<u8> {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("rpmdb.sqlite");
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection
        .execute(
            "CREATE TABLE Packages (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)",
            [],
        )
        .unwrap();
    for header in headers {
        connection
            .execute("INSERT INTO Packages (blob) VALUES (?1)", [header])
            .unwrap();
    }
    drop(connection);
    fs::read(path).unwrap()
}

/// A Go program that was built with a module in its vendor directory.
fn go_program(directory: &Path) -> Vec<u8> {
    let files = [
        (
            "go.mod",
            "module example.com/app\n\ngo 1.19\n\nrequire golang.org/x/net v0.16.0\n",
        ),
        (
            "main.go",
            "package main\n\nimport \"golang.org/x/net/html\"\n\nfunc main() { println(html.Name) }\n",
        ),
        (
            "vendor/modules.txt",
            "# golang.org/x/net v0.16.0\n## explicit; go 1.17\ngolang.org/x/net/html\n",
        ),
        (
            "vendor/golang.org/x/net/html/name.go",
            "package html\n\nconst Name = \"html\"\n",
        ),
    ];
    for (path, text) in files {
        let path = directory.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let built = Command::new("go")
        .args(["build", "-mod=vendor", "-o", "app", "."])
        .current_dir(directory)
        .envs([
            ("CGO_ENABLED", "0"),
            ("GOFLAGS", ""),
            ("GOWORK", "off"),
            ("GOTOOLCHAIN", "local"),
        ])
        .status();
    assert!(built.expect("go is at hand").success());
    fs::read(directory.join("app")).unwrap()
}

#[test]
fn a_program_of_go_has_the_findings_of_its_modules_and_of_the_standard_library() {
    let mut net = advisory("GO-2023-2102", "Go", "golang.org/x/net", &json!([]));
    net["aliases"] = json!(["CVE-2023-39325", "GHSA-4374-p667-p6c8"]);
    net["affected"][0]["ranges"][0] =
        json!({ "type": "SEMVER", "events": [{ "introduced": "0" }, { "fixed": "0.17.0" }] });
    let stdlib = advisory(
        "GO-2099-0001",
        "Go",
        "stdlib",
        &json!([{ "introduced": "1.2.0-0" }]),
    );
    let bench = Bench::new(&[net, stdlib]);
    let program = go_program(bench.directory.path());
    let image = TarBuilder::new().file("app", &program).gzip();
    let found = [
        ("CVE-2023-39325", "golang.org/x/net", Some("0.17.0")),
        ("GO-2099-0001", "stdlib", None),
    ];
    let report = bench.check(&[&image], &found);
    assert_eq!(report.findings[0].path, "app");
}

#[test]
fn packages_of_languages_are_found_beside_those_of_the_system() {
    let introduced = |fixed: &str| json!([{ "introduced": "0" }, { "fixed": fixed }]);
    let bench = Bench::new(&[
        glibc(),
        advisory("CVE-2019-10906", "PyPI", "jinja2", &introduced("2.10.1")),
        advisory("CVE-2020-8203", "npm", "lodash", &introduced("4.17.19")),
        advisory("CVE-2020-26235", "crates.io", "time", &introduced("0.2.23")),
    ]);
    let metadata = b"Metadata-Version: 2.1\nName: Jinja2\nVersion: 2.10\n\n";
    let lock =
        b"[[package]]\nname = \"time\"\nversion = \"0.1.43\"\nsource = \"registry+https://example.com\"\n";
    let app = TarBuilder::new()
        .file(
            "usr/lib/python3.11/site-packages/Jinja2-2.10.dist-info/METADATA",
            metadata,
        )
        .file(
            "app/node_modules/lodash/package.json",
            br#"{"name":"lodash","version":"4.17.15"}"#,
        )
        .file("app/Cargo.lock", lock)
        .build();
    let found = [
        ("CVE-2019-10906", "Jinja2", Some("2.10.1")),
        ("CVE-2020-26235", "time", Some("0.2.23")),
        ("CVE-2020-8203", "lodash", Some("4.17.19")),
        ("CVE-2023-4911", "libc6", Some("2.36-9+deb12u3")),
    ];
    bench.check(&[&debian("2.36-9"), &app], &found);
}

#[test]
fn what_an_upper_layer_takes_away_or_replaces_is_not_found() {
    let fixed = json!([{ "introduced": "0" }, { "fixed": "4.17.19" }]);
    let bench = Bench::new(&[glibc(), advisory("CVE-2020-8203", "npm", "lodash", &fixed)]);
    let manifest = |version: &str| format!(r#"{{"name":"lodash","version":"{version}"}}"#);
    let path = "app/node_modules/lodash/package.json";
    let lower = TarBuilder::new()
        .file(path, manifest("4.17.15").as_bytes())
        .build();
    let found = [("CVE-2020-8203", "lodash", Some("4.17.19"))];
    bench.check(&[&lower], &found);

    let other = TarBuilder::new()
        .file("app/.wh.other", b"")
        .file("app/node_modules/x", b"")
        .build();
    bench.check(&[&lower, &other], &found);
    bench.check(
        &[
            &lower,
            &TarBuilder::new().file("app/.wh.node_modules", b"").build(),
            &lower,
        ],
        &found,
    );

    let uppers = [
        TarBuilder::new().file(path, manifest("4.17.21").as_bytes()),
        TarBuilder::new().file("app/node_modules/lodash/.wh.package.json", b""),
        TarBuilder::new().file("app/.wh.node_modules", b""),
        TarBuilder::new().file(".wh.app", b""),
        TarBuilder::new().directory("app").file("app/.wh..wh..opq", b""),
        TarBuilder::new().link("app/node_modules", "elsewhere"),
    ];
    for upper in uppers {
        bench.check(&[&lower, &upper.build()], &[]);
    }
    let upgraded = [&debian("2.36-9")[..], &debian("2.36-9+deb12u4")];
    bench.check(&upgraded, &[]);
}

#[test]
fn a_layer_is_read_once() {
    struct Counted(io::Cursor<Vec<u8>>, Arc<AtomicUsize>);
    impl Read for Counted {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1.fetch_add(1, Ordering::Relaxed);
            self.0.read(buffer)
        }
    }

    let bench = Bench::new(&[glibc()]);
    let reads = Arc::new(AtomicUsize::new(0));
    let layer = || {
        let content = Counted(io::Cursor::new(debian("2.36-9")), Arc::clone(&reads));
        Layer::new("sha256:00".to_owned(), content)
    };
    let first = bench.scanner.scan(vec![layer()]).unwrap();
    let after_first = reads.load(Ordering::Relaxed);
    let second = bench.scanner.scan(vec![layer()]).unwrap();
    assert_eq!(first, second);
    assert_eq!(first.findings.len(), 1);
    assert_eq!(reads.load(Ordering::Relaxed), after_first);
}

#[test]
fn without_advisories_an_image_is_not_called_clean() {
    let bench = Bench::new(&[]);
    let report = bench.check(&[&debian("2.36-9")], &[]);
    assert!(report.has_packages && report.is_uncovered && !report.has_advisories);

    let bench = Bench::new(&[advisory(
        "CVE-2020-8203",
        "npm",
        "lodash",
        &json!([{ "introduced": "0" }]),
    )]);
    let report = bench.check(&[&debian("2.36-9")], &[]);
    assert!(report.is_uncovered && report.has_advisories);
    assert!(report.uncovered.contains("Debian:12"));

    let nothing = bench.check(&[&TarBuilder::new().file("hello", b"world").build()], &[]);
    assert!(!nothing.has_packages);
}

#[test]
fn a_bad_or_enormous_archive_ends_the_scan() {
    let bench = Bench::new(&[]);
    let whole = debian("2.36-9");
    for bytes in [&b"layer 000000000000000001"[..], &whole[..whole.len() / 2]] {
        assert!(matches!(bench.scan(&[bytes]), Err(ScanError::Archive(_))));
    }
    let zeros = TarBuilder::new().file("zeros", &vec![0; 20 << 20]).gzip();
    assert!(matches!(
        bench.scan(&[&zeros]),
        Err(ScanError::Limit(Limit::Ratio))
    ));

    let small = Limits {
        layer_bytes_max: 64 << 10,
        image_bytes_max: 96 << 10,
        entries_max: 4,
        ..Limits::default()
    };
    let bench = Bench::with(&[], small);
    let noise = |bytes: usize| TarBuilder::new().file("noise", &vec![7; bytes]).build();
    let one = noise(60 << 10);
    assert!(bench.scan(&[&one]).is_ok());
    let two = noise(61 << 10);
    assert!(matches!(
        bench.scan(&[&one, &two]),
        Err(ScanError::Limit(Limit::ImageSize))
    ));
    assert!(matches!(
        bench.scan(&[&noise(70 << 10)]),
        Err(ScanError::Limit(Limit::LayerSize))
    ));
    let many = (0..5).fold(TarBuilder::new(), |tar, number| {
        tar.file(&number.to_string(), b"")
    });
    assert!(matches!(
        bench.scan(&[&many.build()]),
        Err(ScanError::Limit(Limit::Entries))
    ));
}

#[test]
fn advisories_are_replaced_by_newer_ones_and_withdrawn() {
    let bench = Bench::new(&[glibc()]);
    let file = bench.directory.path().join("next.json");
    let mut next = glibc();
    let mut import = |change: &dyn Fn(&mut Value)| {
        change(&mut next);
        fs::write(&file, next.to_string()).unwrap();
        bench.scanner.advisories().import(&file).unwrap();
    };
    let image = debian("2.36-9+deb12u1");
    import(&|next| {
        next["modified"] = json!("2023-01-01T00:00:00Z");
        next["affected"] = json!([]);
    });
    bench.check(&[&image], &[("CVE-2023-4911", "libc6", Some("2.36-9+deb12u3"))]);
    import(&|next| {
        next["modified"] = json!("2025-01-01T00:00:00Z");
        next["withdrawn"] = json!("2025-01-01T00:00:00Z");
    });
    bench.check(&[&image], &[]);
}

#[test]
fn the_files_of_a_directory_are_taken_in_as_they_come_and_go() {
    let directory = TempDir::new().unwrap();
    let watched = directory.path().join("osv");
    fs::create_dir_all(watched.join("debian")).unwrap();
    let scanner = Scanner::open(directory.path(), Some(watched.clone()), Limits::default()).unwrap();
    let image = debian("2.36-9+deb12u1");
    let count = || scanner.scan(vec![layer(&image)]).unwrap().findings.len();
    assert_eq!(count(), 0);

    let one = watched.join("debian/one.json");
    fs::write(&one, glibc().to_string()).unwrap();
    fs::write(watched.join("broken.json"), "{").unwrap();
    assert_eq!(count(), 1);

    let bash = advisory(
        "CVE-2099-0001",
        "Debian:12",
        "bash",
        &json!([{ "introduced": "0" }]),
    );
    let mut archive = zip::ZipWriter::new(fs::File::create(watched.join("all.zip")).unwrap());
    archive
        .start_file("CVE-2099-0001.json", zip::write::SimpleFileOptions::default())
        .unwrap();
    io::Write::write_all(&mut archive, bash.to_string().as_bytes()).unwrap();
    archive.finish().unwrap();
    assert_eq!(count(), 2);

    let revision = scanner.advisories().revision().unwrap();
    assert_eq!(scanner.advisories().revision().unwrap(), revision);
    fs::remove_file(one).unwrap();
    assert_eq!(count(), 1);
    assert_ne!(scanner.advisories().revision().unwrap(), revision);
}
