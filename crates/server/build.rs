//! Puts the commit into the version of released programs, and has the functions that every start runs laid side by side
//! in them, where the linker takes such an order.
//!
//! They are listed in `start.ld` by `cargo xtask link-order`; a name that is missing there or too much costs memory, nothing else.

#![expect(
    clippy::disallowed_methods,
    reason = "Cargo speaks to build scripts through the environment"
)]

use std::{env, path::Path, process::Command};

/// Linkers that read no scripts.
const UNABLE: [&str; 2] = ["mold", "wild"];
/// Where this directory is in the repository.
const PREFIX: &str = "crates/server/";
/// Files that change with each checkout. If Git keeps this log, the log alone is enough.
const LOG: &str = "logs/HEAD";
const HEAD: [&str; 2] = ["HEAD", "packed-refs"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=start.ld");
    let set = |name: &str, value: &str| env::var(name).is_ok_and(|it| it == value);
    let released = set("PROFILE", "release");

    let version = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    // Other programs would be compiled again after each commit for the sake of this name.
    let commit = if released { commit() } else { None };
    let version = commit.map_or_else(|| version.clone(), |commit| format!("{version} ({commit})"));
    println!("cargo::rustc-env=ECRU_VERSION={version}");

    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    if released
        && set("CARGO_CFG_TARGET_OS", "linux")
        && !UNABLE.iter().any(|linker| flags.contains(linker))
        && let Ok(here) = env::var("CARGO_MANIFEST_DIR")
    {
        println!("cargo::rustc-link-arg-bins=-Wl,-T,{here}/start.ld");
    }
}

/// `None` without Git, and in an unpacked source archive, even inside another repository.
fn commit() -> Option<String> {
    if git(&["rev-parse", "--show-prefix"])? != PREFIX {
        return None;
    }
    let watch = |path: String| {
        if Path::new(&path).exists() {
            println!("cargo::rerun-if-changed={path}");
            return true;
        }
        false
    };
    let path_of = |name: &str| git(&["rev-parse", "--path-format=absolute", "--git-path", name]);
    if !path_of(LOG).is_some_and(watch) {
        let branch = git(&["symbolic-ref", "--quiet", "HEAD"]);
        for name in HEAD.into_iter().chain(branch.as_deref()) {
            path_of(name).map(watch);
        }
    }
    git(&["rev-parse", "--short=7", "HEAD"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim_end().to_owned())
}
