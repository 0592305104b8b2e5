//! Collects every SQL text in the sources above the backends, from their tokens.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use syn::LitStr;

use crate::tokens::{Cursor, is_test, name};

/// The first words of SQL texts. The store asserts that every text begins with one of them.
const STATEMENTS: [&str; 5] = ["SELECT", "INSERT", "UPDATE", "DELETE", "WITH"];
const DEFINITIONS: [&str; 3] = ["CREATE", "ALTER", "DROP"];
/// Sources that are left out: backends use the SQL of their own database, and the scanner has its own
/// database.
const OWN_LANGUAGE: [&str; 2] = ["store/src/sqlite", "scanner"];

#[derive(Default)]
pub(super) struct Texts {
    /// Each statement, with the files that contain it.
    pub(super) statements: BTreeMap<String, BTreeSet<PathBuf>>,
    /// Texts in code that create tables, with the files that contain them.
    pub(super) definitions: BTreeMap<String, BTreeSet<PathBuf>>,
    /// Files of modules that exist only in tests.
    tests: Vec<PathBuf>,
    /// Texts that are assembled from parts that the sources do not show.
    pub(super) unknown: Vec<String>,
}

/// Reads the sources of every crate in a folder.
pub(super) fn collect(crates: &Path) -> Texts {
    let mut texts = Texts::default();
    let mut files = Vec::new();
    for entry in fs::read_dir(crates).unwrap() {
        sources(&entry.unwrap().path().join("src"), &mut files);
    }
    for path in &files {
        let own = path.strip_prefix(crates).unwrap();
        if !OWN_LANGUAGE.iter().any(|room| own.starts_with(room)) {
            texts.read(own, &fs::read_to_string(path).unwrap());
        }
    }
    texts.leave_out_tests();
    texts
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

impl Texts {
    pub(super) fn read(&mut self, path: &Path, text: &str) {
        let tokens: TokenStream = text.parse().unwrap();
        self.tokens(path, tokens);
    }

    fn tokens(&mut self, path: &Path, tokens: TokenStream) {
        let mut cursor = Cursor::new(tokens);
        while let Some(token) = cursor.next() {
            match token {
                TokenTree::Punct(mark) if mark.as_char() == '#' => {
                    let inner = cursor.skips('!');
                    let only_tests = cursor.skips_group().is_some_and(|group| is_test(&group));
                    if only_tests && inner {
                        return;
                    }
                    if only_tests {
                        self.test(path, &mut cursor);
                    }
                }
                TokenTree::Group(group) => self.tokens(path, group.stream()),
                TokenTree::Ident(word) if name(&word) == "concat" && cursor.skips('!') => {
                    if let Some(parts) = cursor.skips_group() {
                        self.joined(path, parts.stream());
                    }
                }
                TokenTree::Literal(literal) => {
                    if let Some(text) = value(&literal.into()) {
                        self.text(path, text);
                    }
                }
                TokenTree::Ident(_) | TokenTree::Punct(_) => {}
            }
        }
    }

    /// Skips an item that exists only in tests. If it is a module in a separate file, the file is skipped
    /// too.
    fn test(&mut self, path: &Path, cursor: &mut Cursor) {
        while cursor.skips('#') {
            cursor.skips_group();
        }
        if cursor.skips_word("mod")
            && let Some(module) = cursor.skips_ident()
            && cursor.skips(';')
        {
            let stem = path.file_stem().unwrap();
            let folder = if stem == "lib" || stem == "main" || stem == "mod" {
                path.parent().unwrap().to_owned()
            } else {
                path.with_extension("")
            };
            self.tests.push(folder.join(&module).with_extension("rs"));
            self.tests.push(folder.join(module));
            return;
        }
        cursor.skip_item();
    }

    /// Joins the parts of `concat!`.
    fn joined(&mut self, path: &Path, parts: TokenStream) {
        let mut whole = String::new();
        let mut known = true;
        for part in parts {
            match value(&part) {
                Some(text) => whole.push_str(&text),
                None => known &= matches!(&part, TokenTree::Punct(mark) if mark.as_char() == ','),
            }
        }
        if known {
            self.text(path, whole);
        } else if begins_with(&whole, &STATEMENTS) || begins_with(&whole, &DEFINITIONS) {
            self.unknown.push(format!("{}: {whole}", path.display()));
        }
    }

    fn text(&mut self, path: &Path, text: String) {
        let kind = if begins_with(&text, &STATEMENTS) {
            &mut self.statements
        } else if begins_with(&text, &DEFINITIONS) {
            &mut self.definitions
        } else {
            return;
        };
        kind.entry(text).or_default().insert(path.to_owned());
    }

    fn leave_out_tests(&mut self) {
        for kind in [&mut self.statements, &mut self.definitions] {
            kind.retain(|_, files| {
                files.retain(|file| !self.tests.iter().any(|test| file.starts_with(test)));
                !files.is_empty()
            });
        }
    }
}

/// The text of a string literal.
fn value(token: &TokenTree) -> Option<String> {
    syn::parse2::<LitStr>(token.clone().into())
        .ok()
        .map(|literal| literal.value())
}

fn begins_with(text: &str, words: &[&str]) -> bool {
    text.split_once(char::is_whitespace)
        .is_some_and(|(first, _)| words.contains(&first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(files: &[(&str, &str)], expected: &[&str]) {
        let mut texts = Texts::default();
        for (path, text) in files {
            texts.read(Path::new(path), text);
        }
        texts.leave_out_tests();
        assert_eq!(texts.statements.keys().collect::<Vec<_>>(), expected);
        assert_eq!(texts.unknown, [""; 0]);
    }

    #[test]
    fn texts_are_found_wherever_they_stand() {
        check(
            &[(
                "a/src/lib.rs",
                r#"
                const A: [&str; 2] = ["DELETE FROM a", concat!("SELECT b ", "FROM b")];
                fn f() { tx.find("SELECT c \
                    FROM c", &[], |_| m!(x => "UPDATE d SET e = 1"))?; "selects", "SELECTED" }
                "#,
            )],
            &[
                "DELETE FROM a",
                "SELECT b FROM b",
                "SELECT c FROM c",
                "UPDATE d SET e = 1",
            ],
        );
    }

    #[test]
    fn texts_of_tests_are_left_out() {
        check(
            &[
                (
                    "a/src/lib.rs",
                    r#"#[cfg(test)] mod suite; #[cfg(test)] #[path_of] mod x; #[cfg(test)] mod tests { "SELECT a" }
                    #[test] fn f() {} fn g() { "SELECT b" }"#,
                ),
                ("a/src/suite.rs", r#"const A: &str = "SELECT c";"#),
                ("a/src/x/y.rs", r#"const A: &str = "SELECT d";"#),
                ("a/src/z.rs", r"#[cfg(test)] mod deep;"),
                ("a/src/z/deep.rs", r#"const A: &str = "SELECT e";"#),
            ],
            &["SELECT b"],
        );
    }

    #[test]
    fn a_text_of_unknown_parts_is_reported() {
        let mut texts = Texts::default();
        texts.read(
            Path::new("a/src/lib.rs"),
            r#"macro_rules! m { ($a:literal) => { concat!("SELECT ", $a) } }"#,
        );
        assert_eq!(texts.unknown.len(), 1);
    }
}
