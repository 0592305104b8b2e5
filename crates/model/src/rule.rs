//! Constraints of texts: a length in characters, and a pattern for the whole text.

use std::sync::OnceLock;

use regex::Regex;

use crate::Violation;

/// The constraints of one text shape, each with its error sentence.
pub struct TextRule {
    length_min: Option<(usize, &'static str)>,
    length_max: Option<(usize, &'static str)>,
    pattern: Option<Pattern>,
}

/// A pattern of the model, compiled at its first use.
pub struct Pattern {
    text: &'static str,
    reason: &'static str,
    compiled: OnceLock<Regex>,
}

impl TextRule {
    pub const fn new(
        length_min: Option<(usize, &'static str)>,
        length_max: Option<(usize, &'static str)>,
        pattern: Option<Pattern>,
    ) -> Self {
        Self {
            length_min,
            length_max,
            pattern,
        }
    }

    pub fn check(&self, text: &str) -> Result<(), Violation> {
        self.check_with(text, |pattern| pattern.matches(text))
    }

    /// Checks the same constraints with a hand-written matcher instead of the pattern, for types that every
    /// request has.
    pub(crate) fn check_with(
        &self,
        text: &str,
        matches: impl FnOnce(&Pattern) -> bool,
    ) -> Result<(), Violation> {
        if let Some((limit, reason)) = self.length_min
            && text.chars().take(limit).count() < limit
        {
            return Err(Violation::new(reason));
        }
        // A text has at most as many characters as bytes, so most texts need no counting.
        if let Some((limit, reason)) = self.length_max
            && text.len() > limit
            && text.chars().count() > limit
        {
            return Err(Violation::new(reason));
        }
        match &self.pattern {
            Some(pattern) if !matches(pattern) => Err(Violation::new(pattern.reason)),
            _ => Ok(()),
        }
    }
}

impl Pattern {
    pub const fn new(text: &'static str, reason: &'static str) -> Self {
        Self {
            text,
            reason,
            compiled: OnceLock::new(),
        }
    }

    /// Whether the pattern matches the whole text. Classes such as `\w` are ASCII only, as in the service.
    pub fn matches(&self, text: &str) -> bool {
        self.compiled.get_or_init(|| compile(self.text)).is_match(text)
    }
}

#[expect(
    clippy::expect_used,
    reason = "patterns are committed with the model, and a test compiles each of them"
)]
fn compile(pattern: &str) -> Regex {
    // A pattern that matches non-ASCII text compiles only in Unicode mode.
    Regex::new(&format!(r"\A(?-u:{pattern})\z"))
        .or_else(|_| Regex::new(&format!(r"\A(?u:{pattern})\z")))
        .expect("a pattern of the model compiles")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{ImageTag, Region, RegistryId, RepositoryName, UploadId, rules, shapes};

    #[test]
    fn lengths_are_counted_in_characters_and_come_before_the_pattern() {
        let pattern = Pattern::new("^$|[0-9a-z]+", "pattern");
        let rule = TextRule::new(Some((2, "short")), Some((4, "long")), Some(pattern));
        let cases = [
            ("é", "short"),
            ("12345", "long"),
            ("1A", "pattern"),
            ("éé", "pattern"),
            ("11\n", "pattern"),
        ];
        for (text, expected) in cases {
            assert_eq!(
                rule.check(text).map_err(Violation::reason),
                Err(expected),
                "{text}"
            );
        }
        assert_eq!(rule.check("1a2b"), Ok(()));
    }

    #[test]
    fn an_alternative_that_is_anchored_by_itself_still_means_the_whole_text() {
        let pattern = Pattern::new("^$|b", "pattern");
        assert!(pattern.matches("") && pattern.matches("b"));
        assert!(!pattern.matches("ab") && !pattern.matches("ba"));
    }

    #[test]
    fn patterns_of_the_model_take_what_the_service_documents() {
        let secret = "arn:aws:secretsmanager:us-east-1:123456789012:secret:ecr-pullthroughcache/hub-AbCdEf";
        shapes::CredentialArn::parse(secret).unwrap();
        shapes::Prefix::parse("ROOT").unwrap();
        shapes::Prefix::parse("a__b/c--d/").unwrap();
        shapes::SigningProfileArn::parse("arn:aws:signer:us-east-1:123456789012:/signing-profiles/ab")
            .unwrap();
        shapes::ScanningRepositoryFilterValue::parse("*team*").unwrap();
        shapes::KmsKeyForRepositoryCreationTemplate::parse("").unwrap();
        shapes::PrincipalArn::parse("arn:aws:iam::123456789012:role/Dév").unwrap_err();
        shapes::Prefix::parse("ROOT/").unwrap_err();
    }

    #[track_caller]
    fn check(rule: &TextRule, text: &str, by_hand: Result<(), Violation>) {
        assert_eq!(rule.check(text), by_hand, "{text:?}");
    }

    proptest! {
        #[test]
        fn matchers_written_by_hand_agree_with_the_patterns(
            text in prop_oneof![
                "[a-c0-2._/-]{0,12}",
                "(a|__|_|\\.|-|--|/|b1){0,9}",
                "[0-9]{11,13}",
                "[0-9a-fA-F]{8}(-[0-9a-fA-Fg]{4}){3}-[0-9a-fA-F]{11,13}",
                "[a-z-]{1,27}",
                "[a-z]{255,257}",
                any::<String>(),
            ]
        ) {
            check(&rules::REPOSITORY_NAME, &text, RepositoryName::parse(text.as_str()).map(drop));
            check(&rules::IMAGE_TAG, &text, ImageTag::parse(text.as_str()).map(drop));
            check(&rules::REGISTRY_ID, &text, RegistryId::parse(text.as_str()).map(drop));
            check(&rules::REGION, &text, Region::parse(text.as_str()).map(drop));
            check(&rules::UPLOAD_ID, &text, UploadId::parse(text.as_str()).map(drop));
        }
    }
}
