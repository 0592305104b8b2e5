//! Times with a precision of milliseconds.

use std::fmt;

/// Milliseconds since 1970-01-01 00:00 UTC. It is printed as in RFC 3339, and as nothing outside the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Reads a time as RFC 3339 writes it. Digits beyond milliseconds are dropped.
    pub fn parse(text: &str) -> Option<Self> {
        let moment = text.parse::<jiff::Timestamp>().ok()?;
        Some(Self(moment.as_millisecond()))
    }

    /// The beginning of its second.
    #[must_use]
    pub const fn whole_seconds(self) -> Self {
        Self(self.0 - self.0.rem_euclid(1_000))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        jiff::Timestamp::from_millisecond(self.0)
            .map_or(Ok(()), |moment| fmt::Display::fmt(&moment, formatter))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_printed_as_in_rfc_3339_and_read_back() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (1_700_000_000_123, "2023-11-14T22:13:20.123Z"),
            (1_700_000_000_500, "2023-11-14T22:13:20.5Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
        ] {
            let moment = Timestamp::from_millis(millis);
            assert_eq!(moment.to_string(), text);
            assert_eq!(Timestamp::parse(text), Some(moment));
        }
        assert_eq!(Timestamp::from_millis(i64::MAX).to_string(), "");
        assert_eq!(Timestamp::parse("yesterday"), None);
    }

    #[test]
    fn a_second_begins_before_its_milliseconds_also_before_1970() {
        assert_eq!(
            Timestamp::from_millis(1_999).whole_seconds(),
            Timestamp::from_millis(1_000)
        );
        assert_eq!(
            Timestamp::from_millis(-1).whole_seconds(),
            Timestamp::from_millis(-1_000)
        );
    }
}
