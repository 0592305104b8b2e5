//! apk's `installed`.

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
    origin: Option<String>,
}

pub(super) fn read(content: &mut dyn Read, _: &Scratch) -> Packages {
    let mut packages = Vec::new();
    let mut paragraph = Paragraph::default();
    for_each_line(content, |line| {
        match line.split_once(':') {
            None if line.is_empty() => packages.extend(std::mem::take(&mut paragraph).package()),
            Some(("P", value)) => value.clone_into(&mut paragraph.name),
            Some(("V", value)) => value.clone_into(&mut paragraph.version),
            Some(("A", value)) => paragraph.architecture = Some(value.to_owned()),
            Some(("o", value)) => paragraph.origin = Some(value.to_owned()),
            _ => {}
        }
        ControlFlow::Continue(())
    })?;
    packages.extend(paragraph.package());
    Ok(packages)
}

impl Paragraph {
    fn package(self) -> Option<Package> {
        let mut package = Package::new(Manager::Apk, &self.name, &self.version)?;
        package.architecture = self.architecture;
        package.source_name = self.origin;
        Some(package)
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_scratch;
    use super::*;

    #[test]
    fn installed_packages_are_read_with_their_origin() {
        let installed = "C:Q1abc=\nP:libcrypto3\nV:3.1.4-r0\nA:x86_64\no:openssl\nF:lib\nR:libcrypto.so.3\n\n\
                         P:musl\nV:1.2.4_git20230717-r4\n\n";
        let packages = read(&mut installed.as_bytes(), &test_scratch()).unwrap();
        assert_eq!(packages.len(), 2);
        assert_eq!(packages[0].source_name.as_deref(), Some("openssl"));
        assert_eq!(
            (packages[1].name.as_str(), packages[1].version.as_str()),
            ("musl", "1.2.4_git20230717-r4")
        );
    }
}
