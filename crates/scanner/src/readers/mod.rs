//! The files of an image that list packages, recognized by their names, and their readers.

mod apk;
mod binary;
mod cargo;
mod dpkg;
mod go;
mod json;
mod lines;
mod node;
mod python;
mod rpm;
mod sink;
mod toml_lock;

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use crate::error::Carried;
use crate::limits::Budget;
use crate::package::Package;
use crate::release::Release;
use serde::{Deserialize, Serialize};
use sink::Sink;

const OS_RELEASE_BYTES_MAX: u64 = 64 << 10;

/// What a file contains.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Content {
    Release(Release),
    Packages(Vec<Package>),
}

/// Provides unnamed temporary files, for files that must be read out of order.
pub(crate) struct Scratch {
    pub(crate) directory: PathBuf,
}

impl Scratch {
    fn file(&self) -> io::Result<File> {
        tempfile::tempfile_in(&self.directory).map_err(|error| Carried::Scratch(error).into())
    }
}

/// Why the packages of a file could not be read.
#[derive(Debug)]
enum ReadError {
    /// The bytes could not be read.
    Io(io::Error),
    /// The bytes do not have the format that the file's name implies.
    Format(String),
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Carried> for ReadError {
    fn from(carried: Carried) -> Self {
        Self::Io(carried.into())
    }
}

impl From<serde_json::Error> for ReadError {
    fn from(error: serde_json::Error) -> Self {
        if error.is_io() {
            Self::Io(error.into())
        } else {
            Self::Format(error.to_string())
        }
    }
}

type Reader = fn(&mut dyn Read, &Scratch, &mut Sink<'_>) -> Result<(), ReadError>;

/// Returns `None` for a file that is not about packages, or lists none.
pub(crate) fn read(
    path: &str,
    content: &mut dyn Read,
    scratch: &Scratch,
    budget: &Budget,
) -> io::Result<Option<Content>> {
    if matches!(path, "etc/os-release" | "usr/lib/os-release") {
        let mut text = Vec::new();
        content.take(OS_RELEASE_BYTES_MAX).read_to_end(&mut text)?;
        let release = Release::parse(&String::from_utf8_lossy(&text));
        return Ok(Some(Content::Release(release)));
    }
    let mut sink = Sink::new(budget);
    let read = match recognise(path) {
        Some(reader) => reader(content, scratch, &mut sink),
        None => binary::read(content, &mut sink),
    };
    // Checked before the error of the reader, which may mistake an exceeded limit for a fault of the file.
    let packages = sink.finish()?;
    match read {
        Ok(()) => {}
        Err(ReadError::Io(error)) => return Err(error),
        Err(ReadError::Format(problem)) => tracing::debug!(
            path,
            problem,
            packages = packages.len(),
            "a file that lists packages could not be read to its end"
        ),
    }
    Ok((!packages.is_empty()).then_some(Content::Packages(packages)))
}

fn recognise(path: &str) -> Option<Reader> {
    let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
    match path {
        "var/lib/dpkg/status" => return Some(dpkg::read),
        "lib/apk/db/installed" | "usr/lib/apk/db/installed" => return Some(apk::read),
        _ => {}
    }
    match directory {
        "var/lib/dpkg/status.d" if !name.ends_with(".md5sums") => return Some(dpkg::read),
        "var/lib/rpm" | "usr/lib/sysimage/rpm" | "usr/share/rpm" => {
            return match name {
                "rpmdb.sqlite" => Some(rpm::read_sqlite),
                "Packages.db" => Some(rpm::read_ndb),
                "Packages" => Some(rpm::read_bdb),
                _ => None,
            };
        }
        _ => {}
    }
    let reader: Reader = match name {
        "METADATA" if directory.ends_with(".dist-info") => python::read_metadata,
        "PKG-INFO" if directory.ends_with(".egg-info") => python::read_metadata,
        name if name.ends_with(".egg-info") => python::read_metadata,
        "package.json" if is_node_module(directory) => node::read_package,
        _ => lock_file(name)?,
    };
    (!is_of_others(path)).then_some(reader)
}

fn lock_file(name: &str) -> Option<Reader> {
    Some(match name {
        "package-lock.json" | "npm-shrinkwrap.json" => node::read_lock,
        "poetry.lock" | "uv.lock" => python::read_lock,
        "Pipfile.lock" => python::read_pipfile_lock,
        "requirements.txt" => python::read_requirements,
        "Cargo.lock" => cargo::read_lock,
        "go.mod" => go::read_mod,
        _ => return None,
    })
}

/// `…/node_modules/name` or `…/node_modules/@scope/name`.
fn is_node_module(directory: &str) -> bool {
    let mut parts = directory.rsplit('/');
    let (_, parent, above) = (parts.next(), parts.next(), parts.next());
    parent == Some("node_modules")
        || (parent.is_some_and(|scope| scope.starts_with('@')) && above == Some("node_modules"))
}

/// Whether the file belongs to packages that are counted elsewhere. These are Python files of Debian's own
/// packages, and lock files in the sources of packages and compilers, which were not used for an
/// installation.
fn is_of_others(path: &str) -> bool {
    let locked = !path.ends_with("/package.json");
    path.starts_with("usr/lib/python3/dist-packages/")
        || path.starts_with("usr/share/")
        || (locked && path.contains("node_modules/"))
        || ["/pkg/mod/", "registry/src/", "usr/local/go/", "usr/lib/go"]
            .iter()
            .any(|sources| path.contains(sources) && locked)
}

#[cfg(test)]
pub(crate) fn test_scratch() -> Scratch {
    Scratch {
        directory: std::env::temp_dir(),
    }
}

/// The packages that a reader finds in some bytes.
#[cfg(test)]
fn packages(reader: Reader, mut bytes: &[u8]) -> Result<Vec<Package>, ReadError> {
    let budget = Budget::new(crate::Limits::default());
    let mut sink = Sink::new(&budget);
    reader(&mut bytes, &test_scratch(), &mut sink)?;
    Ok(sink.finish()?)
}

/// The names and versions that a reader finds in a text.
#[cfg(test)]
#[track_caller]
fn check(reader: Reader, text: &str, expected: &[(&str, &str)]) {
    let packages = packages(reader, text.as_bytes()).unwrap();
    let seen: Vec<_> = packages
        .iter()
        .map(|package| (package.name(), package.version()))
        .collect();
    assert_eq!(seen, expected);
}

#[cfg(test)]
pub(crate) use rpm::test_header as test_rpm_header;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_tell_of_packages_are_known_by_their_names() {
        let known = [
            "var/lib/dpkg/status",
            "var/lib/dpkg/status.d/base",
            "lib/apk/db/installed",
            "var/lib/rpm/rpmdb.sqlite",
            "usr/lib/sysimage/rpm/Packages.db",
            "usr/local/lib/python3.11/site-packages/requests-2.31.0.dist-info/METADATA",
            "app/node_modules/lodash/package.json",
            "app/node_modules/@babel/core/package.json",
            "app/package-lock.json",
            "src/Cargo.lock",
            "go.mod",
        ];
        for path in known {
            assert!(recognise(path).is_some(), "{path}");
        }
        let unknown = [
            "var/lib/dpkg/status-old",
            "var/lib/dpkg/status.d/base.md5sums",
            "etc/var/lib/dpkg/status",
            "app/package.json",
            "app/node_modules/lodash/test/package.json",
            "app/node_modules/lodash/package-lock.json",
            "usr/lib/python3/dist-packages/six-1.16.0.egg-info/PKG-INFO",
            "root/go/pkg/mod/example.com/a@v1.0.0/go.mod",
            "METADATA",
        ];
        for path in unknown {
            assert!(recognise(path).is_none(), "{path}");
        }
    }
}
