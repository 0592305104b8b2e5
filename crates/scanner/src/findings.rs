//! The vulnerabilities of an image's packages, without duplicates, the worst first.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::advisories::Match;
use crate::error::{Carried, Limit};
use crate::limits::Budget;
use crate::severity::{Score, Severity, judge};
use crate::{Manager, Package};

/// A vulnerability of a package.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The CVE if there is one, otherwise the id of the advisory.
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
    /// The path in the image at which the package was found, and the layer.
    pub path: String,
    pub layer: String,
}

impl Finding {
    fn identity(&self) -> (&str, Manager, &str, &str) {
        let package = &self.package;
        (&self.name, package.manager(), package.name(), package.version())
    }

    /// The memory that the finding takes.
    fn kept_bytes(&self) -> u64 {
        let texts = [
            &self.name,
            &self.advisory,
            &self.summary,
            &self.description,
            &self.path,
            &self.layer,
        ];
        let vectors = self.scores.iter().map(|score| &score.vector);
        let texts = texts.into_iter().chain(&self.references).chain(vectors);
        let texts = texts.map(|text| text.len() + TEXT_BYTES);
        (size_of::<Self>() + texts.sum::<usize>()) as u64 + self.package.kept_bytes()
    }
}

/// The memory of a text in addition to its bytes.
const TEXT_BYTES: usize = 40;

/// Counts each finding against the budget of the scan.
pub(crate) struct Findings<'b> {
    budget: &'b Budget,
    found: Vec<Finding>,
}

impl<'b> Findings<'b> {
    pub(crate) fn new(budget: &'b Budget) -> Self {
        Self {
            budget,
            found: Vec::new(),
        }
    }

    /// An advisory of a distribution may cover several vulnerabilities. Each becomes a finding.
    pub(crate) fn take(
        &mut self,
        found: &Match,
        package: &Package,
        (path, layer): (&str, &str),
    ) -> Result<(), Carried> {
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
        for name in names {
            let finding = Finding {
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
            };
            self.budget.finding(finding.kept_bytes())?;
            self.found.push(finding);
        }
        Ok(())
    }

    /// Returns all findings or an error: a truncated list would make the image look safer.
    pub(crate) fn rank(self) -> Result<Vec<Finding>, Carried> {
        let mut found = self.found;
        let order = |finding: &'_ Finding| std::cmp::Reverse(finding.severity);
        found.sort_by(|left, right| {
            order(left)
                .cmp(&order(right))
                .then_with(|| left.name.cmp(&right.name))
                .then_with(|| left.package.name().cmp(right.package.name()))
                .then_with(|| left.package.version().cmp(right.package.version()))
        });
        let mut seen = BTreeSet::new();
        let first: Vec<bool> = found
            .iter()
            .map(|finding| seen.insert(finding.identity()))
            .collect();
        let mut first = first.into_iter();
        found.retain(|_| first.next() == Some(true));
        if found.len() > self.budget.limits().findings_max {
            return Err(self.budget.exceed(Limit::Findings));
        }
        Ok(found)
    }
}
