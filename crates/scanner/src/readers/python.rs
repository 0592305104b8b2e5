//! Python distributions: the metadata of installed packages, and lock files.

use std::fmt;
use std::io::Read;
use std::ops::ControlFlow;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::json::{self, Members, Text};
use super::lines::for_each_line;
use super::sink::Sink;
use super::{ReadError, Scratch, toml_lock};
use crate::package::{Manager, Package};

const LOCK_BYTES_MAX: u64 = 16 << 20;

pub(super) fn read_metadata(
    content: &mut dyn Read,
    _: &Scratch,
    sink: &mut Sink<'_>,
) -> Result<(), ReadError> {
    let (mut name, mut version) = (String::new(), String::new());
    for_each_line(content, |line| {
        match line.split_once(':') {
            Some(("Name", value)) => value.trim().clone_into(&mut name),
            Some(("Version", value)) => value.trim().clone_into(&mut version),
            // The description follows the first empty line.
            _ if line.is_empty() => return Ok(ControlFlow::Break(())),
            _ => {}
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(sink.take(Package::named(Manager::Python, &name, &version))?)
}

pub(super) fn read_lock(content: &mut dyn Read, _: &Scratch, sink: &mut Sink<'_>) -> Result<(), ReadError> {
    // uv lists the project itself, as editable or virtual.
    let of_registry = |source: Option<&str>| source.is_none_or(|source| source.contains("registry"));
    toml_lock::read(content, Manager::Python, of_registry, sink)
}

/// Only a requirement that is pinned to one version names an installed package.
pub(super) fn read_requirements(
    content: &mut dyn Read,
    _: &Scratch,
    sink: &mut Sink<'_>,
) -> Result<(), ReadError> {
    for_each_line(content, |line| {
        let line = line.split(['#', ';']).next().unwrap_or_default();
        if let Some((name, version)) = line.split_once("==") {
            let name = name.split('[').next().unwrap_or_default();
            let version = version.trim_start_matches('=').trim();
            let version = version.split([' ', ',', '\\']).next().unwrap_or_default();
            sink.take(Package::named(Manager::Python, name, version))?;
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(())
}

/// `Pipfile.lock`: only the section of packages that are installed by default counts.
struct Pipfile<'s, 'b>(&'s mut Sink<'b>);

#[derive(Deserialize)]
struct Pinned {
    #[serde(default)]
    version: Text,
}

pub(super) fn read_pipfile_lock(
    content: &mut dyn Read,
    _: &Scratch,
    sink: &mut Sink<'_>,
) -> Result<(), ReadError> {
    json::read(content, LOCK_BYTES_MAX, sink.budget(), Pipfile(sink))
}

impl<'de> DeserializeSeed<'de> for Pipfile<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Pipfile<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a lock file of pipenv")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<(), M::Error> {
        let sink = self.0;
        while let Some(member) = members.next_key::<Text>()? {
            if member.as_str() == Some("default") {
                members.next_value_seed(Members::new(|name: &str, pinned: Pinned| {
                    let version = pinned.version.as_str().unwrap_or_default();
                    sink.take(Package::named(
                        Manager::Python,
                        name,
                        version.trim_start_matches('='),
                    ))
                }))?;
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
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
