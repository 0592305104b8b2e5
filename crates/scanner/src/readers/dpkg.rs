//! dpkg's `status`, and the `status.d` of images that were built without dpkg.

use std::io::Read;
use std::ops::ControlFlow;

use super::lines::for_each_line;
use super::{Packages, Scratch};
use crate::package::{Manager, Package};

#[derive(Default)]
struct Paragraph {
    name: String,
    version: String,
    architecture: Option<String>,
    source: Option<String>,
    status: Option<String>,
}

pub(super) fn read(content: &mut dyn Read, _: &Scratch) -> Packages {
    let mut packages = Vec::new();
    let mut paragraph = Paragraph::default();
    for_each_line(content, |line| {
        if line.is_empty() {
            packages.extend(std::mem::take(&mut paragraph).package());
        } else if let Some((field, value)) = line.split_once(':') {
            paragraph.set(field, value.trim());
        }
        ControlFlow::Continue(())
    })?;
    packages.extend(paragraph.package());
    Ok(packages)
}

impl Paragraph {
    /// A line that goes on with the one before begins with a space, which no field does.
    fn set(&mut self, field: &str, value: &str) {
        let value = value.to_owned();
        match field {
            "Package" => self.name = value,
            "Version" => self.version = value,
            "Architecture" => self.architecture = Some(value),
            "Source" => self.source = Some(value),
            "Status" => self.status = Some(value),
            _ => {}
        }
    }

    /// A removed package may keep its paragraph for the sake of its configuration.
    fn package(self) -> Option<Package> {
        let state = self.status.as_deref().and_then(|status| status.split(' ').nth(2));
        if matches!(state, Some("not-installed" | "config-files")) {
            return None;
        }
        let mut package = Package::new(Manager::Dpkg, &self.name, &self.version)?;
        package.architecture = self.architecture;
        if let Some(source) = &self.source {
            let (name, version) = source.split_once(' ').unwrap_or((source, ""));
            let version = version.trim_matches(['(', ')', ' ']);
            package.source_name = Some(name.to_owned());
            package.source_version = (!version.is_empty()).then(|| version.to_owned());
        }
        Some(package)
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_scratch;
    use super::*;

    #[test]
    fn installed_packages_are_read_with_their_sources() {
        let status = "Package: libc-bin\nStatus: install ok installed\nArchitecture: amd64\n\
                      Source: glibc\nVersion: 2.36-9+deb12u3\nDescription: binaries\n of the library\n Version: 9\n\n\
                      Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\n\
                      Package: libssl3\nSource: openssl (3.0.11-1~deb12u1)\nVersion: 3.0.11-1~deb12u1+b1";
        let packages = read(&mut status.as_bytes(), &test_scratch()).unwrap();
        let seen: Vec<_> = packages
            .iter()
            .map(|package| {
                let source = package.source_version.as_deref();
                (
                    package.name.as_str(),
                    package.version.as_str(),
                    package.source_name.as_deref(),
                    source,
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
