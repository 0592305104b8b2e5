//! Conditions of a statement: operators on the facts of a request.

use std::net::IpAddr;

use ecru_model::Timestamp;
use serde_json::Value;

use crate::facts::Facts;
use crate::pattern;
use crate::variables::Variables;

/// One operator over one key.
#[derive(Debug, PartialEq)]
pub(crate) struct Condition {
    quantifier: Quantifier,
    if_exists: bool,
    test: Test,
    negated: bool,
    /// In lower case.
    key: String,
    values: Vec<String>,
}

/// The number of the request's values that must pass the test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quantifier {
    Only,
    Any,
    All,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Test {
    Null,
    Text,
    TextOfAnyCase,
    Pattern,
    Arn,
    Address,
    Boolean,
    Number(Relation),
    Date(Relation),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Parses the conditions of a statement, all of which must hold. Returns `None` if one of them cannot be
/// evaluated.
pub(crate) fn read(value: &Value) -> Option<Vec<Condition>> {
    let mut conditions = Vec::new();
    for (operator, keys) in value.as_object()? {
        for (key, values) in keys.as_object()? {
            conditions.push(Condition::read(operator, key, values)?);
        }
    }
    Some(conditions)
}

impl Condition {
    fn read(operator: &str, key: &str, values: &Value) -> Option<Self> {
        let (quantifier, operator) = match operator.split_once(':') {
            Some(("ForAnyValue", operator)) => (Quantifier::Any, operator),
            Some(("ForAllValues", operator)) => (Quantifier::All, operator),
            Some(_) => return None,
            None => (Quantifier::Only, operator),
        };
        let (operator, if_exists) = match operator.strip_suffix("IfExists") {
            Some(operator) => (operator, true),
            None => (operator, false),
        };
        let (test, negated) = test(operator)?;
        if test == Test::Null && if_exists {
            return None;
        }
        let values = match values {
            Value::Array(values) => values.iter().map(scalar).collect::<Option<Vec<_>>>()?,
            value => vec![scalar(value)?],
        };
        let judged = values.iter().all(|value| test.understands(value));
        (judged && !values.is_empty()).then(|| Self {
            quantifier,
            if_exists,
            test,
            negated,
            key: key.to_ascii_lowercase(),
            values,
        })
    }

    pub(crate) fn holds(&self, facts: &Facts, variables: Variables<'_>) -> bool {
        let found = facts.find(&self.key);
        if self.test == Test::Null {
            let absent = found.is_empty().to_string();
            return self
                .values
                .iter()
                .any(|value| value.eq_ignore_ascii_case(&absent));
        }
        if found.is_empty() {
            return match self.quantifier {
                Quantifier::All => true,
                Quantifier::Any => self.if_exists,
                Quantifier::Only => self.if_exists || self.negated,
            };
        }
        let one = |found: &String| {
            let mut answers = self
                .values
                .iter()
                .filter_map(|wanted| {
                    variables.test(wanted, found, |wanted, found| self.test.matches(wanted, found))
                })
                .peekable();
            // Values with an undefined variable are left out. Without any other value the condition does not
            // hold.
            answers.peek().is_some() && answers.any(|matched| matched) != self.negated
        };
        match self.quantifier {
            Quantifier::All => found.iter().all(one),
            Quantifier::Any | Quantifier::Only => found.iter().any(one),
        }
    }
}

/// Parses the name of an operator. The flag is true if the operator negates its test.
fn test(operator: &str) -> Option<(Test, bool)> {
    use Relation as R;
    Some(match operator {
        "Null" => (Test::Null, false),
        "StringEquals" => (Test::Text, false),
        "StringNotEquals" => (Test::Text, true),
        "StringEqualsIgnoreCase" => (Test::TextOfAnyCase, false),
        "StringNotEqualsIgnoreCase" => (Test::TextOfAnyCase, true),
        "StringLike" => (Test::Pattern, false),
        "StringNotLike" => (Test::Pattern, true),
        "ArnEquals" | "ArnLike" => (Test::Arn, false),
        "ArnNotEquals" | "ArnNotLike" => (Test::Arn, true),
        "IpAddress" => (Test::Address, false),
        "NotIpAddress" => (Test::Address, true),
        "Bool" => (Test::Boolean, false),
        "NumericEquals" => (Test::Number(R::Equal), false),
        "NumericNotEquals" => (Test::Number(R::Equal), true),
        "NumericLessThan" => (Test::Number(R::Less), false),
        "NumericLessThanEquals" => (Test::Number(R::LessOrEqual), false),
        "NumericGreaterThan" => (Test::Number(R::Greater), false),
        "NumericGreaterThanEquals" => (Test::Number(R::GreaterOrEqual), false),
        "DateEquals" => (Test::Date(R::Equal), false),
        "DateNotEquals" => (Test::Date(R::Equal), true),
        "DateLessThan" => (Test::Date(R::Less), false),
        "DateLessThanEquals" => (Test::Date(R::LessOrEqual), false),
        "DateGreaterThan" => (Test::Date(R::Greater), false),
        "DateGreaterThanEquals" => (Test::Date(R::GreaterOrEqual), false),
        _ => return None,
    })
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        _ => None,
    }
}

