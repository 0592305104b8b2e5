//! The packages that one layer adds and removes.

use std::collections::HashSet;
use std::io::Read;

use serde::{Deserialize, Serialize};

use crate::archive::{Kind, Tar, unpack};
use crate::error::{Carried, ScanError};
use crate::limits::{Budget, LayerBytes};
use crate::readers::{self, Content, Scratch};

/// Changes with the readers, so that inventories of older readers are not used.
pub(crate) const INVENTORY_VERSION: i64 = 1;

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Inventory {
    pub(crate) sources: Vec<Source>,
    /// The names of everything except directories: each hides the lower layers' content below that path.
    pub(crate) files: PathSet,
    /// The names that the layer removes.
    pub(crate) whiteouts: PathSet,
    /// The directories whose earlier content the layer removes.
    pub(crate) opaque: PathSet,
    pub(crate) entries: i64,
    pub(crate) unpacked_bytes: i64,
}

/// A file that lists packages, or names the distribution that they belong to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) content: Content,
}

/// Paths as hashes: a layer has too many paths to keep their names. A collision can hide only packages of the
/// image that was made to collide.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PathSet(HashSet<u64>);

impl PathSet {
    fn insert(&mut self, path: &str) {
        self.0.insert(hash(path));
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|hash| hash.to_le_bytes()).collect()
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        let (hashes, _) = bytes.as_chunks::<8>();
        Self(hashes.iter().map(|hash| u64::from_le_bytes(*hash)).collect())
    }
}

/// FNV-1a. While it hashes a path, it passes the hash of every directory of the path.
const EMPTY_HASH: u64 = 0xcbf2_9ce4_8422_2325;

fn hash(path: &str) -> u64 {
    path.bytes().fold(EMPTY_HASH, hash_on)
}

fn hash_on(hash: u64, byte: u8) -> u64 {
    (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
}

const WHITEOUT: &str = ".wh.";
const OPAQUE: &str = ".wh..wh..opq";

impl Inventory {
    /// Reads a layer once, from beginning to end.
    pub(crate) fn of_layer(layer: impl Read, budget: &Budget, scratch: &Scratch) -> Result<Self, ScanError> {
        let mut inventory = Self::default();
        let mut tar = Tar::new(unpack(layer, budget)?);
        while let Some(entry) = tar.next_entry()? {
            budget.entries(1)?;
            inventory.entries += 1;
            if inventory.take_away(&entry.path) {
                continue;
            }
            if entry.kind == Kind::Directory {
                continue;
            }
            inventory.files.insert(&entry.path);
            if entry.kind == Kind::File {
                inventory.read_file(&entry.path, &mut tar, budget, scratch)?;
            }
        }
        inventory.unpacked_bytes = tar.source().unpacked_bytes().cast_signed();
        Ok(inventory)
    }

    /// Whether the entry marks a removed path.
    fn take_away(&mut self, path: &str) -> bool {
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        let Some(gone) = name.strip_prefix(WHITEOUT) else {
            return false;
        };
        if name == OPAQUE {
            self.opaque.insert(directory);
        } else if directory.is_empty() {
            self.whiteouts.insert(gone);
        } else {
            self.whiteouts.insert(&format!("{directory}/{gone}"));
        }
        true
    }

    fn read_file(
        &mut self,
        path: &str,
        content: &mut dyn Read,
        budget: &Budget,
        scratch: &Scratch,
    ) -> Result<(), ScanError> {
        let Some(content) = readers::read(path, content, scratch, budget)? else {
            return Ok(());
        };
        let source = Source {
            path: path.to_owned(),
            content,
        };
        budget.keep(source.own_bytes())?;
        self.sources.push(source);
        Ok(())
    }

    /// Counts a stored inventory against the budget, as if the layer were read now.
    pub(crate) fn count(&self, budget: &Budget) -> Result<(), Carried> {
        budget.unpacked(self.unpacked_bytes.unsigned_abs(), LayerBytes::default())?;
        budget.entries(self.entries.unsigned_abs())?;
        for source in &self.sources {
            budget.keep(source.own_bytes())?;
            if let Content::Packages(packages) = &source.content {
                packages.iter().try_for_each(|package| budget.package(package))?;
            }
        }
        Ok(())
    }
}

impl Source {
    /// The memory in addition to the packages, which are counted one by one.
    fn own_bytes(&self) -> u64 {
        let release = match &self.content {
            Content::Release(release) => release.kept_bytes(),
            Content::Packages(_) => 0,
        };
        size_of::<Self>() as u64 + self.path.len() as u64 + release
    }
}

/// The paths of a layer that the layers above it hide.
#[derive(Default)]
struct Above {
    /// Each path hides itself and everything below it.
    covered: HashSet<u64>,
    /// Each path hides everything below it.
    opaque: HashSet<u64>,
}

impl Above {
    fn add(&mut self, layer: Inventory) {
        self.covered.extend(layer.files.0);
        self.covered.extend(layer.whiteouts.0);
        self.opaque.extend(layer.opaque.0);
    }

    /// Checks the path and each of its parent directories.
    fn hides(&self, path: &str) -> bool {
        let mut hash = EMPTY_HASH;
        if self.opaque.contains(&hash) {
            return true;
        }
        for byte in path.bytes() {
            if byte == b'/' && (self.covered.contains(&hash) || self.opaque.contains(&hash)) {
                return true;
            }
            hash = hash_on(hash, byte);
        }
        self.covered.contains(&hash)
    }
}

/// The visible sources of the layers, given the lowest layer first. Each source has the index of its layer.
pub(crate) fn visible(layers: Vec<Inventory>, budget: &Budget) -> Result<Vec<(usize, Source)>, Carried> {
    let mut seen = Vec::new();
    let mut above = Above::default();
    for (place, mut layer) in layers.into_iter().enumerate().rev() {
        for source in std::mem::take(&mut layer.sources) {
            budget.clock()?;
            if !above.hides(&source.path) {
                seen.push((place, source));
            }
        }
        above.add(layer);
    }
    seen.reverse();
    Ok(seen)
}
