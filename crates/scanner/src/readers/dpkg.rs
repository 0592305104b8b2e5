//! Reads dpkg's `status`, and the `status.d` of images that were built without dpkg.

use std::io::Read;
use std::ops::ControlFlow;

use super::lines::for_each_line;
use super::sink::Sink;
use super::{ReadError, Scratch};
use crate::package::{Facts, Manager, Package};

#[derive(Default)]
struct Paragraph {
    name: String,
    version: String,
    architecture: Option<String>,
    source: Option<String>,
    status: Option<String>,
}

pub(super) fn read(content: &mut dyn Read, _: &Scratch, sink: &mut Sink<'_>) -> Result<(), ReadError> {
    let mut paragraph = Paragraph::default();
    for_each_line(content, |line| {
        if line.is_empty() {
            sink.take(std::mem::take(&mut paragraph).package())?;
        } else if let Some((field, value)) = line.split_once(':') {
            paragraph.set(field, value.trim());
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(sink.take(paragraph.package())?)
}

impl Paragraph {
    /// A continuation line begins with a space, and no field does.
    fn set(&mut self, field: &str, value: &str) {
        match field {
            "Package" => value.clone_into(&mut self.name),
            "Version" => value.clone_into(&mut self.version),
            "Architecture" => self.architecture = Some(value.to_owned()),
            "Source" => self.source = Some(value.to_owned()),
            "Status" => self.status = Some(value.to_owned()),
            _ => {}
        }
    }

    /// A removed package may keep its paragraph because of its configuration files.
    fn package(&self) -> Option<Package> {
        let state = self.status.as_deref().and_then(|status| status.split(' ').nth(2));
        if matches!(state, Some("not-installed" | "config-files")) {
            return None;
        }
        let source = self
            .source
            .as_deref()
            .map(|source| source.split_once(' ').unwrap_or((source, "")));
        let facts = Facts {
            name: &self.name,
            version: &self.version,
            source_name: source.map(|(name, _)| name),
            source_version: source.map(|(_, version)| version.trim_matches(['(', ')', ' '])),
            architecture: self.architecture.as_deref(),
        };
        Package::new(Manager::Dpkg, &facts)
    }
}

#[cfg(test)]
mod tests {
    use super::super::packages;
    use super::*;

    #[test]
    fn installed_packages_are_read_with_their_sources() {
        let status = "Package: libc-bin\nStatus: install ok installed\nArchitecture: amd64\n\
                      Source: glibc\nVersion: 2.36-9+deb12u3\nDescription: binaries\n of the library\n Version: 9\n\n\
                      Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\n\
                      Package: libssl3\nSource: openssl (3.0.11-1~deb12u1)\nVersion: 3.0.11-1~deb12u1+b1";
        let packages = packages(read, status.as_bytes()).unwrap();
        let seen: Vec<_> = packages
            .iter()
            .map(|package| {
                (
                    package.name(),
                    package.version(),
                    package.source_name(),
                    package.source_version(),
                )
            })
            .collect();
        assert_eq!(
            seen,
            [
                ("libc-bin", "2.36-9+deb12u3", Some("glibc"), None),
                (
                    "libssl3",
                    "3.0.11-1~deb12u1+b1",
                    Some("openssl"),
                    Some("3.0.11-1~deb12u1")
                ),
            ]
        );
    }
}
