//! The outcome of a variant, the baseline of all outcomes, and the differences between the two.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::Serialize;

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Outcome {
    pub(crate) name: String,
    /// Status and error code.
    pub(crate) answered: String,
    /// Why the answer is wrong, if it is.
    pub(crate) complaint: Option<String>,
}

impl Outcome {
    pub(crate) fn operation(&self) -> &str {
        self.name.split('/').next().unwrap_or_default()
    }
}

/// One line for each variant, sorted.
pub(crate) fn baseline(outcomes: &[Outcome]) -> String {
    let mut lines = outcomes
        .iter()
        .map(|outcome| format!("{}: {}\n", outcome.name, outcome.answered))
        .collect::<Vec<_>>();
    lines.sort();
    lines.concat()
}

/// One sentence for each variant that was answered wrongly or differs from the baseline.
pub(crate) fn regressions(baseline: &str, outcomes: &[Outcome]) -> Result<BTreeMap<String, String>> {
    let mut known = BTreeMap::new();
    for line in baseline.lines() {
        let (name, answered) = line
            .rsplit_once(": ")
            .with_context(|| format!("`{line}` is not a line of a baseline"))?;
        known.insert(name, answered);
    }
    let mut found = BTreeMap::new();
    for outcome in outcomes {
        let before = known.remove(outcome.name.as_str());
        let said = match (&outcome.complaint, before) {
            (Some(complaint), _) => format!("{}: {complaint}", outcome.answered),
            (None, Some(before)) if before == outcome.answered => continue,
            (None, Some(before)) => format!("{}, and {before} in the baseline", outcome.answered),
            (None, None) => format!("{}, and not in the baseline", outcome.answered),
        };
        found.insert(outcome.name.clone(), said);
    }
    for (name, before) in known {
        found.insert(
            name.to_owned(),
            format!("no longer sent, but {before} in the baseline"),
        );
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(name: &str, answered: &str, complaint: Option<&str>) -> Outcome {
        Outcome {
            name: name.to_owned(),
            answered: answered.to_owned(),
            complaint: complaint.map(str::to_owned),
        }
    }

    #[test]
    fn a_run_agrees_with_its_own_baseline() {
        let outcomes = [
            outcome("B/minimal", "200", None),
            outcome("A/x", "400 InvalidParameterException", None),
        ];
        let text = baseline(&outcomes);
        assert_eq!(text, "A/x: 400 InvalidParameterException\nB/minimal: 200\n");
        assert_eq!(regressions(&text, &outcomes).unwrap(), BTreeMap::new());
    }

    #[test]
    fn what_changed_came_or_went_is_told_and_what_is_wrong_always() {
        let text = "changed: 200\ngone: 200\nsame: 200\nwrong: 500\n";
        let outcomes = [
            outcome("changed", "400 LimitExceededException", None),
            outcome("new", "200", None),
            outcome("same", "200", None),
            outcome("wrong", "500", Some("a fault of the endpoint")),
        ];
        let found = regressions(text, &outcomes).unwrap();
        assert_eq!(
            found.keys().collect::<Vec<_>>(),
            ["changed", "gone", "new", "wrong"]
        );
        assert_eq!(
            found["changed"],
            "400 LimitExceededException, and 200 in the baseline"
        );
    }
}
