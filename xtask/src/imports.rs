//! Reads which rooms of a crate import which others, from the tokens of its sources.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;

use anyhow::{Context as _, Result, bail};
use proc_macro2::{TokenStream, TokenTree};

use crate::tokens::{Cursor, is_test, name};

/// The text of each file by its path below `src`.
pub(crate) type Sources = BTreeMap<String, String>;

/// The rooms of a crate by name.
pub(crate) type Rooms = BTreeMap<String, Room>;

/// A top-level module and everything below it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Room {
    /// Number of files in each folder. A nested folder counts for itself only.
    pub(crate) folders: BTreeMap<String, usize>,
    /// The imported rooms, each with the files that import it.
    pub(crate) imports: BTreeMap<String, BTreeSet<String>>,
}

/// Follows the module declarations from the root file. Modules for tests only, and generated modules, are
/// left out.
///
/// The root file is not a room: it may import every room, and its own names belong to no room. A name that it
/// imports from a room counts as part of that room wherever it is used.
pub(crate) fn read(sources: &Sources) -> Result<Rooms> {
    let entry = ["lib.rs", "main.rs"]
        .into_iter()
        .find(|name| sources.contains_key(*name))
        .context("no root file")?;
    let mut reader = Reader {
        sources,
        files: Vec::new(),
    };
    reader.file(entry, &[])?;
    let (entries, files): (Vec<_>, Vec<_>) =
        reader.files.into_iter().partition(|file| file.module.is_empty());

    let mut rooms = Rooms::new();
    for file in &files {
        let Some(name) = file.module.first() else { continue };
        let room = rooms.entry(name.clone()).or_default();
        let (folder, _) = file.path.rsplit_once('/').unwrap_or_default();
        *room.folders.entry(folder.to_owned()).or_default() += 1;
    }
    let exported = exported(&entries, &rooms)?;
    for file in files {
        let Some(own) = file.module.first() else { continue };
        for imported in imported(&file, &rooms, &exported)? {
            let room = rooms.entry(own.clone()).or_default();
            room.imports
                .entry(imported)
                .or_default()
                .insert(file.path.clone());
        }
    }
    Ok(rooms)
}

/// The other rooms that a file imports.
fn imported(file: &File, rooms: &Rooms, exported: &BTreeMap<String, String>) -> Result<BTreeSet<String>> {
    let mut imported = BTreeSet::new();
    for head in file.paths.iter().filter_map(|path| path.segments.first()) {
        if head == "*" {
            bail!(
                "`{}` imports every name of the root, which hides what it needs",
                file.path
            );
        }
        let room = rooms.get_key_value(head).map(|(room, _)| room);
        imported.extend(room.or_else(|| exported.get(head)).cloned());
    }
    if let Some(own) = file.module.first() {
        imported.remove(own);
    }
    Ok(imported)
}

/// The names that the root file imports from rooms, each with its room.
fn exported(files: &[File], rooms: &Rooms) -> Result<BTreeMap<String, String>> {
    let mut names = BTreeMap::new();
    let paths = files.iter().flat_map(|file| &file.paths);
    for path in paths.filter(|path| path.imported) {
        let (Some(room), Some(last)) = (path.segments.first(), path.segments.last()) else {
            continue;
        };
        if !rooms.contains_key(room) {
            continue;
        }
        if last == "*" {
            bail!("the root re-exports every name of `{room}`, which hides where a name comes from");
        }
        names.insert(path.alias.as_ref().unwrap_or(last).clone(), room.clone());
    }
    Ok(names)
}

struct Reader<'a> {
    sources: &'a Sources,
    files: Vec<File>,
}

struct File {
    path: String,
    module: Vec<String>,
    paths: Vec<Path>,
}

/// A path from the root of the crate.
struct Path {
    segments: Vec<String>,
    alias: Option<String>,
    /// Whether the path is from a `use`, which names it.
    imported: bool,
}

impl Reader<'_> {
    fn file(&mut self, path: &str, module: &[String]) -> Result<()> {
        let text = self
            .sources
            .get(path)
            .with_context(|| format!("`{path}` is missing"))?;
        let tokens: TokenStream = text
            .parse()
            .map_err(|error| anyhow::anyhow!("`{path}` cannot be parsed: {error}"))?;
        let folder = match path.strip_suffix("mod.rs") {
            Some(folder) => folder.to_owned(),
            None if module.is_empty() => String::new(),
            None => format!("{}/", path.trim_end_matches(".rs")),
        };
        let mut paths = Vec::new();
        let mut scan = Scan {
            reader: self,
            paths: &mut paths,
            module: module.to_vec(),
            folder,
        };
        scan.tokens(tokens, true)
            .with_context(|| format!("reading the imports of `{path}`"))?;
        self.files.push(File {
            path: path.to_owned(),
            module: module.to_vec(),
            paths,
        });
        Ok(())
    }
}

/// A position in the tree of modules, whose tokens are read.
struct Scan<'a, 'b> {
    reader: &'a mut Reader<'b>,
    paths: &'a mut Vec<Path>,
    module: Vec<String>,
    /// The folder that holds the files of child modules.
    folder: String,
}

