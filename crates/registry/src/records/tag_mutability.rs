//! Whether a tag may move: a repository's setting and its exclusion filters, decided over plain values.

use ecru_model::{ImageTagMutability, matches_wildcard};

use crate::Error;

const WILDCARDS_MAX: usize = 2;

/// A tag is frozen when the setting is immutable and no filter names it, or mutable and some filter does.
pub(crate) fn is_frozen(setting: ImageTagMutability, filters: &[String], tag: &str) -> bool {
    let excluded = || filters.iter().any(|filter| matches_wildcard(filter, tag));
    match setting {
        ImageTagMutability::Mutable => false,
        ImageTagMutability::Immutable => true,
        ImageTagMutability::MutableWithExclusion => excluded(),
        ImageTagMutability::ImmutableWithExclusion => !excluded(),
    }
}

/// Filters belong to the two settings with exclusion, and only to them.
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
        // [unknown] in the service's texts: the limit is checked by its clients.
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
