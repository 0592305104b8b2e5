//! Prints a line for each operation, and every variant that was answered wrongly.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use anyhow::Result;

use crate::outcome::{self, Outcome};

#[derive(Default)]
struct Row {
    variants: usize,
    as_expected: usize,
    answered: usize,
}

/// Returns whether every variant was answered correctly.
pub(crate) fn table(outcomes: &[Outcome]) -> Result<bool> {
    let mut rows = BTreeMap::<&str, Row>::new();
    for outcome in outcomes {
        let row = rows.entry(outcome.operation()).or_default();
        row.variants += 1;
        row.as_expected += usize::from(outcome.complaint.is_none());
        row.answered += usize::from(outcome.answered == "200");
    }
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "{:<42} {:>8} {:>11} {:>8}",
        "operation", "variants", "as expected", "taken"
    )?;
    for (operation, row) in &rows {
        let Row {
            variants,
            as_expected,
            answered,
        } = row;
        writeln!(
            out,
            "{operation:<42} {variants:>8} {as_expected:>11} {answered:>8}"
        )?;
    }
    let mut wrong = 0;
    for outcome in outcomes {
        if let Some(complaint) = &outcome.complaint {
            wrong += 1;
            writeln!(out, "{}: {}: {complaint}", outcome.name, outcome.answered)?;
        }
    }
    let operations = rows.keys().filter(|name| **name != "-").count();
    writeln!(
        out,
        "{operations} operations, {} variants, {} as expected, {wrong} not",
        outcomes.len(),
        outcomes.len() - wrong
    )?;
    Ok(wrong == 0)
}

/// Returns whether every variant was answered correctly and as in the baseline.
pub(crate) fn check(baseline: &str, outcomes: &[Outcome]) -> Result<bool> {
    let regressions = outcome::regressions(baseline, outcomes)?;
    let mut out = io::stdout().lock();
    for (name, what) in &regressions {
        writeln!(out, "{name}: {what}")?;
    }
    let good = outcomes
        .iter()
        .filter(|outcome| !regressions.contains_key(&outcome.name));
    writeln!(out, "{} passed, {} failed", good.count(), regressions.len())?;
    Ok(regressions.is_empty())
}
