//! Finds the advisories about a package.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension as _};

use super::import::{AffectedRecord, canonical_name};
use super::{Advisories, Record};
use crate::limits::Budget;
use crate::package::Package;
use crate::{ScanError, VersionOrder};

/// An advisory that affects a version of a package.
#[derive(Debug)]
pub(crate) struct Match {
    pub(crate) osv_id: String,
    pub(crate) modified_at: i64,
    pub(crate) record: Record,
    pub(crate) affected: Affected,
}

/// The advisory's data about this package.
#[derive(Debug)]
pub(crate) struct Affected {
    pub(crate) word: Option<String>,
    pub(crate) severity: Vec<crate::osv::SeverityScore>,
    pub(crate) fixed: Option<String>,
}

impl Advisories {
    /// The time of the newest change to an advisory, or `None` if there are no advisories.
    pub(crate) fn updated_at(&self) -> Result<Option<i64>, ScanError> {
        let mut newest = None;
        self.each(&mut |connection| {
            let found: Option<i64> =
                connection.query_row("SELECT MAX(modified_at) FROM advisories", [], |row| row.get(0))?;
            newest = newest.max(found);
            Ok(())
        })?;
        Ok(newest)
    }

    /// Whether any advisory is loaded for an ecosystem, or for all its releases together.
    pub(crate) fn cover(&self, ecosystem: &str) -> Result<bool, ScanError> {
        let mut covered = false;
        self.each(&mut |connection| {
            for name in with_base(ecosystem) {
                covered |= connection
                    .prepare_cached("SELECT 1 FROM affected WHERE ecosystem = ?1 LIMIT 1")?
                    .exists([name])?;
            }
            Ok(())
        })?;
        Ok(covered)
    }

    /// Visits each advisory that affects a package, once. If an advisory was loaded more than once, the
    /// newest version decides what is affected.
    pub(crate) fn about(
        &self,
        ecosystem: &str,
        package: &Package,
        budget: &Budget,
        visit: &mut Visit<'_>,
    ) -> Result<(), ScanError> {
        self.with_all(|connections| {
            let mut seen = BTreeSet::new();
            let mut visit_once = |found: Match| {
                if !seen.contains(&found.osv_id) && !has_newer(connections, &found)? {
                    seen.insert(found.osv_id.clone());
                    visit(found)?;
                }
                Ok(())
            };
            for connection in connections {
                about(connection, ecosystem, package, budget, &mut visit_once)?;
            }
            Ok(())
        })
    }
}

fn has_newer(connections: &[&Connection], candidate: &Match) -> Result<bool, ScanError> {
    for connection in connections {
        let newer = connection
            .prepare_cached("SELECT 1 FROM advisories WHERE osv_id = ?1 AND modified_at > ?2")?
            .exists((&candidate.osv_id, candidate.modified_at))?;
        if newer {
            return Ok(true);
        }
    }
    Ok(false)
}

fn about(
    connection: &Connection,
    ecosystem: &str,
    package: &Package,
    budget: &Budget,
    visit: &mut Visit<'_>,
) -> Result<(), ScanError> {
    for (name, version) in identities(package) {
        for ecosystem in with_base(ecosystem) {
            let name = canonical_name(ecosystem, name);
            let asked = Asked {
                ecosystem,
                name: &name,
                version,
                order: package.manager().order(),
            };
            affecting(connection, &asked, budget, visit)?;
        }
    }
    Ok(())
}

/// Receives advisories one by one: a kernel has thousands of them.
type Visit<'v> = dyn FnMut(Match) -> Result<(), ScanError> + 'v;

/// A name and version that advisories may use for a package.
struct Asked<'a> {
    ecosystem: &'a str,
    name: &'a str,
    version: &'a str,
    order: VersionOrder,
}

/// `Debian:12`, and `Debian` for advisories about all its releases.
fn with_base(ecosystem: &str) -> impl Iterator<Item = &str> {
    let base = ecosystem.split_once(':').map(|(base, _)| base);
    std::iter::once(ecosystem).chain(base)
}

/// The names that advisories use for a package, each with its version. Distributions name the source package;
/// some distributions with rpm name the package itself.
fn identities(package: &Package) -> BTreeSet<(&str, &str)> {
    let own = (package.name(), package.version());
    let source_name = package.source_name().unwrap_or(package.name());
    let source_version = package.source_version().unwrap_or(package.version());
    let source = (source_name, source_version);
    if package.manager() == crate::Manager::Rpm {
        BTreeSet::from([own, source])
    } else {
        BTreeSet::from([source])
    }
}

fn affecting(
    connection: &Connection,
    asked: &Asked<'_>,
    budget: &Budget,
    visit: &mut Visit<'_>,
) -> Result<(), ScanError> {
    let (version, order) = (asked.version, asked.order);
    let mut statement = connection
        .prepare_cached("SELECT advisory_id, record FROM affected WHERE ecosystem = ?1 AND name = ?2")?;
    let mut rows = statement.query([asked.ecosystem, asked.name])?;
    while let Some(row) = rows.next()? {
        budget.clock()?;
        // A record that another version of this program wrote is ignored.
        let Ok(record) = serde_json::from_str::<AffectedRecord>(row.get_ref(1)?.as_str().unwrap_or_default())
        else {
            continue;
        };
        if record.versions.contain(version, order) {
            let affected = Affected {
                fixed: record.versions.fixed_after(version, order).map(str::to_owned),
                word: record.word,
                severity: record.severity,
            };
            if let Some(found) = load(connection, row.get(0)?, affected)? {
                visit(found)?;
            }
        }
    }
    Ok(())
}

fn load(connection: &Connection, advisory_id: i64, affected: Affected) -> rusqlite::Result<Option<Match>> {
    let found = connection
        .prepare_cached("SELECT osv_id, modified_at, record FROM advisories WHERE id = ?1")?
        .query_row([advisory_id], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?))
        })
        .optional()?;
    Ok(found.and_then(|(osv_id, modified_at, record)| {
        Some(Match {
            osv_id,
            modified_at,
            record: serde_json::from_str(&record).ok()?,
            affected,
        })
    }))
}
