//! `cargo xtask rooms`: prints the rooms of each crate in their order, the imports of each, and its number of
//! files.
//!
//! A room is a top-level module: a file or a folder below `src`, with everything below it. Rooms of a crate
//! may not import one another in a circle. The rooms of `registry` also follow the order of a table.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};

use crate::graph::{Edges, cycles, order};
use crate::imports::{self, Room, Rooms, Sources};

/// The groups of `registry`. A room may import the rooms of groups before its own, and the rooms before it in
/// its group.
const ROOMS: Groups = &[
    (
        "ground",
        &[
            "annotations",
            "error",
            "scoped_name",
            "manifests",
            "paging",
            "quotas",
            "upload_places",
            "records",
            "ports",
            "state",
            "context",
        ],
    ),
    ("work", &["subjects", "events"]),
    (
        "settings",
        &[
            "secrets",
            "authorization",
            "access",
            "pull_time_exclusions",
            "lifecycle_policy",
            "repository_policy",
            "creation_templates",
        ],
    ),
    ("content", &["stored_layers", "stored_images"]),
    (
        "behaviours",
        &[
            "lifecycle",
            "scanning",
            "signing",
            "verification",
            "replication",
            "pull_through_cache",
        ],
    ),
    (
        "operations",
        &["repositories", "tagging", "registry_settings", "layers", "images"],
    ),
    (
        "root",
        &[
            "introspection",
            "housekeeping",
            "work",
            "component",
            "service",
            "operations",
            "wire",
            "fuzz",
        ],
    ),
];

/// Maximum number of files in a folder, without tests and generated code.
const FILES_MAX: usize = 15;

type Groups = &'static [(&'static str, &'static [&'static str])];

pub(crate) fn run() -> Result<ExitCode> {
    let mut printed = String::new();
    let mut problems = Vec::new();
    for (name, rooms) in crates()? {
        print(&mut printed, &name, &rooms)?;
        problems.extend(problems_of(&name, &rooms, groups(&name)));
    }
    for problem in &problems {
        writeln!(printed, "{problem}")?;
    }
    std::io::stdout().write_all(printed.as_bytes())?;
    Ok(if problems.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn groups(name: &str) -> Option<Groups> {
    (name == "registry").then_some(ROOMS)
}

/// All crates of the workspace, by folder name.
fn crates() -> Result<BTreeMap<String, Rooms>> {
    let root = crate::root()?;
    let mut folders = ["bench", "fuzz", "xtask"].map(|name| root.join(name)).to_vec();
    for entry in fs::read_dir(root.join("crates"))? {
        folders.push(entry?.path());
    }
    let crates = folders.into_iter().map(|folder| {
        let name = folder.file_name().unwrap_or_default();
        let name = name.to_string_lossy().into_owned();
        let mut sources = Sources::new();
        let src = folder.join("src");
        load(&src, &src, &mut sources)
            .and_then(|()| imports::read(&sources))
            .map(|rooms| (name.clone(), rooms))
            .with_context(|| format!("reading the rooms of `{name}`"))
    });
    crates.collect()
}

fn load(src: &Path, folder: &Path, sources: &mut Sources) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path: PathBuf = entry?.path();
        if path.is_dir() {
            load(src, &path, sources)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let below = path.strip_prefix(src)?.to_string_lossy().into_owned();
            sources.insert(below, fs::read_to_string(&path)?);
        }
    }
    Ok(())
}

fn edges(rooms: &Rooms) -> Edges<'_> {
    let edges = rooms.iter().map(|(name, room)| {
        let imported = room.imports.keys().map(String::as_str).collect();
        (name.as_str(), imported)
    });
    edges.collect()
}

fn print(printed: &mut String, name: &str, rooms: &Rooms) -> Result<()> {
    let edges = edges(rooms);
    writeln!(
        printed,
        "{name}: {}, {}",
        counted(rooms.len(), "room"),
        counted(cycles(&edges).len(), "cycle")
    )?;
    let width = rooms.keys().map(String::len).max().unwrap_or_default();
    let line = |printed: &mut String, name: &str| match rooms.get(name) {
        Some(room) => {
            let imported = room.imports.keys().map(String::as_str).collect::<Vec<_>>();
            let line = format!("  {name:width$}  {:<24}  {}", files(room), imported.join(" "));
            writeln!(printed, "{}", line.trim_end())
        }
        None => Ok(()),
    };
    let grouped = groups(name).unwrap_or_default();
    for (group, members) in grouped {
        writeln!(printed, " {group}")?;
        for member in *members {
            line(printed, member)?;
        }
    }
    for member in order(&edges).into_iter().filter(|_| grouped.is_empty()) {
        line(printed, member)?;
    }
    writeln!(printed)?;
    Ok(())
}

/// Formats the number of files as `8 files, 9 in rules`.
fn files(room: &Room) -> String {
    let mut own = 0;
    let mut inner = Vec::new();
    for (folder, count) in &room.folders {
        match folder.split_once('/') {
            Some((_, below)) => inner.push(format!(", {count} in {below}")),
            // The files of a room can be a single file beside a folder.
            None => own += count,
        }
    }
    format!("{}{}", counted(own, "file"), inner.concat())
}

fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// Violations of the rules for all crates, and of the table's order if the crate has a table.
fn problems_of(name: &str, rooms: &Rooms, groups: Option<Groups>) -> Vec<String> {
    let mut problems = Vec::new();
    for cycle in cycles(&edges(rooms)) {
        problems.push(format!(
            "`{name}`: rooms import one another in a circle:{}",
            imports_among(rooms, &cycle)
        ));
    }
    for (folder, count) in rooms.values().flat_map(|room| &room.folders) {
        if !folder.is_empty() && *count > FILES_MAX {
            problems.push(format!("`{name}`: `{folder}` has {count} files"));
        }
    }
    if let Some(groups) = groups {
        problems.extend(disorder(name, rooms, groups));
    }
    problems
}

