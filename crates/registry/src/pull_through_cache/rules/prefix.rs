//! Finds the rule that covers a repository, and the repository's name upstream.

use crate::creation_templates;

/// As a rule's prefix it covers every name that no other prefix covers; as an upstream prefix it adds nothing.
pub(crate) const ROOT: &str = "ROOT";

/// A prefix is treated as if it ended in a slash, whether it does or not.
pub(crate) fn key(prefix: &str) -> &str {
    prefix.strip_suffix('/').unwrap_or(prefix)
}

/// The prefixes that cover a name, in the order of precedence.
pub(crate) fn candidates(name: &str) -> impl Iterator<Item = &str> {
    creation_templates::prefixes(name).chain([ROOT])
}

/// The name of a repository upstream. None if the rule does not cover the repository.
pub(crate) fn upstream_name(prefix: &str, upstream_prefix: &str, name: &str) -> Option<String> {
    let rest = match key(prefix) {
        ROOT => name,
        prefix => name.strip_prefix(prefix)?.strip_prefix('/')?,
    };
    Some(match key(upstream_prefix) {
        ROOT => rest.to_owned(),
        upstream_prefix => format!("{upstream_prefix}/{rest}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_translated_from_one_prefix_to_the_other() {
        let cases = [
            (
                "ecr-public",
                "ROOT",
                "ecr-public/my-app/image1",
                Some("my-app/image1"),
            ),
            (
                "ecr-public/",
                "ROOT",
                "ecr-public/my-app/image1",
                Some("my-app/image1"),
            ),
            ("ROOT", "ROOT", "my-app/image1", Some("my-app/image1")),
            ("ROOT", "ROOT", "alone", Some("alone")),
            (
                "team-a",
                "team-a",
                "team-a/myapp/image1",
                Some("team-a/myapp/image1"),
            ),
            (
                "my-app",
                "upstream-app",
                "my-app/image1",
                Some("upstream-app/image1"),
            ),
            (
                "my-app",
                "upstream-app/",
                "my-app/image1",
                Some("upstream-app/image1"),
            ),
            ("a/b", "ROOT", "a/b/c/d", Some("c/d")),
            ("my-app", "ROOT", "my-app", None),
            ("my-app", "ROOT", "my-application/image1", None),
            ("my-app", "ROOT", "other/my-app/image1", None),
        ];
        for (prefix, upstream, name, expected) in cases {
            assert_eq!(
                upstream_name(prefix, upstream, name).as_deref(),
                expected,
                "{prefix} {upstream} {name}"
            );
        }
    }

    #[test]
    fn the_longest_prefix_wins_and_the_root_comes_last() {
        assert_eq!(candidates("a/bb/c").collect::<Vec<_>>(), ["a/bb", "a", ROOT]);
        assert_eq!(candidates("a").collect::<Vec<_>>(), [ROOT]);
    }
}
