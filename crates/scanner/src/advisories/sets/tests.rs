//! Installed, replaced and refused sets, as a scan sees them.

use std::io::Cursor;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use serde_json::{Value, json};
use tempfile::TempDir;
use zip::write::SimpleFileOptions;

use super::*;
use crate::test_layers::TarBuilder;
use crate::{Layer, Limits, Scanner};

fn advisory(id: &str, affected: &[(&str, &str)]) -> Value {
    let affected = affected.iter().map(|(ecosystem, name)| {
        json!({ "package": { "ecosystem": ecosystem, "name": name }, "ranges": [{ "type": "ECOSYSTEM", "events": [{ "introduced": "0" }] }] })
    });
    json!({ "id": id, "modified": "2024-01-02T03:04:05Z", "affected": affected.collect::<Vec<_>>() })
}

fn archive(documents: &[String]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (place, document) in documents.iter().enumerate() {
        writer
            .start_file(format!("{place}.json"), SimpleFileOptions::default())
            .unwrap();
        writer.write_all(document.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn install(data: &Path, name: &str, bytes: &[u8], version: &str) -> Result<usize, ImportError> {
    let update = SetUpdate::begin(data).unwrap().expect("nobody else");
    let ecosystem: Ecosystem = name.parse().unwrap();
    let mut part = update.part(&ecosystem).unwrap();
    part.restart(Some(version)).unwrap();
    part.append(bytes).unwrap();
    update.install(&ecosystem, part, &AtomicBool::new(false))
}

/// The findings of a Debian 12 image with tar and one Python package.
fn findings(scanner: &Scanner) -> Vec<String> {
    let status = "Package: tar\nStatus: install ok installed\nVersion: 1.34\n";
    let layer = TarBuilder::new()
        .file("etc/os-release", b"ID=debian\nVERSION_ID=12\n")
        .file("var/lib/dpkg/status", status.as_bytes())
        .file("app/requirements.txt", b"flask==1.0\n")
        .build();
    let layer = Layer::new("one".to_owned(), Cursor::new(layer));
    let report = scanner.scan(vec![layer]).unwrap();
    let mut names: Vec<String> = report
        .findings
        .iter()
        .map(|finding| finding.advisory.clone())
        .collect();
    names.extend(report.uncovered.iter().map(|name| format!("no {name}")));
    names
}

fn bench() -> (TempDir, Scanner) {
    let directory = tempfile::tempdir().unwrap();
    let scanner = Scanner::open(directory.path(), None, Limits::default()).unwrap();
    (directory, scanner)
}

#[test]
fn a_set_is_used_at_once_and_replaced_as_a_whole() {
    let (directory, scanner) = bench();
    let data = directory.path();
    assert_eq!(findings(&scanner), ["no Debian:12", "no PyPI"]);
    let before = scanner.advisories().revision().unwrap();
    let first = archive(&[
        advisory("A", &[("Debian:12", "tar")]).to_string(),
        advisory("B", &[("Debian:12", "tar")]).to_string(),
    ]);
    assert_eq!(install(data, "Debian:12", &first, "\"1\"").unwrap(), 2);
    assert_ne!(scanner.advisories().revision().unwrap(), before);
    assert_eq!(findings(&scanner), ["A", "B", "no PyPI"]);

    let second = archive(&[
        advisory("B", &[("Debian:12", "tar")]).to_string(),
        advisory("C", &[("Debian", "tar")]).to_string(),
    ]);
    install(data, "Debian:12", &second, "\"2\"").unwrap();
    assert_eq!(findings(&scanner), ["B", "C", "no PyPI"]);
    let update = SetUpdate::begin(data).unwrap().unwrap();
    assert_eq!(
        update.version(&"Debian:12".parse().unwrap()).as_deref(),
        Some("\"2\"")
    );
    assert_eq!(update.version(&"npm".parse().unwrap()), None);
}

#[test]
fn a_set_covers_its_own_ecosystem_and_no_other() {
    let (directory, scanner) = bench();
    let shared = advisory(
        "GHSA-1",
        &[("npm", "flask"), ("PyPI", "flask"), ("Debian:12", "tar")],
    );
    install(directory.path(), "npm", &archive(&[shared.to_string()]), "\"1\"").unwrap();
    assert_eq!(findings(&scanner), ["no Debian:12", "no PyPI"]);
    install(directory.path(), "PyPI", &archive(&[shared.to_string()]), "\"1\"").unwrap();
    assert_eq!(findings(&scanner), ["GHSA-1", "no Debian:12"]);
    // A set for all releases covers each of them.
    install(
        directory.path(),
        "Debian",
        &archive(&[shared.to_string()]),
        "\"1\"",
    )
    .unwrap();
    assert_eq!(findings(&scanner), ["GHSA-1", "GHSA-1"]);
}

#[test]
fn an_archive_with_anything_wrong_in_it_leaves_the_set_before() {
    let (directory, scanner) = bench();
    let data = directory.path();
    let good = advisory("A", &[("Debian:12", "tar")]).to_string();
    install(data, "Debian:12", &archive(std::slice::from_ref(&good)), "\"1\"").unwrap();
    let whole = archive(std::slice::from_ref(&good));
    let mut changed = whole.clone();
    changed[40] ^= 1;
    let other = advisory("B", &[("Debian:11", "tar")]).to_string();
    let many = format!("{{\"id\":\"C\",\"affected\":[{}{{}}]}}", "{},".repeat(200_000));
    let bad = [
        archive(&[good.clone(), "{".to_owned()]),
        archive(&[good.clone(), "{\"id\":1}".to_owned()]),
        archive(&[good.clone(), "{\"id\":\"\"}".to_owned()]),
        archive(&[good.clone(), many]),
        archive(&[other]),
        archive(&[]),
        whole[..whole.len() - 1].to_vec(),
        changed,
        b"<html>".to_vec(),
    ];
    for (place, bytes) in bad.iter().enumerate() {
        assert!(install(data, "Debian:12", bytes, "\"2\"").is_err(), "{place}");
        assert_eq!(findings(&scanner), ["A", "no PyPI"], "{place}");
        let left = fs::read_dir(data.join(DIRECTORY)).unwrap().count();
        assert_eq!(left, 2, "the set and the lock");
    }
}

#[test]
fn of_an_advisory_that_is_there_twice_the_newest_counts() {
    let (directory, scanner) = bench();
    let mut newer = advisory("A", &[("Debian:12", "bash")]);
    newer["modified"] = json!("2025-01-01T00:00:00Z");
    let older = advisory("A", &[("Debian:12", "tar")]);
    for order in [[&newer, &older], [&older, &newer]] {
        let bytes = archive(&order.map(Value::to_string));
        install(directory.path(), "Debian:12", &bytes, "\"1\"").unwrap();
        assert_eq!(findings(&scanner), ["no PyPI"]);
    }
    // The same holds beside advisories that were imported by hand.
    let file = directory.path().join("older.json");
    fs::write(&file, older.to_string()).unwrap();
    scanner.advisories().import(&file).unwrap();
    assert_eq!(findings(&scanner), ["no PyPI"]);
}

#[test]
fn an_import_that_is_stopped_can_be_continued() {
    let (directory, _scanner) = bench();
    let ecosystem: Ecosystem = "PyPI".parse().unwrap();
    let update = SetUpdate::begin(directory.path()).unwrap().unwrap();
    let mut part = update.part(&ecosystem).unwrap();
    part.restart(Some("\"1\"")).unwrap();
    part.append(&archive(&[advisory("A", &[("PyPI", "flask")]).to_string()]))
        .unwrap();
    let length = part.length;
    let stopped = update.install(&ecosystem, part, &AtomicBool::new(true));
    assert!(matches!(stopped, Err(ImportError::Stopped)));
    let part = update.part(&ecosystem).unwrap();
    assert_eq!((part.length, part.version.as_deref()), (length, Some("\"1\"")));
    // A part without a known version cannot be continued.
    let mut part = part;
    part.restart(None).unwrap();
    part.append(b"half").unwrap();
    assert_eq!(update.part(&ecosystem).unwrap().length, 0);
}

#[test]
fn one_process_updates_at_a_time() {
    let (directory, _scanner) = bench();
    let update = SetUpdate::begin(directory.path()).unwrap();
    assert!(update.is_some() && SetUpdate::begin(directory.path()).unwrap().is_none());
    drop(update);
    assert!(SetUpdate::begin(directory.path()).unwrap().is_some());
}

#[test]
fn every_file_is_for_its_owner_and_no_link_is_followed() {
    let (directory, scanner) = bench();
    let data = directory.path();
    install(
        data,
        "PyPI",
        &archive(&[advisory("A", &[("PyPI", "flask")]).to_string()]),
        "\"1\"",
    )
    .unwrap();
    findings(&scanner);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&data.join("advisories.db")), 0o600);
    assert_eq!(mode(&data.join(DIRECTORY)), 0o700);
    for entry in fs::read_dir(data.join(DIRECTORY)).unwrap() {
        assert_eq!(mode(&entry.unwrap().path()), 0o600);
    }

    let elsewhere = data.join("elsewhere");
    fs::write(&elsewhere, "mine").unwrap();
    symlink(&elsewhere, data.join(DIRECTORY).join("npm.zip.part")).unwrap();
    let update = SetUpdate::begin(data).unwrap().unwrap();
    assert!(update.part(&"npm".parse().unwrap()).is_err());
    assert_eq!(fs::read(&elsewhere).unwrap(), b"mine");
    // A set that is a link is not used.
    symlink(
        data.join(DIRECTORY).join("PyPI.db"),
        data.join(DIRECTORY).join("npm.db"),
    )
    .unwrap();
    assert_eq!(findings(&scanner), ["A", "no Debian:12"]);
}

#[test]
fn the_ecosystems_of_a_layer_are_known_without_a_scan_and_without_reading_it_twice() {
    let (_directory, scanner) = bench();
    let bytes = TarBuilder::new()
        .file("etc/os-release", b"ID=other\nNAME=Other\nVERSION_ID=7\n")
        .file("usr/lib/os-release", b"ID=x\nNAME=../../x\n")
        .file("app/requirements.txt", b"flask==1.0\n")
        .build();
    let names = |layer: Layer| {
        let found = scanner.ecosystems(layer).unwrap();
        found.iter().map(Ecosystem::to_string).collect::<Vec<_>>()
    };
    let unreadable = |digest: &str| Layer {
        digest: digest.to_owned(),
        open: Box::new(|| Err(io::Error::other("it was read"))),
    };
    assert!(scanner.ecosystems(unreadable("one")).is_err());
    assert_eq!(
        names(Layer::new("one".to_owned(), Cursor::new(bytes))),
        ["PyPI", "Other:7"]
    );
    assert_eq!(names(unreadable("one")), ["PyPI", "Other:7"]);
    // The inventory of a layer that is stored elsewhere is not kept either.
    let absent = Layer {
        digest: "three".to_owned(),
        open: Box::new(|| Ok(None)),
    };
    assert!(names(absent).is_empty());
    let came = TarBuilder::new()
        .file("app/requirements.txt", b"flask==1.0\n")
        .build();
    assert_eq!(names(Layer::new("three".to_owned(), Cursor::new(came))), ["PyPI"]);
}

#[test]
fn a_layer_with_more_packages_than_are_remembered_is_read_once_for_its_ecosystems() {
    let (_directory, scanner) = bench();
    let many: String = (0..40_000).fold(String::new(), |text, number| {
        text + &format!("a-package-with-a-name-of-some-length-that-fills-the-list-{number}==1.0\n")
    });
    let bytes = TarBuilder::new()
        .file("app/requirements.txt", many.as_bytes())
        .build();
    let layer = Layer::new("many".to_owned(), Cursor::new(bytes));
    assert_eq!(scanner.ecosystems(layer).unwrap(), ["PyPI".parse().unwrap()]);
    let known = |table: &str| {
        let connection = scanner.advisories().connection();
        let count = format!("SELECT COUNT(*) FROM {table}");
        connection
            .query_row(&count, [], |row| row.get::<_, i64>(0))
            .unwrap()
    };
    assert_eq!((known("inventories"), known("layer_ecosystems")), (0, 1));
}

#[test]
fn an_update_leaves_no_part_that_cannot_be_continued_and_removes_those_of_earlier_ones() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path();
    let left = || {
        let entries = fs::read_dir(data.join(DIRECTORY)).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    let update = SetUpdate::begin(data).unwrap().unwrap();
    drop(update.part(&"npm".parse().unwrap()).unwrap());
    let mut nameless = update.part(&"PyPI".parse().unwrap()).unwrap();
    nameless.append(b"half").unwrap();
    drop(nameless);
    assert_eq!(left(), ["lock"]);
    let mut half = update.part(&"Go".parse().unwrap()).unwrap();
    half.restart(Some("\"1\"")).unwrap();
    half.append(b"half").unwrap();
    drop((half, update));
    assert_eq!(left(), ["Go.zip.part", "Go.zip.version", "lock"]);

    for (name, bytes) in [
        ("npm.zip.part", ""),
        ("npm.zip.version", "\"1\""),
        ("PyPI.zip.part", "half"),
        ("PyPI.zip.version", ""),
        ("Debian.zip.version", "\"1\""),
        ("Debian.db.new", "half"),
    ] {
        fs::write(data.join(DIRECTORY).join(name), bytes).unwrap();
    }
    drop(SetUpdate::begin(data).unwrap());
    assert_eq!(left(), ["Go.zip.part", "Go.zip.version", "lock"]);
}