fn imports_among(rooms: &Rooms, members: &BTreeSet<&str>) -> String {
    let among = rooms
        .iter()
        .filter(|(room, _)| members.contains(room.as_str()))
        .flat_map(|(room, found)| {
            found
                .imports
                .iter()
                .map(move |(imported, by)| (room, imported, by))
        })
        .filter(|(_, imported, _)| members.contains(imported.as_str()));
    let lines = among.map(|(room, imported, by)| format!("\n  {room} imports {imported} in {}", listed(by)));
    lines.collect()
}

fn listed(files: &BTreeSet<String>) -> String {
    files.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

fn disorder(name: &str, rooms: &Rooms, groups: Groups) -> Vec<String> {
    let mut problems = Vec::new();
    let mut before = BTreeSet::new();
    for (group, member) in groups
        .iter()
        .flat_map(|(group, members)| members.iter().map(move |member| (group, member)))
    {
        let Some(room) = rooms.get(*member) else {
            problems.push(format!("`{name}` has no room `{member}`"));
            continue;
        };
        for (imported, by) in &room.imports {
            if !before.contains(imported.as_str()) {
                problems.push(format!(
                    "`{name}`: `{member}` ({group}) may not import `{imported}`, which does not come before it: {}",
                    listed(by)
                ));
            }
        }
        if !before.insert(*member) {
            problems.push(format!("`{name}`: `{member}` is in the table twice"));
        }
    }
    let missing = rooms.keys().filter(|room| !before.contains(room.as_str()));
    problems.extend(missing.map(|room| format!("`{name}`: the room `{room}` needs a place in the table")));
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_keep_their_order_and_their_size() {
        let crates = crates().unwrap();
        assert!(
            crates.len() > 10 && crates["registry"].len() > 30,
            "the rooms were not found"
        );
        let problems = crates
            .iter()
            .flat_map(|(name, rooms)| problems_of(name, rooms, groups(name)))
            .collect::<Vec<_>>();
        assert!(problems.is_empty(), "{}", problems.join("\n"));
    }

    fn rooms(files: &[(&str, &str)]) -> Rooms {
        let files = files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
        imports::read(&files.collect()).unwrap()
    }

    const SMALL: &[(&str, &str)] = &[
        ("lib.rs", "mod a; mod b; mod c; pub use b::X;"),
        ("a.rs", ""),
        ("b.rs", "use crate::a::Y;"),
        ("c/mod.rs", "mod d; use crate::{X, a};"),
        ("c/d.rs", "use super::super::b;"),
    ];

    #[track_caller]
    fn check(groups: Groups, expected: &[&str]) {
        assert_eq!(problems_of("small", &rooms(SMALL), Some(groups)), expected);
    }

    #[test]
    fn a_room_imports_only_rooms_that_come_before_it() {
        check(&[("low", &["a"]), ("high", &["b", "c"])], &[]);
        check(
            &[("low", &["a"]), ("high", &["c", "b"])],
            &["`small`: `c` (high) may not import `b`, which does not come before it: c/d.rs, c/mod.rs"],
        );
        check(
            &[("low", &["b"]), ("high", &["a", "c"])],
            &["`small`: `b` (low) may not import `a`, which does not come before it: b.rs"],
        );
    }

    #[test]
    fn the_table_names_each_room_once() {
        check(
            &[("low", &["a", "b", "a"]), ("high", &["other"])],
            &[
                "`small`: `a` is in the table twice",
                "`small` has no room `other`",
                "`small`: the room `c` needs a place in the table",
            ],
        );
    }

    #[test]
    fn a_circle_is_shown_with_the_files_that_close_it() {
        let rooms = rooms(&[
            ("lib.rs", "mod a; mod b; mod c;"),
            ("a.rs", "use crate::b;"),
            ("b/mod.rs", "mod d; use crate::c;"),
            ("b/d.rs", "fn f() { crate::a::f(); }"),
            ("c.rs", ""),
        ]);
        assert_eq!(
            problems_of("small", &rooms, None),
            [
                "`small`: rooms import one another in a circle:\n  a imports b in a.rs\n  b imports a in b/d.rs"
            ]
        );
    }

    #[test]
    fn a_folder_has_at_most_fifteen_files() {
        let mut sources = Sources::from([("lib.rs".to_owned(), "mod a;".to_owned())]);
        let names = (0..15).map(|number| format!("f{number}")).collect::<Vec<_>>();
        let declared = |names: &[String]| format!("mod {};", names.join("; mod "));
        for name in &names {
            sources.insert(format!("a/{name}.rs"), String::new());
            sources.insert(format!("a/f0/{name}.rs"), String::new());
        }
        sources.insert("a/f0.rs".to_owned(), declared(&names));
        sources.insert("a/mod.rs".to_owned(), declared(&names[..14]));
        assert!(problems_of("small", &imports::read(&sources).unwrap(), None).is_empty());

        sources.insert("a/mod.rs".to_owned(), declared(&names));
        assert_eq!(
            problems_of("small", &imports::read(&sources).unwrap(), None),
            ["`small`: `a` has 16 files"]
        );
    }

    #[test]
    fn rooms_are_printed_in_order_with_files_and_imports() {
        let mut printed = String::new();
        print(&mut printed, "small", &rooms(SMALL)).unwrap();
        let lines = [
            "small: 3 rooms, 0 cycles",
            "  a  1 file",
            "  b  1 file                    a",
            "  c  2 files                   a b",
            "\n",
        ];
        assert_eq!(printed, lines.join("\n"));
    }
}
