//! Whether a tag may move: decided by a repository's setting and its exclusion filters, over plain values.

use ecru_model::{ImageTagMutability, matches_wildcard};

use crate::Error;

const WILDCARDS_MAX: usize = 2;

/// A tag is frozen if the setting is immutable and no filter matches it, or if the setting is mutable and a
/// filter matches.
pub(crate) fn is_frozen(setting: ImageTagMutability, filters: &[String], tag: &str) -> bool {
    let excluded = || filters.iter().any(|filter| matches_wildcard(filter, tag));
    match setting {
        ImageTagMutability::Mutable => false,
        ImageTagMutability::Immutable => true,
        ImageTagMutability::MutableWithExclusion => excluded(),
        ImageTagMutability::ImmutableWithExclusion => !excluded(),
    }
}

/// Only the two settings with exclusion take filters.
pub(crate) fn check_filters(setting: ImageTagMutability, filters: Option<&[String]>) -> Result<(), Error> {
    const MEMBER: &str = "imageTagMutabilityExclusionFilters";
    let excludes = matches!(
        setting,
        ImageTagMutability::MutableWithExclusion | ImageTagMutability::ImmutableWithExclusion
    );
    match filters {
        None if excludes => Err(Error::parameter(
            MEMBER,
            &format!(
                "ImageTagMutabilityExclusionFilters can't be null when imageTagMutability is set as {}",
                setting.as_str()
            ),
        )),
        Some(_) if !excludes => Err(Error::parameter(
            MEMBER,
            &format!(
                "ImageTagMutabilityExclusionFilters must be null when imageTagMutability is set as {}",
                setting.as_str()
            ),
        )),
        // [unknown] in the service's texts: its clients check the limit.
        Some(filters)
            if filters
                .iter()
                .any(|filter| filter.matches('*').count() > WILDCARDS_MAX) =>
        {
            Err(Error::parameter(
                MEMBER,
                &format!("a filter must have at most {WILDCARDS_MAX} wildcards (*)"),
            ))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(setting: ImageTagMutability, filter: &str, tag: &str, frozen: bool) {
        assert_eq!(is_frozen(setting, &[filter.to_owned()], tag), frozen);
    }

    #[test]
    fn an_exclusion_filter_turns_the_setting_around() {
        check(ImageTagMutability::Mutable, "v*", "v1", false);
        check(ImageTagMutability::Immutable, "v*", "v1", true);
        check(
            ImageTagMutability::ImmutableWithExclusion,
            "dev-*",
            "dev-1",
            false,
        );
        check(ImageTagMutability::ImmutableWithExclusion, "dev-*", "v1", true);
        check(ImageTagMutability::MutableWithExclusion, "v*", "v1", true);
        check(ImageTagMutability::MutableWithExclusion, "v*", "latest", false);
    }
}
