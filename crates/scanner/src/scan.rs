//! A scan: the visible packages of an image, and the known advisories about them.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::advisories::Advisories;
use crate::error::{Carried, ScanError};
use crate::findings::{Finding, Findings};
use crate::inventory::{Inventory, Source, visible};
use crate::limits::{Budget, Limits};
use crate::readers::{Content, Scratch};
use crate::release::Release;
use crate::{Ecosystem, Manager, cache};

/// A layer of an image; layers are ordered with the lowest first.
pub struct Layer {
    /// Identifies its content: a layer that was read once is not read again.
    pub digest: String,
    /// Called when the layer is needed, since an image may have more layers than a process may open files.
    pub open: OpenLayer,
}

/// Returns `None` for a layer whose bytes are stored elsewhere. Such a layer has no findings.
pub type OpenLayer = Box<dyn FnOnce() -> io::Result<Option<Box<dyn Read + Send>>> + Send>;

impl Layer {
    pub fn new(digest: String, content: impl Read + Send + 'static) -> Self {
        Self {
            digest,
            open: Box::new(move || Ok(Some(Box::new(content)))),
        }
    }
}

/// The memory for an empty layer.
const LAYER_BYTES: u64 = size_of::<Inventory>() as u64;

/// Scans one image at a time, so that memory and the load on other work are bounded.
pub struct Scanner {
    turn: Mutex<()>,
    advisories: Advisories,
    scratch: Scratch,
    limits: Limits,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Whether a package database, or another file that lists packages, was found.
    pub has_packages: bool,
    /// For example `Debian GNU/Linux 12 (bookworm)`.
    pub distribution: Option<String>,
    /// The ecosystems of the image's packages for which no advisory is loaded.
    pub uncovered: BTreeSet<String>,
    /// Whether the packages of the distribution, or all packages, are uncovered.
    pub is_uncovered: bool,
    /// Whether any advisory is loaded.
    pub has_advisories: bool,
    pub advisories_updated_at: Option<i64>,
    /// The worst first.
    pub findings: Vec<Finding>,
}

impl Scanner {
    /// Stores its databases in `data`; see `Advisories::open` for `advisories`.
    pub fn open(data: &Path, advisories: Option<PathBuf>, limits: Limits) -> Result<Self, ScanError> {
        Ok(Self {
            turn: Mutex::new(()),
            advisories: Advisories::open(data, advisories)?,
            scratch: Scratch {
                directory: data.to_owned(),
            },
            limits,
        })
    }

    pub fn advisories(&self) -> &Advisories {
        &self.advisories
    }

    pub fn scan(&self, layers: Vec<Layer>) -> Result<Report, ScanError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.advisories.refresh()?;
        let budget = Budget::new(self.limits);
        let mut digests = Vec::new();
        let mut inventories = Vec::new();
        for layer in layers {
            budget.clock()?;
            budget.keep(LAYER_BYTES)?;
            digests.push(layer.digest.clone());
            inventories.push(self.inventory(layer, &budget)?);
        }
        let sources = visible(inventories, &budget)?;
        self.judge(&sources, &digests, &budget)
    }

    /// The ecosystems of a layer's packages. A layer that was read before is not read again.
    pub fn ecosystems(&self, layer: Layer) -> Result<Vec<Ecosystem>, ScanError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = cache::find_ecosystems(&self.advisories, &layer.digest)? {
            return Ok(known);
        }
        let budget = Budget::new(self.limits);
        let digest = layer.digest.clone();
        let inventory = self.inventory(layer, &budget)?;
        // An empty result is not kept: the layer may be stored elsewhere and arrive later.
        if inventory.sources.is_empty() {
            return Ok(Vec::new());
        }
        cache::keep_ecosystems(&self.advisories, &digest, &inventory)
    }

    fn inventory(&self, layer: Layer, budget: &Budget) -> Result<Inventory, ScanError> {
        if let Some(known) = cache::find(&self.advisories, &layer.digest)? {
            known.count(budget)?;
            return Ok(known);
        }
        let Some(content) = (layer.open)().map_err(Carried::Layer)? else {
            return Ok(Inventory::default());
        };
        let inventory = Inventory::of_layer(content, budget, &self.scratch)?;
        cache::keep(&self.advisories, &layer.digest, &inventory)?;
        Ok(inventory)
    }

    fn judge(
        &self,
        sources: &[(usize, Source)],
        digests: &[String],
        budget: &Budget,
    ) -> Result<Report, ScanError> {
        let release = release(sources);
        let system = release.map(Release::ecosystem);
        let distribution = release.map(|release| release.pretty_name.clone());
        let mut report = Report {
            distribution: distribution.filter(|name| !name.is_empty()),
            advisories_updated_at: self.advisories.updated_at()?,
            ..Report::default()
        };
        report.has_advisories = report.advisories_updated_at.is_some();

        let mut ecosystems = Ecosystems::default();
        let mut findings = Findings::new(budget);
        let mut seen = BTreeSet::new();
        for (place, source) in sources {
            let Content::Packages(packages) = &source.content else {
                continue;
            };
            let layer = digests.get(*place).map_or("", String::as_str);
            for package in packages {
                budget.clock()?;
                let own = package.manager().ecosystem();
                let Some(ecosystem) = own.or(system.as_deref()) else {
                    ecosystems.nameless = true;
                    continue;
                };
                let is_new = ecosystems.cover(&self.advisories, ecosystem, package.manager())?;
                let identity = (package.manager(), package.name(), package.version());
                if !is_new || !seen.insert(identity) {
                    continue;
                }
                self.advisories.about(ecosystem, package, budget, &mut |found| {
                    Ok(findings.take(&found, package, (&source.path, layer))?)
                })?;
            }
        }
        ecosystems.conclude(&mut report);
        report.findings = findings.rank()?;
        Ok(report)
    }
}

/// Both files may exist; the one that administrators change wins.
fn release(sources: &[(usize, Source)]) -> Option<&Release> {
    let named = |path: &str| {
        sources.iter().find_map(|(_, source)| match &source.content {
            Content::Release(release) if source.path == path => Some(release),
            _ => None,
        })
    };
    named("etc/os-release").or_else(|| named("usr/lib/os-release"))
}

/// The ecosystems of an image, and whether advisories about each are loaded.
#[derive(Default)]
struct Ecosystems {
    covered: BTreeSet<String>,
    uncovered: BTreeSet<String>,
    system_is_uncovered: bool,
    /// The image has packages of a distribution that does not name itself.
    nameless: bool,
}

impl Ecosystems {
    fn cover(
        &mut self,
        advisories: &Advisories,
        ecosystem: &str,
        manager: Manager,
    ) -> Result<bool, ScanError> {
        if self.covered.contains(ecosystem) {
            return Ok(true);
        }
        if self.uncovered.contains(ecosystem) {
            return Ok(false);
        }
        let covered = advisories.cover(ecosystem)?;
        if covered {
            self.covered.insert(ecosystem.to_owned());
        } else {
            self.uncovered.insert(ecosystem.to_owned());
            self.system_is_uncovered |= manager.is_of_system();
        }
        Ok(covered)
    }

    fn conclude(self, report: &mut Report) {
        report.has_packages = self.nameless || !self.covered.is_empty() || !self.uncovered.is_empty();
        report.is_uncovered = self.system_is_uncovered || self.nameless || self.covered.is_empty();
        report.uncovered = self.uncovered;
    }
}
