//! npm packages: what stands in `node_modules`, and lock files.

use std::collections::BTreeMap;
use std::io::{BufReader, Read};

use serde::Deserialize;

use super::{Packages, Scratch};
use crate::package::{Manager, Package};

const PACKAGE_BYTES_MAX: u64 = 1 << 20;
const LOCK_BYTES_MAX: u64 = 16 << 20;

#[derive(Deserialize)]
struct Manifest {
    name: Option<String>,
    version: Option<String>,
}

pub(super) fn read_package(content: &mut dyn Read, _: &Scratch) -> Packages {
    let manifest: Manifest = serde_json::from_reader(BufReader::new(content.take(PACKAGE_BYTES_MAX)))?;
    let package = manifest
        .name
        .zip(manifest.version)
        .and_then(|(name, version)| Package::new(Manager::Node, &name, &version));
    Ok(package.into_iter().collect())
}

/// Since version 2 of the format `packages` says it all; `dependencies` is for older readers.
#[derive(Deserialize)]
struct Lock {
    packages: Option<BTreeMap<String, Locked>>,
    dependencies: Option<BTreeMap<String, Nested>>,
}

#[derive(Deserialize)]
struct Locked {
    name: Option<String>,
    version: Option<String>,
    #[serde(default)]
    link: bool,
}

#[derive(Deserialize)]
struct Nested {
    version: Option<String>,
    dependencies: Option<BTreeMap<String, Nested>>,
}

pub(super) fn read_lock(content: &mut dyn Read, _: &Scratch) -> Packages {
    let lock: Lock = serde_json::from_reader(BufReader::new(content.take(LOCK_BYTES_MAX)))?;
    let mut packages = Vec::new();
    match lock.packages {
        Some(locked) => packages.extend(locked.iter().filter_map(|(path, locked)| {
            let (_, installed_as) = path.rsplit_once("node_modules/")?;
            let name = locked.name.as_deref().unwrap_or(installed_as);
            let version = locked.version.as_deref().filter(|_| !locked.link)?;
            Package::new(Manager::Node, name, version)
        })),
        None => flatten(lock.dependencies.as_ref(), &mut packages),
    }
    Ok(packages)
}

/// As deep as the JSON reader lets them nest.
fn flatten(dependencies: Option<&BTreeMap<String, Nested>>, packages: &mut Vec<Package>) {
    for (name, nested) in dependencies.into_iter().flatten() {
        let version = nested.version.as_deref().unwrap_or_default();
        packages.extend(Package::new(Manager::Node, name, version));
        flatten(nested.dependencies.as_ref(), packages);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{check, test_scratch};
    use super::*;

    #[test]
    fn packages_are_read_from_manifests_and_locks() {
        check(
            read_package,
            r#"{"name":"lodash","version":"4.17.15","dependencies":{"x":"^1"}}"#,
            &[("lodash", "4.17.15")],
        );
        check(read_package, r#"{"type":"module"}"#, &[]);
        check(
            read_lock,
            r#"{"lockfileVersion":3,"packages":{"":{"name":"app","version":"1.0.0"},
                "node_modules/@babel/core":{"version":"7.0.0"},
                "node_modules/a/node_modules/lodash":{"version":"4.17.15"},
                "node_modules/alias":{"name":"real","version":"2.0.0"},
                "node_modules/own":{"resolved":"own","link":true}}}"#,
            &[("@babel/core", "7.0.0"), ("lodash", "4.17.15"), ("real", "2.0.0")],
        );
        check(
            read_lock,
            r#"{"lockfileVersion":1,"dependencies":{"a":{"version":"1.0.0","dependencies":{"b":{"version":"2.0.0"}}}}}"#,
            &[("a", "1.0.0"), ("b", "2.0.0")],
        );
    }

    #[test]
    fn a_broken_or_deeply_nested_lock_is_a_matter_of_its_format() {
        let deep = format!("{}1{}", r#"{"dependencies":{"a":"#.repeat(500), "}}".repeat(500));
        for text in ["", "{", deep.as_str(), "[]"] {
            let read = read_lock(&mut text.as_bytes(), &test_scratch());
            assert!(matches!(read, Err(super::super::ReadError::Format(_))));
        }
    }
}
