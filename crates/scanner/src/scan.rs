//! A scan: the packages that are to be seen in an image, and what is known of them.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::advisories::{Advisories, Match};
use crate::error::ScanError;
use crate::inventory::{Content, Inventory, Source, visible};
use crate::limits::{Budget, LayerBytes, Limits};
use crate::package::Package;
use crate::readers::Scratch;
use crate::release::Release;
use crate::severity::{Score, Severity, judge};
use crate::{Manager, cache};

const FINDINGS_MAX: usize = 20_000;

/// A layer of an image, the lowest first.
pub struct Layer {
    /// Names its content: what was found in it once is not looked for again.
    pub digest: String,
    pub content: Box<dyn Read + Send>,
}

/// Looks through images. One image at a time: memory is bounded, and so is what a scan takes from others.
pub struct Scanner {
    turn: Mutex<()>,
    advisories: Advisories,
    scratch: Scratch,
    limits: Limits,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Whether a package database, or anything else that tells of packages, was found at all.
    pub has_packages: bool,
    /// Such as `Debian GNU/Linux 12 (bookworm)`.
    pub distribution: Option<String>,
    /// The ecosystems of the image's packages of which no advisory is loaded.
    pub uncovered: BTreeSet<String>,
    /// Whether those packages of which advisories are needed most, the distribution's or all there are, are uncovered.
    pub is_uncovered: bool,
    /// Whether any advisory at all is loaded.
    pub has_advisories: bool,
    pub advisories_updated_at: Option<i64>,
    /// The worst first.
    pub findings: Vec<Finding>,
}

/// A vulnerability of a package.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Its CVE where it has one, else the advisory.
    pub name: String,
    pub advisory: String,
    pub summary: String,
    pub description: String,
    pub severity: Severity,
    pub scores: Vec<Score>,
    pub references: Vec<String>,
    pub published_at: Option<i64>,
    pub modified_at: i64,
    pub package: Package,
    pub fixed_in_version: Option<String>,
    /// Where in the image the package was found, and in which layer.
    pub path: String,
    pub layer: String,
}

impl Scanner {
    /// Keeps what it needs in `data`; see `Advisories::open` for `advisories`.
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
        let budget = RefCell::new(Budget::new(self.limits));
        let mut digests = Vec::new();
        let mut inventories = Vec::new();
        for layer in layers {
            inventories.push(self.inventory(&layer.digest, layer.content, &budget)?);
            digests.push(layer.digest);
        }
        self.judge(visible(inventories), &digests)
    }

    fn inventory(
        &self,
        digest: &str,
        content: impl Read,
        budget: &RefCell<Budget>,
    ) -> Result<Inventory, ScanError> {
        if let Some(known) = cache::find(&self.advisories, digest)? {
            let mut budget = budget.borrow_mut();
            let counted = budget
                .unpacked(known.unpacked_bytes.unsigned_abs(), LayerBytes::default())
                .and_then(|()| budget.entries(known.entries.unsigned_abs()))
                .and_then(|()| budget.packages(known.package_count()));
            counted.map_err(io::Error::from)?;
            return Ok(known);
        }
        let inventory = Inventory::of_layer(content, budget, &self.scratch)?;
        cache::keep(&self.advisories, digest, &inventory)?;
        Ok(inventory)
    }

    fn judge(&self, sources: Vec<(usize, Source)>, digests: &[String]) -> Result<Report, ScanError> {
        let release = release(&sources);
        let system = release.map(Release::ecosystem);
        let distribution = release.map(|release| release.pretty_name.clone());
        let mut report = Report {
            distribution: distribution.filter(|name| !name.is_empty()),
            advisories_updated_at: self.advisories.updated_at()?,
            ..Report::default()
        };
        report.has_advisories = report.advisories_updated_at.is_some();

        let mut ecosystems = Ecosystems::default();
        let mut seen = BTreeSet::new();
        for (place, source) in sources {
            let Content::Packages(packages) = source.content else {
                continue;
            };
            for package in packages {
                let own = package.manager.ecosystem();
                let Some(ecosystem) = own.or(system.as_deref()) else {
                    ecosystems.nameless = true;
                    continue;
                };
                let is_new = ecosystems.cover(&self.advisories, ecosystem, package.manager)?;
                let identity = (package.manager, package.name.clone(), package.version.clone());
                if !is_new || !seen.insert(identity) {
                    continue;
                }
                let matches = self.advisories.about(ecosystem, &package)?;
                let layer = digests.get(place).map_or("", String::as_str);
                let found = matches
                    .iter()
                    .flat_map(|found| findings(found, &package, &source.path, layer));
                report.findings.extend(found);
            }
        }
        ecosystems.conclude(&mut report);
        rank(&mut report.findings);
        Ok(report)
    }
}

/// Both names may be there; the one that administrators change goes first.
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
    /// Packages of a distribution that does not say which it is.
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

/// An advisory of a distribution may be about several vulnerabilities, each of which is a finding.
fn findings<'m>(
    found: &'m Match,
    package: &'m Package,
    path: &'m str,
    layer: &'m str,
) -> impl Iterator<Item = Finding> + 'm {
    let record = &found.record;
    let scores = if found.affected.severity.is_empty() {
        &record.severity
    } else {
        &found.affected.severity
    };
    let word = found.affected.word.as_deref().or(record.word.as_deref());
    let (severity, scores) = judge(word, scores);
    let own = std::slice::from_ref(&found.osv_id);
    let names = if record.cves.is_empty() { own } else { &record.cves };
    names.iter().map(move |name| Finding {
        name: name.clone(),
        advisory: found.osv_id.clone(),
        summary: record.summary.clone(),
        description: record.text.clone(),
        severity,
        scores: scores.clone(),
        references: record.references.clone(),
        published_at: record.published_at,
        modified_at: found.modified_at,
        package: package.clone(),
        fixed_in_version: found.affected.fixed.clone(),
        path: path.to_owned(),
        layer: layer.to_owned(),
    })
}

/// The worst first, each vulnerability of a package once.
fn rank(findings: &mut Vec<Finding>) {
    findings.sort_by(|left, right| {
        let order = |finding: &Finding| (finding.name.clone(), finding.package.name.clone());
        right
            .severity
            .cmp(&left.severity)
            .then_with(|| order(left).cmp(&order(right)))
            .then_with(|| left.package.version.cmp(&right.package.version))
    });
    let mut seen = BTreeSet::new();
    findings.retain(|finding| {
        seen.insert((
            finding.name.clone(),
            finding.package.manager,
            finding.package.name.clone(),
            finding.package.version.clone(),
        ))
    });
    if findings.len() > FINDINGS_MAX {
        tracing::warn!(
            found = findings.len(),
            kept = FINDINGS_MAX,
            "an image has too many findings"
        );
        findings.truncate(FINDINGS_MAX);
    }
}
