//! Parses the durations that tests use.

use jiff::{SignedDuration, Span, SpanRelativeTo};

const SECONDS_MAX: f64 = 1e12;

/// Parses an ISO 8601 duration in weeks, days, hours, minutes and seconds, into milliseconds. A day has 24
/// hours. Months and years have no fixed length and are refused.
pub(super) fn parse(text: &str) -> Option<i64> {
    let span = text.parse::<Span>().ok()?;
    if span.get_years() != 0 || span.get_months() != 0 {
        return None;
    }
    let relative = SpanRelativeTo::days_are_24_hours();
    milliseconds(span.to_duration(relative).ok()?)
}

pub(super) fn of_seconds(seconds: f64) -> Option<i64> {
    if !seconds.is_finite() || seconds.abs() > SECONDS_MAX {
        return None;
    }
    milliseconds(SignedDuration::try_from_secs_f64(seconds).ok()?)
}

fn milliseconds(duration: SignedDuration) -> Option<i64> {
    i64::try_from(duration.as_millis()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_of_a_fixed_length_are_read() {
        let cases = [
            ("PT1S", Some(1_000)),
            ("PT0.25S", Some(250)),
            ("P1DT12H", Some(129_600_000)),
            ("P2W", Some(1_209_600_000)),
            ("P400D", Some(34_560_000_000)),
            ("-PT1M", Some(-60_000)),
            ("P1M", None),
            ("P1Y", None),
            ("", None),
            ("1", None),
            ("tomorrow", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text), expected, "`{text}`");
        }
    }

    #[test]
    fn seconds_are_finite() {
        let cases = [
            (1.5, Some(1_500)),
            (-2.0, Some(-2_000)),
            (f64::NAN, None),
            (1e300, None),
        ];
        for (seconds, expected) in cases {
            assert_eq!(of_seconds(seconds), expected, "{seconds}");
        }
    }
}
