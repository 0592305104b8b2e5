//! Go modules: `go.mod`, and the build information in a binary.

use std::io::Read;
use std::ops::ControlFlow;

use super::lines::for_each_line;
use super::{Packages, Scratch};
use crate::package::{Manager, Package};

pub(super) fn read_mod(content: &mut dyn Read, _: &Scratch) -> Packages {
    let mut packages = Vec::new();
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
            packages.extend(Package::new(Manager::Go, name, version));
        }
        ControlFlow::Continue(())
    })?;
    Ok(packages)
}

/// What the linker wrote: the version of Go, and the modules, each replaced one followed by what stands in its place.
pub(super) struct BuildInfo<'a> {
    pub(super) go_version: &'a str,
    pub(super) modules: &'a str,
}

impl BuildInfo<'_> {
    pub(super) fn packages(&self) -> Vec<Package> {
        let mut packages = Vec::new();
        // The standard library has the version of the compiler.
        if let Some(version) = self.go_version.strip_prefix("go") {
            let version = version.split(' ').next().unwrap_or_default();
            packages.extend(Package::new(Manager::Go, "stdlib", &release_of(version)));
        }
        let mut replaceable = false;
        for line in self.modules.lines() {
            let mut fields = line.split('\t');
            let (Some(kind), Some(name), version) = (fields.next(), fields.next(), fields.next()) else {
                continue;
            };
            if kind == "=>" && replaceable {
                packages.pop();
            }
            replaceable = false;
            // A module built in place has no version to compare.
            let version = version.filter(|version| *version != "(devel)");
            if matches!(kind, "mod" | "dep" | "=>")
                && let Some(package) = version.and_then(|version| Package::new(Manager::Go, name, version))
            {
                packages.push(package);
                replaceable = true;
            }
        }
        packages
    }
}

/// `1.21rc2` is a pre-release in the order of semantic versions too.
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
    use super::super::test_scratch;
    use super::*;

    fn seen(packages: &[Package]) -> Vec<(&str, &str)> {
        let seen = packages
            .iter()
            .map(|package| (package.name.as_str(), package.version.as_str()));
        seen.collect()
    }

    #[test]
    fn modules_are_read_from_a_go_mod() {
        let text = "module example.com/app\n\ngo 1.21\n\nrequire golang.org/x/text v0.3.5 // indirect\n\
                    require (\n\tgolang.org/x/net v0.16.0\n\tgithub.com/a/b v1.0.0 // indirect\n)\n\
                    replace (\n\texample.com/x => ../x\n)\n";
        let packages = read_mod(&mut text.as_bytes(), &test_scratch()).unwrap();
        let expected = [
            ("golang.org/x/text", "v0.3.5"),
            ("golang.org/x/net", "v0.16.0"),
            ("github.com/a/b", "v1.0.0"),
        ];
        assert_eq!(seen(&packages), expected);
    }

    #[test]
    fn modules_are_read_from_build_information() {
        let info = BuildInfo {
            go_version: "go1.21.3 X:boringcrypto",
            modules: "path\texample.com/app\nmod\texample.com/app\t(devel)\t\ndep\tgolang.org/x/net\tv0.16.0\th1:x=\n\
                      dep\texample.com/old\tv1.0.0\n=>\texample.com/new\tv2.0.0\th1:y=\nbuild\t-compiler=gc\n",
        };
        let expected = [
            ("stdlib", "1.21.3"),
            ("golang.org/x/net", "v0.16.0"),
            ("example.com/new", "v2.0.0"),
        ];
        assert_eq!(seen(&info.packages()), expected);
        assert_eq!(release_of("1.22rc1"), "1.22-rc1");
    }
}