impl Test {
    fn understands(self, wanted: &str) -> bool {
        match self {
            Self::Text | Self::TextOfAnyCase | Self::Pattern | Self::Arn => true,
            Self::Null | Self::Boolean => ["true", "false"]
                .iter()
                .any(|value| value.eq_ignore_ascii_case(wanted)),
            Self::Address => network(wanted).is_some(),
            Self::Number(_) => number(wanted).is_some(),
            Self::Date(_) => date_as_millis(wanted).is_some(),
        }
    }

    fn matches(self, wanted: &str, found: &str) -> bool {
        match self {
            Self::Null => false,
            Self::Text => wanted == found,
            Self::TextOfAnyCase => wanted.to_lowercase() == found.to_lowercase(),
            Self::Pattern => pattern::matches(wanted, found),
            Self::Arn => matches_arn(wanted, found),
            Self::Boolean => wanted.eq_ignore_ascii_case(found),
            Self::Address => matches_address(wanted, found),
            Self::Number(relation) => relation.holds(number(found), number(wanted)),
            Self::Date(relation) => relation.holds(date_as_millis(found), date_as_millis(wanted)),
        }
    }
}

impl Relation {
    fn holds<T: PartialOrd>(self, left: Option<T>, right: Option<T>) -> bool {
        let (Some(left), Some(right)) = (left, right) else {
            return false;
        };
        match self {
            Self::Equal => left == right,
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
            Self::Greater => left > right,
            Self::GreaterOrEqual => left >= right,
        }
    }
}

/// Each of the six parts of an ARN is compared separately, so that a star before the last part cannot match a
/// colon.
fn matches_arn(wanted: &str, found: &str) -> bool {
    let (wanted, found) = (wanted.splitn(6, ':'), found.splitn(6, ':'));
    wanted.clone().count() == found.clone().count()
        && wanted
            .zip(found)
            .all(|(wanted, found)| pattern::matches(wanted, found))
}

fn matches_address(wanted: &str, found: &str) -> bool {
    let (Some((network, prefix)), Some(found)) = (network(wanted), found.parse::<IpAddr>().ok()) else {
        return false;
    };
    match (network, found.to_canonical()) {
        (IpAddr::V4(network), IpAddr::V4(found)) => {
            let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
            network.to_bits() & mask == found.to_bits() & mask
        }
        (IpAddr::V6(network), IpAddr::V6(found)) => {
            let mask = u128::MAX.checked_shl(128 - prefix).unwrap_or(0);
            network.to_bits() & mask == found.to_bits() & mask
        }
        _ => false,
    }
}

/// Parses an address, or a network with a prefix length.
fn network(text: &str) -> Option<(IpAddr, u32)> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let address = address.parse::<IpAddr>().ok()?;
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let prefix = prefix.map_or(Some(bits), |prefix| prefix.parse().ok())?;
    (prefix <= bits).then_some((address, prefix))
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

