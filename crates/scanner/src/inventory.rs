//! What one layer brings and takes away, as far as packages are concerned.

use std::cell::RefCell;
use std::collections::HashSet;
use std::io::{self, Read};

use serde::{Deserialize, Serialize};

use crate::archive::{Kind, Tar, unpack};
use crate::error::{Carried, ScanError};
use crate::limits::Budget;
use crate::package::Package;
use crate::readers::{self, Scratch};
use crate::release::Release;

/// Changes when readers do, so that what older ones saw is not used.
pub(crate) const INVENTORY_VERSION: i64 = 1;

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Inventory {
    pub(crate) sources: Vec<Source>,
    /// The names of everything but directories: each hides what lies below.
    pub(crate) files: PathSet,
    /// The names that the layer takes away.
    pub(crate) whiteouts: PathSet,
    /// The directories of which the layer takes away all that was in them.
    pub(crate) opaque: PathSet,
    pub(crate) entries: i64,
    pub(crate) unpacked_bytes: i64,
}

/// A file that tells of packages, or of the distribution they belong to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) content: Content,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Content {
    Release(Release),
    Packages(Vec<Package>),
}

/// Paths by their hashes: a layer has too many to keep their names. What a collision could hide is a package of the
/// very image that was made to collide.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PathSet(HashSet<u64>);

impl PathSet {
    fn insert(&mut self, path: &str) {
        self.0.insert(hash(path));
    }

    pub(crate) fn contains(&self, path: &str) -> bool {
        self.0.contains(&hash(path))
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flat_map(|hash| hash.to_le_bytes()).collect()
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        let (hashes, _) = bytes.as_chunks::<8>();
        Self(hashes.iter().map(|hash| u64::from_le_bytes(*hash)).collect())
    }
}

/// FNV-1a.
fn hash(path: &str) -> u64 {
    path.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

const WHITEOUT: &str = ".wh.";
const OPAQUE: &str = ".wh..wh..opq";

impl Inventory {
    /// Reads a layer through, once.
    pub(crate) fn of_layer(
        layer: impl Read,
        budget: &RefCell<Budget>,
        scratch: &Scratch,
    ) -> Result<Self, ScanError> {
        let mut inventory = Self::default();
        let mut tar = Tar::new(unpack(layer, budget)?);
        while let Some(entry) = tar.next_entry()? {
            budget.borrow_mut().entries(1).map_err(io::Error::from)?;
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

    /// Whether the entry stands for something that is gone.
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
        budget: &RefCell<Budget>,
        scratch: &Scratch,
    ) -> Result<(), ScanError> {
        let Some(content) = readers::read(path, content, scratch)? else {
            return Ok(());
        };
        if let Content::Packages(packages) = &content {
            let counted: Result<(), Carried> = budget.borrow_mut().packages(packages.len());
            counted.map_err(io::Error::from)?;
        }
        self.sources.push(Source {
            path: path.to_owned(),
            content,
        });
        Ok(())
    }

    pub(crate) fn package_count(&self) -> usize {
        let counts = self.sources.iter().map(|source| match &source.content {
            Content::Packages(packages) => packages.len(),
            Content::Release(_) => 0,
        });
        counts.sum()
    }

    /// Whether a file of a layer beneath this one is no longer to be seen.
    pub(crate) fn hides(&self, path: &str) -> bool {
        let mut at = path;
        loop {
            if self.files.contains(at) || self.whiteouts.contains(at) {
                return true;
            }
            at = match at.rsplit_once('/') {
                Some((directory, _)) => directory,
                None if at.is_empty() => return false,
                None => "",
            };
            if self.opaque.contains(at) {
                return true;
            }
        }
    }
}

/// What is to be seen of the layers, the lowest first: each source with the place of its layer.
pub(crate) fn visible(layers: Vec<Inventory>) -> Vec<(usize, Source)> {
    let mut seen = Vec::new();
    let mut above = Vec::<Inventory>::new();
    for (place, mut layer) in layers.into_iter().enumerate().rev() {
        for source in std::mem::take(&mut layer.sources) {
            if !above.iter().any(|upper| upper.hides(&source.path)) {
                seen.push((place, source));
            }
        }
        above.push(layer);
    }
    seen.reverse();
    seen
}
