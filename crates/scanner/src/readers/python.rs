//! Python distributions: the metadata of what is installed, and lock files.

use std::collections::BTreeMap;
use std::io::Read;
use std::ops::ControlFlow;

use serde::Deserialize;

use super::lines::for_each_line;
use super::{Packages, Scratch, toml_lock};
use crate::package::{Manager, Package};

const LOCK_BYTES_MAX: u64 = 16 << 20;

pub(super) fn read_metadata(content: &mut dyn Read, _: &Scratch) -> Packages {
    let (mut name, mut version) = (String::new(), String::new());
    for_each_line(content, |line| {
        match line.split_once(':') {
            Some(("Name", value)) => value.trim().clone_into(&mut name),
            Some(("Version", value)) => value.trim().clone_into(&mut version),
            // What follows the first empty line is the description.
            _ if line.is_empty() => return ControlFlow::Break(()),
            _ => {}
        }
        ControlFlow::Continue(())
    })?;
    Ok(Package::new(Manager::Python, &name, &version)
        .into_iter()
        .collect())
}

pub(super) fn read_lock(content: &mut dyn Read, _: &Scratch) -> Packages {
    // uv lists the project itself, as editable or virtual.
    toml_lock::read(content, Manager::Python, |source| {
        source.is_none_or(|source| source.contains("registry"))
    })
}

/// Only what is pinned to one version says what is installed.
pub(super) fn read_requirements(content: &mut dyn Read, _: &Scratch) -> Packages {
    let mut packages = Vec::new();
    for_each_line(content, |line| {
        let line = line.split(['#', ';']).next().unwrap_or_default();
        if let Some((name, version)) = line.split_once("==") {
            let name = name.split('[').next().unwrap_or_default();
            let version = version.trim_start_matches('=').trim();
            let version = version.split([' ', ',', '\\']).next().unwrap_or_default();
            packages.extend(Package::new(Manager::Python, name, version));
        }
        ControlFlow::Continue(())
    })?;
    Ok(packages)
}

#[derive(Deserialize)]
struct Pipfile {
    #[serde(default)]
    default: BTreeMap<String, Pinned>,
}

#[derive(Deserialize)]
struct Pinned {
    version: Option<String>,
}

pub(super) fn read_pipfile_lock(content: &mut dyn Read, _: &Scratch) -> Packages {
    let lock: Pipfile = serde_json::from_reader(std::io::BufReader::new(content.take(LOCK_BYTES_MAX)))?;
    Ok(lock
        .default
        .iter()
        .filter_map(|(name, pinned)| {
            let version = pinned.version.as_deref()?.trim_start_matches('=');
            Package::new(Manager::Python, name, version)
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;

    #[test]
    fn distributions_are_read_from_metadata_and_locks() {
        check(
            read_metadata,
            "Metadata-Version: 2.1\nName: Jinja2\nVersion: 2.10\n\nVersion: of the text\n",
            &[("Jinja2", "2.10")],
        );
        check(
            read_requirements,
            "# pinned\nflask==2.0.1\nrequests[security]==2.25.0 ; python_version > '3'\nurllib3>=1\n-r other.txt\n\
             idna==3.3 \\\n    --hash=sha256:00\n",
            &[("flask", "2.0.1"), ("requests", "2.25.0"), ("idna", "3.3")],
        );
        check(
            read_lock,
            "[[package]]\nname = \"jinja2\"\nversion = \"2.10\"\n[package.dependencies]\nversion = \"9\"\n\
             [[package]]\nname = \"own\"\nversion = \"1\"\nsource = { editable = \".\" }\n",
            &[("jinja2", "2.10")],
        );
        check(
            read_pipfile_lock,
            r#"{"_meta":{},"default":{"jinja2":{"version":"==2.10"},"local":{"path":"."}}}"#,
            &[("jinja2", "2.10")],
        );
    }
}
