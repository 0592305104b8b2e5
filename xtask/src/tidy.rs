//! Checks that no compiler makes: the allowed edges between crates, the size of files, and the first sentence
//! of each file.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const LINES_MAX: usize = 500;

/// Each crate and what it may use.
const EDGES: [(&str, &[&str]); 16] = [
    ("facts", &[]),
    ("model", &[]),
    ("store", &["model"]),
    ("platform", &["model", "store"]),
    ("policy", &["model"]),
    ("registry", &["model", "store", "policy", "platform"]),
    ("kms", &["model", "store", "platform"]),
    ("sts", &["model", "store", "platform"]),
    ("aws", &["model", "store", "platform", "registry"]),
    ("oci", &["model", "store", "platform", "registry"]),
    ("control", &["model", "store", "platform", "registry"]),
    ("outbound", &["model", "store", "registry"]),
    ("scanner", &[]),
    ("heap", &[]),
    ("conformance", &["model", "facts"]),
    (
        "server",
        &[
            "model", "store", "registry", "platform", "sts", "kms", "aws", "oci", "control", "outbound",
            "scanner", "heap",
        ],
    ),
];

fn root() -> PathBuf {
    crate::root().unwrap()
}

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir()
            && path
                .file_name()
                .is_some_and(|name| name != "generated" && name != "target")
        {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn all_sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    sources(&root().join("crates"), &mut found);
    sources(&root().join("bench"), &mut found);
    sources(&root().join("xtask/src"), &mut found);
    assert!(found.len() > 50, "the sources were not found");
    found
}

fn is_test(path: &Path) -> bool {
    path.iter().any(|part| part == "tests" || part == "tests.rs")
}

#[test]
fn crates_use_only_what_stands_to_their_left() {
    let crates = fs::read_dir(root().join("crates")).unwrap();
    let names = crates
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect::<BTreeSet<_>>();
    let known = EDGES
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect::<BTreeSet<_>>();
    assert_eq!(names, known, "a new crate needs its edges here");

    for (name, allowed) in EDGES {
        let manifest = fs::read_to_string(root().join("crates").join(name).join("Cargo.toml")).unwrap();
        for line in manifest.lines().filter(|line| line.starts_with("ecru-")) {
            let used = line
                .trim_start_matches("ecru-")
                .split(['.', ' ', '='])
                .next()
                .unwrap();
            assert!(allowed.contains(&used), "`{name}` may not use `{used}`");
        }
    }
}

/// A bench that links ecru would measure a part of itself.
#[test]
fn the_bench_links_nothing_of_what_it_measures() {
    let manifest = fs::read_to_string(root().join("bench/Cargo.toml")).unwrap();
    let (_, rest) = manifest.split_once("[dependencies]").unwrap();
    let dependencies = rest.split("\n[").next().unwrap();
    assert!(
        !dependencies.contains("ecru-"),
        "`ecru-bench` may not use {dependencies}"
    );
}

#[test]
fn every_file_says_in_its_first_line_what_it_is_for() {
    for path in all_sources() {
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            text.starts_with("//! "),
            "{} has no sentence at its head",
            path.display()
        );
    }
}

/// The next database is then one more backend, and a line of the composition.
#[test]
fn only_its_backend_names_the_database() {
    let crates = root().join("crates");
    let free = |path: &Path| {
        let path = path.strip_prefix(&crates).unwrap_or(path);
        let above = [
            "store", "platform", "registry", "sts", "aws", "oci", "control", "kms",
        ];
        let backend = ["store/src/sqlite", "store/src/composition.rs"];
        above.iter().any(|room| path.starts_with(format!("{room}/src")))
            && !backend.iter().any(|own| path.starts_with(own))
    };
    for path in all_sources()
        .into_iter()
        .filter(|path| free(path) && !is_test(path))
    {
        let text = fs::read_to_string(&path).unwrap().to_lowercase();
        let text = text.replace("mod sqlite;", "");
        assert!(!text.contains("sqlite"), "{} names the database", path.display());
    }
}

#[test]
fn no_file_outgrows_its_room() {
    for path in all_sources().into_iter().filter(|path| !is_test(path)) {
        let text = fs::read_to_string(&path).unwrap();
        let lines = text
            .split("\n#[cfg(test)]\nmod tests {")
            .next()
            .unwrap()
            .lines()
            .count();
        assert!(
            lines <= LINES_MAX,
            "{} has {lines} lines without its tests",
            path.display()
        );
    }
}
