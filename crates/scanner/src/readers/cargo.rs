//! Crates: `Cargo.lock`, and the list that `cargo auditable` leaves in a binary.

use std::io::Read;

use serde::Deserialize;

use super::{Packages, ReadError, Scratch, toml_lock};
use crate::package::{Manager, Package};

pub(super) fn read_lock(content: &mut dyn Read, _: &Scratch) -> Packages {
    // The members of the workspace itself have no source.
    toml_lock::read(content, Manager::Cargo, |source| {
        source.is_some_and(|source| source.starts_with("registry+") || source.starts_with("sparse+"))
    })
}

#[derive(Deserialize)]
struct Audit {
    packages: Vec<Crate>,
}

#[derive(Deserialize)]
struct Crate {
    name: String,
    version: String,
    source: String,
    #[serde(default)]
    kind: Option<String>,
}

pub(super) fn read_audit(json: &[u8]) -> Packages {
    let audit: Audit = serde_json::from_slice(json).map_err(ReadError::from)?;
    Ok(audit
        .packages
        .iter()
        .filter(|found| found.source == "crates.io" && found.kind.as_deref() != Some("build"))
        .filter_map(|found| Package::new(Manager::Cargo, &found.name, &found.version))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::super::test_scratch;
    use super::*;

    #[test]
    fn crates_of_a_registry_are_read_from_a_lock_file() {
        let lock = "version = 3\n\n[[package]]\nname = \"app\"\nversion = \"0.1.0\"\ndependencies = [\n \"time\",\n]\n\n\
                    [[package]]\nname = \"time\"\nversion = \"0.1.43\"\n\
                    source = \"registry+https://github.com/rust-lang/crates.io-index\"\n\n[metadata]\nname = \"x\"\n";
        let packages = read_lock(&mut lock.as_bytes(), &test_scratch()).unwrap();
        assert_eq!(
            packages,
            [Package::new(Manager::Cargo, "time", "0.1.43").unwrap()]
        );
    }
}
