//! Crates: `Cargo.lock`, and the list that `cargo auditable` leaves in a binary.

use std::borrow::Cow;
use std::io::Read;

use serde::Deserialize;

use super::sink::Sink;
use super::{ReadError, Scratch, toml_lock};
use crate::error::Carried;
use crate::package::{Manager, Package};

pub(super) fn read_lock(content: &mut dyn Read, _: &Scratch, sink: &mut Sink<'_>) -> Result<(), ReadError> {
    // The members of the workspace itself have no source.
    let of_registry = |source: Option<&str>| {
        source.is_some_and(|source| source.starts_with("registry+") || source.starts_with("sparse+"))
    };
    toml_lock::read(content, Manager::Cargo, of_registry, sink)
}

#[derive(Deserialize)]
struct Audit<'a> {
    #[serde(borrow)]
    packages: Vec<Crate<'a>>,
}

#[derive(Deserialize)]
struct Crate<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    version: Cow<'a, str>,
    #[serde(borrow)]
    source: Cow<'a, str>,
    #[serde(borrow, default)]
    kind: Cow<'a, str>,
}

/// Returns whether these bytes are such a list.
pub(super) fn read_audit(json: &[u8], sink: &mut Sink<'_>) -> Result<bool, Carried> {
    let Ok(audit) = serde_json::from_slice::<Audit<'_>>(json) else {
        return Ok(false);
    };
    for found in audit.packages {
        if found.source == "crates.io" && found.kind != "build" {
            sink.take(Package::named(Manager::Cargo, &found.name, &found.version))?;
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::super::packages;
    use super::*;

    #[test]
    fn crates_of_a_registry_are_read_from_a_lock_file() {
        let lock = "version = 3\n\n[[package]]\nname = \"app\"\nversion = \"0.1.0\"\ndependencies = [\n \"time\",\n]\n\n\
                    [[package]]\nname = \"time\"\nversion = \"0.1.43\"\n\
                    source = \"registry+https://github.com/rust-lang/crates.io-index\"\n\n[metadata]\nname = \"x\"\n";
        let packages = packages(read_lock, lock.as_bytes()).unwrap();
        assert_eq!(
            packages,
            [Package::named(Manager::Cargo, "time", "0.1.43").unwrap()]
        );
    }
}
