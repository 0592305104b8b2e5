//! `cargo xtask comments`: prints a random sample of the comments in hand-written Rust files, for review.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use crate::root;

const FOLDERS: [&str; 4] = ["bench", "crates", "fuzz", "xtask"];

/// A block of adjacent comment lines.
#[derive(Debug, PartialEq, Eq)]
struct Comment {
    line: usize,
    text: String,
}

/// The same seed selects the same comments as long as no comment changes.
pub(crate) fn run(seed: u64, count: usize) -> Result<()> {
    let root = root()?;
    let mut files = Vec::new();
    for folder in FOLDERS {
        sources(&root.join(folder), &mut files)?;
    }
    files.sort();
    let mut found = Vec::new();
    for file in &files {
        let text = fs::read_to_string(file).with_context(|| format!("reading `{}`", file.display()))?;
        let path = file.strip_prefix(&root).unwrap_or(file);
        found.extend(comments(&text).into_iter().map(|comment| (path, comment)));
    }
    let mut printed = io::stdout().lock();
    for (path, comment) in draw(found, seed, count) {
        writeln!(printed, "{}:{}\n{}", path.display(), comment.line, comment.text)?;
    }
    Ok(())
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("reading `{}`", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        } else if path.is_dir() && !path.ends_with("generated") && !path.ends_with("target") {
            sources(&path, found)?;
        }
    }
    Ok(())
}

/// Lines with another number of slashes, or with `!`, begin another comment.
fn comments(text: &str) -> Vec<Comment> {
    let mut found = Vec::<Comment>::new();
    let mut last = None;
    for (line, text) in (1..).zip(text.lines().map(str::trim)) {
        let words = text.trim_start_matches(['/', '!']);
        let marks = text.strip_suffix(words).filter(|_| text.starts_with("//"));
        match (marks, found.last_mut()) {
            (Some(marks), Some(comment)) if last == Some(marks) => {
                comment.text.push_str("\n    ");
                comment.text.push_str(text);
            }
            (Some(_), _) => found.push(Comment {
                line,
                text: format!("    {text}"),
            }),
            (None, _) => {}
        }
        last = marks;
    }
    found
}

fn draw<T>(mut from: Vec<T>, seed: u64, count: usize) -> Vec<T> {
    let mut state = seed;
    let mut drawn = Vec::new();
    while drawn.len() < count && !from.is_empty() {
        let index = split_mix(&mut state) % u64::try_from(from.len()).unwrap_or(u64::MAX);
        drawn.push(from.swap_remove(usize::try_from(index).unwrap_or_default()));
    }
    drawn
}

/// The generator `SplitMix64`.
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adjacent_lines_with_the_same_marks_are_one_comment() {
        let text = "//! a\n//! b\n\n/// c\n// d\nfn e() {} // f\n    // g\n";
        let found = comments(text);
        let found: Vec<_> = found.iter().map(|it| (it.line, it.text.as_str())).collect();
        let expected = [
            (1, "    //! a\n    //! b"),
            (4, "    /// c"),
            (5, "    // d"),
            (7, "    // g"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_seed_selects_the_same_items_each_time_and_none_twice() {
        let mut drawn = draw((0..100).collect(), 12, 40);
        assert_eq!(drawn, draw((0..100).collect(), 12, 40));
        assert_ne!(drawn, draw((0..100).collect(), 13, 40));
        drawn.sort_unstable();
        drawn.dedup();
        assert_eq!(drawn.len(), 40);
        assert_eq!(draw(vec![1, 2], 12, 40).len(), 2);
    }
}
