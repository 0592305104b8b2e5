//! Go modules: `go.mod`, and the build information in a binary.

use std::io::Read;
use std::ops::ControlFlow;

use super::lines::for_each_line;
use super::sink::Sink;
use super::{ReadError, Scratch};
use crate::error::Carried;
use crate::package::{Manager, Package};

pub(super) fn read_mod(content: &mut dyn Read, _: &Scratch, sink: &mut Sink<'_>) -> Result<(), ReadError> {
    let mut in_block = false;
    for_each_line(content, |line| {
        let line = line.split("//").next().unwrap_or_default().trim();
        let required = match line.strip_prefix("require") {
            Some(rest) if rest.trim() == "(" => {
                in_block = true;
                None
            }
            Some(rest) if rest.starts_with(char::is_whitespace) => Some(rest.trim()),
            _ if line == ")" => {
                in_block = false;
                None
            }
            _ => in_block.then_some(line),
        };
        if let Some((name, version)) = required.and_then(|line| line.split_once(char::is_whitespace)) {
            sink.take(Package::named(Manager::Go, name, version))?;
        }
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(())
}

/// The data that the linker wrote: the version of Go, and the modules. A replaced module is followed by its
/// replacement.
pub(super) struct BuildInfo<'a> {
    pub(super) go_version: &'a str,
    pub(super) modules: &'a str,
}

impl BuildInfo<'_> {
    pub(super) fn read(&self, sink: &mut Sink<'_>) -> Result<(), Carried> {
        // The standard library has the version of the compiler.
        if let Some(version) = self.go_version.strip_prefix("go") {
            let version = version.split(' ').next().unwrap_or_default();
            sink.take(Package::named(Manager::Go, "stdlib", &release_of(version)))?;
        }
        // A module is recorded once the next line does not replace it.
        let mut module = None;
        for line in self.modules.lines() {
            let mut fields = line.split('\t');
            let (Some(kind), Some(name), version) = (fields.next(), fields.next(), fields.next()) else {
                continue;
            };
            let before = module.take().filter(|_| kind != "=>");
            sink.take(before)?;
            // A module that was built in place has no version to compare.
            let version = version.filter(|version| *version != "(devel)");
            if matches!(kind, "mod" | "dep" | "=>") {
                module = version.and_then(|version| Package::named(Manager::Go, name, version));
            }
        }
        sink.take(module)
    }
}

/// `1.21rc2` becomes a pre-release in the order of semantic versions.
fn release_of(version: &str) -> String {
    match version.find(|character: char| character.is_ascii_lowercase()) {
        Some(place) if version.starts_with(|first: char| first.is_ascii_digit()) => {
            let (release, pre_release) = version.split_at(place);
            format!("{release}-{pre_release}")
        }
        _ => version.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;

    #[test]
    fn modules_are_read_from_a_go_mod() {
        let text = "module example.com/app\n\ngo 1.21\n\nrequire golang.org/x/text v0.3.5 // indirect\n\
                    require (\n\tgolang.org/x/net v0.16.0\n\tgithub.com/a/b v1.0.0 // indirect\n)\n\
                    replace (\n\texample.com/x => ../x\n)\n";
        let expected = [
            ("golang.org/x/text", "v0.3.5"),
            ("golang.org/x/net", "v0.16.0"),
            ("github.com/a/b", "v1.0.0"),
        ];
        check(read_mod, text, &expected);
    }

    #[test]
    fn modules_are_read_from_build_information() {
        const INFO: BuildInfo<'_> = BuildInfo {
            go_version: "go1.21.3 X:boringcrypto",
            modules: "path\texample.com/app\nmod\texample.com/app\t(devel)\t\ndep\tgolang.org/x/net\tv0.16.0\th1:x=\n\
                      dep\texample.com/old\tv1.0.0\n=>\texample.com/new\tv2.0.0\th1:y=\nbuild\t-compiler=gc\n",
        };
        let expected = [
            ("stdlib", "1.21.3"),
            ("golang.org/x/net", "v0.16.0"),
            ("example.com/new", "v2.0.0"),
        ];
        let read: fn(&mut dyn Read, &Scratch, &mut Sink<'_>) -> Result<(), ReadError> =
            |_, _, sink| Ok(INFO.read(sink)?);
        check(read, "", &expected);
        assert_eq!(release_of("1.22rc1"), "1.22-rc1");
    }
}