impl Scan<'_, '_> {
    /// Reads tokens. `mod name;` names a file only among items, and not in the code that a macro takes.
    fn tokens(&mut self, tokens: TokenStream, items: bool) -> Result<()> {
        let mut cursor = Cursor::new(tokens);
        while let Some(token) = cursor.next() {
            match token {
                TokenTree::Punct(mark) if mark.as_char() == '#' => {
                    let inner = cursor.skips('!');
                    let only_tests = cursor.skips_group().is_some_and(|group| is_test(&group));
                    if only_tests && inner {
                        return Ok(());
                    }
                    if only_tests {
                        cursor.skip_item();
                    }
                }
                TokenTree::Group(group) => self.tokens(group.stream(), false)?,
                TokenTree::Ident(word) => match name(&word).as_str() {
                    "mod" if items => self.child(&mut cursor)?,
                    "use" => self.tree(&mut cursor, &[]),
                    start @ ("crate" | "super" | "self") => self.path(&mut cursor, start.to_owned()),
                    _ => {}
                },
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
        Ok(())
    }

    /// Reads `mod name;` or `mod name { … }`.
    fn child(&mut self, cursor: &mut Cursor) -> Result<()> {
        let Some(child) = cursor.skips_ident() else {
            return Ok(());
        };
        let mut module = self.module.clone();
        module.push(child.clone());
        if cursor.skips(';') {
            if child == "generated" {
                return Ok(());
            }
            let (file, folder) = (
                format!("{}{child}.rs", self.folder),
                format!("{}{child}/mod.rs", self.folder),
            );
            let path = if self.reader.sources.contains_key(&folder) {
                folder
            } else {
                file
            };
            return self.reader.file(&path, &module);
        }
        let Some(body) = cursor.skips_group() else {
            return Ok(());
        };
        let folder = format!("{}{child}/", self.folder);
        let outer = (
            mem::replace(&mut self.module, module),
            mem::replace(&mut self.folder, folder),
        );
        let read = self.tokens(body.stream(), true);
        (self.module, self.folder) = outer;
        read
    }

    /// Reads the branches of a `use`. `base` is the path before the braces.
    fn tree(&mut self, cursor: &mut Cursor, base: &[String]) {
        let mut segments = base.to_vec();
        cursor.skips_separator();
        loop {
            if let Some(group) = cursor.skips_braces() {
                let mut inner = Cursor::new(group.stream());
                while inner.peek().is_some() {
                    self.tree(&mut inner, &segments);
                    // In a macro, another token may follow.
                    inner.next();
                }
                return;
            }
            if cursor.skips('*') {
                segments.push("*".to_owned());
            } else if let Some(segment) = cursor.skips_ident() {
                segments.push(segment);
            }
            if !cursor.skips_separator() {
                break;
            }
        }
        let alias = cursor.skips_word("as").then(|| cursor.skips_ident()).flatten();
        if let Some(segments) = self.in_crate(segments) {
            self.paths.push(Path {
                segments,
                alias,
                imported: true,
            });
        }
    }

    /// Reads a path in code, after its first word.
    fn path(&mut self, cursor: &mut Cursor, start: String) {
        let mut segments = vec![start];
        while cursor.skips_separator()
            && let Some(segment) = cursor.skips_ident()
        {
            segments.push(segment);
        }
        if let Some(segments) = self.in_crate(segments) {
            self.paths.push(Path {
                segments,
                alias: None,
                imported: false,
            });
        }
    }

    /// The full path within the crate. `None` for a path into another crate or to a name of this file.
    fn in_crate(&self, segments: Vec<String>) -> Option<Vec<String>> {
        let mut path = match segments.first()?.as_str() {
            "crate" => Vec::new(),
            "self" | "super" => self.module.clone(),
            _ if self.module.is_empty() => Vec::new(),
            _ => return None,
        };
        for segment in segments {
            match segment.as_str() {
                "crate" | "self" => {}
                "super" => {
                    path.pop();
                }
                _ => path.push(segment),
            }
        }
        Some(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rooms(files: &[(&str, &str)]) -> Result<Rooms> {
        let files = files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
        read(&files.collect())
    }

    /// `expected` has lines of the form `room: imported imported`.
    #[track_caller]
    fn check(files: &[(&str, &str)], expected: &[&str]) {
        let rooms = rooms(files).unwrap();
        let lines = rooms.iter().map(|(name, room)| {
            let imported = room.imports.keys().map(String::as_str).collect::<Vec<_>>();
            format!("{name}: {}", imported.join(" ")).trim_end().to_owned()
        });
        assert_eq!(lines.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn every_branch_of_a_use_is_an_import() {
        check(
            &[
                ("lib.rs", "mod a; mod b; mod c; mod d;"),
                (
                    "a.rs",
                    "use crate::{b::{self, X}, c::y as z}; use std::fmt; pub(crate) use crate::d::*;",
                ),
                ("b.rs", ""),
                ("c.rs", "pub fn y() { use crate::b::X; }"),
                ("d/mod.rs", "use other::c;"),
            ],
            &["a: b c d", "b:", "c: b", "d:"],
        );
    }

    #[test]
    fn paths_in_code_and_in_macros_are_imports() {
        check(
            &[
                ("lib.rs", "mod a; mod b; mod c; mod d;"),
                ("a.rs", "fn f() -> crate::b::X { g(crate::c::y::<u8>()) }"),
                ("b.rs", "fn f() { format!(\"{}\", [crate::c::y(1)]); }"),
                (
                    "c.rs",
                    "macro_rules! m { () => { mod nowhere; $crate::d::z() }; }",
                ),
                (
                    "d.rs",
                    "/// See `crate::a`.\nfn f() { \"crate::a::b\"; } // crate::a::b",
                ),
            ],
            &["a: b c", "b: c", "c: d", "d:"],
        );
    }

    #[test]
    fn paths_that_go_up_are_imports_once_they_leave_the_room() {
        check(
            &[
                ("lib.rs", "mod a; mod b; mod c; mod d;"),
                ("a/mod.rs", "mod deep; use super::b::X; use self::deep::Y;"),
                ("a/deep.rs", "mod deeper; use super::X; use super::super::c;"),
                (
                    "a/deep/deeper.rs",
                    "use super::super::X; mod m { use super::super::super::super::d::X; }",
                ),
                ("b.rs", "use super::{super::nothing};"),
                ("c.rs", "use self::d::X; mod d { }"),
                ("d.rs", ""),
            ],
            &["a: b c d", "b:", "c:", "d:"],
        );
    }

    #[test]
    fn a_name_of_the_root_is_an_import_of_the_room_that_it_comes_from() {
        check(
            &[
                (
                    "lib.rs",
                    "mod a; mod b; mod c; mod d; pub use b::{X, inner::Y as Z}; use crate::c::private; pub struct Own;",
                ),
                ("a.rs", "use crate::{X, Own};"),
                ("b.rs", "fn f() { crate::private(); }"),
                ("c.rs", ""),
                ("d.rs", "use crate::Z; use crate::Y;"),
            ],
            &["a: b", "b: c", "c:", "d: b"],
        );
    }

    #[test]
    fn tests_and_generated_code_import_nothing() {
        check(
            &[
                (
                    "lib.rs",
                    "mod a; mod b; mod generated; #[cfg(test)] mod suite; #[cfg(all(test, unix))] #[doc(hidden)] mod other;",
                ),
                (
                    "a.rs",
                    "#[cfg(test)] use crate::b::{X, Y}; #[cfg(test)] #[inline] fn f<A, B>(a: crate::b::X) -> B { crate::b::y() }
                     struct S { #[cfg(test)] x: crate::b::X, y: u8 } #[cfg(test)] mod tests;",
                ),
                ("a/tests.rs", "use crate::b::X;"),
                (
                    "b.rs",
                    "#[cfg(test)] mod tests { use crate::a; } #[cfg(any(test, fuzzing))] mod inner { use crate::a; }",
                ),
                ("generated/mod.rs", "use crate::a;"),
                ("suite.rs", "use crate::{a, b};"),
                ("other.rs", "use crate::a;"),
            ],
            &["a:", "b: a"],
        );
        check(
            &[
                ("lib.rs", "mod a; mod b;"),
                ("a.rs", "//! Of tests.\n#![cfg(test)]\nuse crate::b;"),
                ("b.rs", ""),
            ],
            &["a:", "b:"],
        );
    }

    #[test]
    fn a_file_counts_towards_its_own_folder() {
        let rooms = rooms(&[
            ("main.rs", "mod a; mod b; fn main() {}"),
            ("a/mod.rs", "mod c; mod d; #[cfg(test)] mod tests;"),
            ("a/c.rs", ""),
            ("a/d/mod.rs", "mod e;"),
            ("a/d/e.rs", ""),
            ("a/tests.rs", ""),
            ("b.rs", "mod f;"),
            ("b/f.rs", ""),
        ])
        .unwrap();
        let folders = |room: &str| {
            let folders = rooms.get(room).unwrap().folders.iter();
            folders
                .map(|(folder, count)| (folder.as_str(), *count))
                .collect::<Vec<_>>()
        };
        assert_eq!(folders("a"), [("a", 2), ("a/d", 2)]);
        assert_eq!(folders("b"), [("", 1), ("b", 1)]);
    }

    #[test]
    fn what_hides_an_import_is_refused() {
        let hidden = [
            [
                ("lib.rs", "mod a; mod b; pub use a::*;"),
                ("a.rs", ""),
                ("b.rs", ""),
            ],
            [
                ("lib.rs", "mod a; mod b;"),
                ("a.rs", "use crate::*;"),
                ("b.rs", ""),
            ],
            [
                ("lib.rs", "mod a; mod b;"),
                ("a.rs", ""),
                ("b/mod.rs", "use super::*;"),
            ],
            [("lib.rs", "mod a; mod b;"), ("a.rs", ""), ("c.rs", "")],
        ];
        for files in hidden {
            assert!(rooms(&files).is_err(), "{files:?}");
        }
    }
}