/// Parses an ISO 8601 date with an optional time, or seconds since 1970.
fn date_as_millis(text: &str) -> Option<i64> {
    if let Ok(seconds) = text.parse::<i64>() {
        return seconds.checked_mul(1000);
    }
    if let Some(moment) = Timestamp::parse(text) {
        return Some(moment.as_millis());
    }
    let midnight = text.parse::<jiff::civil::Date>().ok()?.at(0, 0, 0, 0);
    let midnight = midnight.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(midnight.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn facts() -> Facts {
        let mut facts = Facts::default();
        facts.add("aws:PrincipalArn", "arn:aws:iam::111122223333:role/build");
        facts.add("aws:PrincipalAccount", "111122223333");
        facts.add("aws:SourceIp", "203.0.113.9");
        facts.add("aws:SecureTransport", "false");
        facts.add("aws:CurrentTime", "2026-01-01T00:00:00Z");
        facts.add("aws:EpochTime", "1767225600");
        facts.add("ecr:ResourceTag/Stage", "Prod");
        facts.add_all("aws:TagKeys", vec!["a".to_owned(), "b".to_owned()]);
        facts
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "a case reads best with its value in place"
    )]
    #[track_caller]
    fn check(operator: &str, key: &str, values: Value, expected: bool) {
        let condition = Condition::read(operator, key, &values)
            .unwrap_or_else(|| panic!("{operator} of {key} and {values} is understood"));
        assert_eq!(
            condition.holds(&facts(), Variables(None)),
            expected,
            "{operator} {key} {values}"
        );
    }

    #[test]
    fn texts_are_compared() {
        let key = "ecr:resourcetag/stage";
        check("StringEquals", key, json!("Prod"), true);
        check("StringEquals", key, json!(["x", "Prod"]), true);
        check("StringEquals", key, json!("prod"), false);
        check("StringNotEquals", key, json!("prod"), true);
        check("StringNotEquals", key, json!(["x", "Prod"]), false);
        check("StringEqualsIgnoreCase", key, json!("pROD"), true);
        check("StringNotEqualsIgnoreCase", key, json!("pROD"), false);
        check("StringLike", key, json!("P?o*"), true);
        check("StringLike", key, json!("P?"), false);
        check("StringNotLike", key, json!("P*"), false);
        check("StringEquals", key, json!("P*"), false);
    }

    #[test]
    fn arns_are_compared_part_by_part() {
        let key = "AWS:principalarn";
        check("ArnLike", key, json!("arn:aws:iam::*:role/*"), true);
        check(
            "ArnEquals",
            key,
            json!("arn:aws:iam::111122223333:role/bu?ld"),
            true,
        );
        check("ArnLike", key, json!("arn:*:role/build"), false);
        check("ArnLike", key, json!("*"), false);
        check("ArnNotLike", key, json!("arn:aws:iam::444455556666:*"), true);
        check("ArnNotEquals", key, json!("arn:aws:iam::111122223333:*"), false);
    }

    #[test]
    fn addresses_are_in_networks() {
        let key = "aws:SourceIp";
        check("IpAddress", key, json!("203.0.113.0/24"), true);
        check("IpAddress", key, json!("203.0.113.9"), true);
        check("IpAddress", key, json!(["10.0.0.0/8", "203.0.113.8/31"]), true);
        check("IpAddress", key, json!("203.0.113.10/31"), false);
        check("IpAddress", key, json!("0.0.0.0/0"), true);
        check("IpAddress", key, json!("::/0"), false);
        check("NotIpAddress", key, json!("10.0.0.0/8"), true);
        check("NotIpAddress", key, json!("203.0.112.0/23"), false);
        assert!(matches_address("2001:db8::/32", "2001:db8:1::1"));
        assert!(matches_address("127.0.0.1", "::ffff:127.0.0.1"));
        assert!(!matches_address("2001:db8::/32", "2001:db9::1"));
    }

    #[test]
    fn truths_numbers_and_dates_are_compared() {
        check("Bool", "aws:SecureTransport", json!("False"), true);
        check("Bool", "aws:SecureTransport", json!(true), false);
        check("NumericEquals", "aws:EpochTime", json!(1_767_225_600), true);
        check("NumericNotEquals", "aws:EpochTime", json!("1"), true);
        check("NumericLessThan", "aws:EpochTime", json!(1_767_225_600), false);
        check(
            "NumericLessThanEquals",
            "aws:EpochTime",
            json!(1_767_225_600),
            true,
        );
        check("NumericGreaterThan", "aws:EpochTime", json!("1767225599.5"), true);
        check(
            "NumericGreaterThanEquals",
            "aws:EpochTime",
            json!(1_767_225_601),
            false,
        );
        // The value of the request is not a number.
        check("NumericEquals", "aws:PrincipalArn", json!(1), false);
        check(
            "DateEquals",
            "aws:CurrentTime",
            json!("2026-01-01T01:00:00+01:00"),
            true,
        );
        check("DateEquals", "aws:CurrentTime", json!(1_767_225_600), true);
        check("DateNotEquals", "aws:CurrentTime", json!("2026-01-01"), false);
        check("DateLessThan", "aws:CurrentTime", json!("2026-01-02"), true);
        check(
            "DateLessThanEquals",
            "aws:CurrentTime",
            json!("2025-12-31T23:59:59Z"),
            false,
        );
        check(
            "DateGreaterThan",
            "aws:CurrentTime",
            json!("2025-12-31T23:59:59Z"),
            true,
        );
        check(
            "DateGreaterThanEquals",
            "aws:CurrentTime",
            json!("2026-01-01T00:00:00Z"),
            true,
        );
    }

    #[test]
    fn a_key_that_the_request_lacks_matches_nothing() {
        let key = "aws:PrincipalOrgID";
        check("StringEquals", key, json!("o-1"), false);
        check("StringNotEquals", key, json!("o-1"), true);
        check("StringEqualsIfExists", key, json!("o-1"), true);
        check("ForAnyValue:StringEquals", key, json!("o-1"), false);
        check("ForAnyValue:StringNotEquals", key, json!("o-1"), false);
        check("ForAllValues:StringEquals", key, json!("o-1"), true);
        check("Null", key, json!("true"), true);
        check("Null", key, json!(false), false);
        check("Null", "aws:SourceIp", json!("false"), true);
        check("StringEqualsIfExists", "aws:PrincipalAccount", json!("1"), false);
    }

    #[test]
    fn many_values_are_counted_as_the_operator_says() {
        let key = "aws:TagKeys";
        check("ForAllValues:StringEquals", key, json!(["a", "b", "c"]), true);
        check("ForAllValues:StringEquals", key, json!(["a"]), false);
        check("ForAnyValue:StringEquals", key, json!(["a", "x"]), true);
        check("ForAnyValue:StringEquals", key, json!("x"), false);
        check("ForAnyValue:StringLikeIfExists", key, json!("?"), true);
        check("ForAllValues:StringNotEquals", key, json!("x"), true);
    }

    #[test]
    fn what_cannot_be_judged_is_no_condition() {
        for (operator, values) in [
            ("Equals", json!("x")),
            ("stringequals", json!("x")),
            ("ForSomeValues:StringEquals", json!("x")),
            ("NullIfExists", json!("true")),
            ("StringEquals", json!([])),
            ("StringEquals", json!({})),
            ("StringEquals", json!(null)),
            ("StringEquals", json!([["x"]])),
            ("Bool", json!("yes")),
            ("Null", json!("")),
            ("NumericEquals", json!("one")),
            ("NumericEquals", json!("NaN")),
            ("DateEquals", json!("yesterday")),
            ("IpAddress", json!("10.0.0.0/33")),
            ("IpAddress", json!("localhost")),
        ] {
            assert_eq!(
                Condition::read(operator, "aws:SourceIp", &values),
                None,
                "{operator} {values}"
            );
        }
    }
}
