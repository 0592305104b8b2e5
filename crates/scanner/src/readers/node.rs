//! Reads npm packages: the content of `node_modules`, and lock files.

use std::fmt;
use std::io::Read;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::json::{self, Members, Text};
use super::sink::Sink;
use super::{ReadError, Scratch};
use crate::package::{Manager, Package};

const PACKAGE_BYTES_MAX: u64 = 1 << 20;
const LOCK_BYTES_MAX: u64 = 16 << 20;

#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    name: Text,
    #[serde(default)]
    version: Text,
}

pub(super) fn read_package(
    content: &mut dyn Read,
    _: &Scratch,
    sink: &mut Sink<'_>,
) -> Result<(), ReadError> {
    let manifest = PhantomData::<Manifest>;
    let Manifest { name, version } = json::read(content, PACKAGE_BYTES_MAX, sink.budget(), manifest)?;
    Ok(sink.take(named(name.as_str(), version.as_str()))?)
}

fn named(name: Option<&str>, version: Option<&str>) -> Option<Package> {
    Package::named(Manager::Node, name?, version?)
}

pub(super) fn read_lock(content: &mut dyn Read, _: &Scratch, sink: &mut Sink<'_>) -> Result<(), ReadError> {
    json::read(content, LOCK_BYTES_MAX, sink.budget(), Lock(sink))
}

/// Since version 2 of the format `packages` is complete; `dependencies` is for older readers.
struct Lock<'s, 'b>(&'s mut Sink<'b>);

#[derive(Deserialize)]
struct Locked {
    #[serde(default)]
    name: Text,
    #[serde(default)]
    version: Text,
    #[serde(default)]
    link: bool,
}

impl Locked {
    fn package(&self, path: &str) -> Option<Package> {
        let (_, installed_as) = path.rsplit_once("node_modules/")?;
        let name = self.name.as_str().unwrap_or(installed_as);
        named(Some(name), self.version.as_str()).filter(|_| !self.link)
    }
}

impl<'de> DeserializeSeed<'de> for Lock<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Lock<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a lock file of npm")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<(), M::Error> {
        let sink = self.0;
        let mut says_all = false;
        let mut of_older = 0;
        while let Some(member) = members.next_key::<Text>()? {
            match member.as_str() {
                Some("packages") => {
                    let seed = Members::new(|path: &str, locked: Locked| sink.take(locked.package(path)));
                    if members.next_value_seed(seed)? {
                        says_all = true;
                        sink.forget(0, std::mem::take(&mut of_older));
                    }
                }
                Some("dependencies") if !says_all => {
                    members.next_value_seed(Dependencies(&mut *sink))?;
                    of_older = sink.count();
                }
                _ => {
                    members.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// Packages by name, each with its dependencies, as deep as the JSON reader permits nesting.
struct Dependencies<'s, 'b>(&'s mut Sink<'b>);

impl<'de> DeserializeSeed<'de> for Dependencies<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Dependencies<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("packages by name")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<(), M::Error> {
        while let Some(name) = members.next_key::<Text>()? {
            members.next_value_seed(Dependency {
                name,
                sink: &mut *self.0,
            })?;
        }
        Ok(())
    }
}

struct Dependency<'s, 'b> {
    name: Text,
    sink: &'s mut Sink<'b>,
}

impl<'de> DeserializeSeed<'de> for Dependency<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Dependency<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a package")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<(), M::Error> {
        while let Some(member) = members.next_key::<Text>()? {
            match member.as_str() {
                Some("version") => {
                    let version = members.next_value::<Text>()?;
                    let package = named(self.name.as_str(), version.as_str());
                    self.sink.take(package).map_err(M::Error::custom)?;
                }
                Some("dependencies") => members.next_value_seed(Dependencies(&mut *self.sink))?,
                _ => {
                    members.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{check, packages};
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
        // The older list is used wherever it is in the document.
        for packages in [
            r#""packages":{"node_modules/a":{"version":"1.0.0"}},"dependencies":{"a":{"version":"1.0.0"}}"#,
            r#""dependencies":{"a":{"version":"9.0.0"}},"packages":{"node_modules/a":{"version":"1.0.0"}}"#,
        ] {
            check(read_lock, &format!("{{{packages}}}"), &[("a", "1.0.0")]);
        }
        check(
            read_lock,
            r#"{"dependencies":{"a":{"version":"1.0.0"}},"packages":null}"#,
            &[("a", "1.0.0")],
        );
    }

    #[test]
    fn a_broken_or_deeply_nested_lock_is_a_matter_of_its_format() {
        let deep = format!("{}1{}", r#"{"dependencies":{"a":"#.repeat(500), "}}".repeat(500));
        for text in ["", "{", deep.as_str(), "[]"] {
            let read = packages(read_lock, text.as_bytes());
            assert!(matches!(read, Err(ReadError::Format(_))));
        }
    }
}
