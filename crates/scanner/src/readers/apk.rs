//! Reads apk's `installed`.

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
    origin: Option<String>,
}

pub(super) fn read(content: &mut dyn Read, _: &Scratch, sink: &mut Sink<'_>) -> Result<(), ReadError> {
    let mut paragraph = Paragraph::default();
    for_each_line(content, |line| {
        match line.split_once(':') {
            None if line.is_empty() => sink.take(std::mem::take(&mut paragraph).package())?,
            Some(("P", value)) => value.clone_into(&mut paragraph.name),
            Some(("V", value)) => value.clone_into(&mut paragraph.version),
            Some(("A", value)) => paragraph.architecture = Some(value.to_owned()),
            Some(("o", value)) => paragraph.origin = Some(value.to_owned()),
            _ => {}
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(sink.take(paragraph.package())?)
}

impl Paragraph {
    fn package(&self) -> Option<Package> {
        let facts = Facts {
            name: &self.name,
            version: &self.version,
            source_name: self.origin.as_deref(),
            source_version: None,
            architecture: self.architecture.as_deref(),
        };
        Package::new(Manager::Apk, &facts)
    }
}

#[cfg(test)]
mod tests {
    use super::super::packages;
    use super::*;

    #[test]
    fn installed_packages_are_read_with_their_origin() {
        let installed = "C:Q1abc=\nP:libcrypto3\nV:3.1.4-r0\nA:x86_64\no:openssl\nF:lib\nR:libcrypto.so.3\n\n\
                         P:musl\nV:1.2.4_git20230717-r4\n\n";
        let packages = packages(read, installed.as_bytes()).unwrap();
        assert_eq!(packages.len(), 2);
        assert_eq!(packages[0].source_name(), Some("openssl"));
        assert_eq!(
            (packages[1].name(), packages[1].version()),
            ("musl", "1.2.4_git20230717-r4")
        );
    }
}
