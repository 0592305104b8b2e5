//! The severity of an advisory, from its scores or its words.

use std::str::FromStr as _;

use cvss::Cvss;
use serde::{Deserialize, Serialize};

use crate::osv::SeverityScore;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Severity {
    Undefined,
    Informational,
    Low,
    Medium,
    High,
    Critical,
}

/// A score of the Common Vulnerability Scoring System.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// `2.0`, `3.0`, `3.1` or `4.0`.
    pub version: String,
    pub vector: String,
    pub score: f64,
}

impl Severity {
    /// The words that the source databases of OSV use.
    fn of_word(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().as_str() {
            "critical" => Self::Critical,
            "high" | "important" => Self::High,
            "medium" | "moderate" => Self::Medium,
            "low" => Self::Low,
            "negligible" | "unimportant" | "none" | "informational" | "info" => Self::Informational,
            _ => return None,
        })
    }

    /// NVD's ranges; those of version 2 have nothing above `HIGH`.
    fn of_score(score: &Score) -> Self {
        match score.score {
            9.0.. if score.version != "2.0" => Self::Critical,
            7.0.. => Self::High,
            4.0.. => Self::Medium,
            0.1.. => Self::Low,
            _ => Self::Informational,
        }
    }
}

/// The word of a distribution wins over scores, because the distribution has assessed its own build. Of the
/// scores, version 3 wins, because every source has it.
pub(crate) fn judge(word: Option<&str>, scores: &[SeverityScore]) -> (Severity, Vec<Score>) {
    let numeric: Vec<Score> = scores.iter().filter_map(read).collect();
    let said = scores
        .iter()
        .filter(|score| !score.kind.starts_with("CVSS"))
        .find_map(|score| Severity::of_word(&score.score));
    let preferred = |version: &str| numeric.iter().find(|score| score.version.starts_with(version));
    let severity = word
        .and_then(Severity::of_word)
        .or(said)
        .or_else(|| {
            let score = preferred("3.")
                .or_else(|| preferred("4."))
                .or_else(|| preferred("2."))?;
            Some(Severity::of_score(score))
        })
        .unwrap_or(Severity::Undefined);
    (severity, numeric)
}

fn read(score: &SeverityScore) -> Option<Score> {
    if !score.kind.starts_with("CVSS") {
        return None;
    }
    let vector = score.score.trim();
    let parsed = Cvss::from_str(vector).ok()?;
    let version = match vector
        .strip_prefix("CVSS:")
        .and_then(|rest| rest.split('/').next())
    {
        Some(version) => version.to_owned(),
        None => "2.0".to_owned(),
    };
    Some(Score {
        version,
        vector: vector.to_owned(),
        score: (parsed.score() * 10.0).round() / 10.0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(kind: &str, score: &str) -> SeverityScore {
        SeverityScore {
            kind: kind.to_owned(),
            score: score.to_owned(),
        }
    }

    #[test]
    fn scores_and_words_become_severities() {
        let v3 = score("CVSS_V3", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H");
        let v2 = score("CVSS_V2", "AV:N/AC:M/Au:N/C:P/I:P/A:P");
        let v4 = score(
            "CVSS_V4",
            "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N",
        );
        let cases = [
            (None, vec![], Severity::Undefined, vec![]),
            (None, vec![v3.clone()], Severity::Critical, vec![9.8]),
            (None, vec![v2.clone()], Severity::Medium, vec![6.8]),
            (
                None,
                vec![score("CVSS_V2", "AV:N/AC:L/Au:N/C:C/I:C/A:C")],
                Severity::High,
                vec![10.0],
            ),
            (None, vec![v4, v2], Severity::Critical, vec![9.3, 6.8]),
            (
                Some("unimportant"),
                vec![v3.clone()],
                Severity::Informational,
                vec![9.8],
            ),
            (Some("not yet assigned"), vec![v3], Severity::Critical, vec![9.8]),
            (
                None,
                vec![score("Ubuntu", "medium"), score("CVSS_V3", "nonsense")],
                Severity::Medium,
                vec![],
            ),
        ];
        for (word, scores, severity, values) in cases {
            let (judged, read) = judge(word, &scores);
            let read: Vec<f64> = read.iter().map(|score| score.score).collect();
            assert_eq!((judged, &read), (severity, &values), "{scores:?}");
        }
    }
}
