//! The paths below `/v2`, decoded once and split from their right end into routes.

use std::borrow::Cow;

use ecru_model::percent;

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(crate) enum Route<'p> {
    Base,
    Catalog,
    Manifest { name: &'p str, reference: &'p str },
    Blob { name: &'p str, digest: &'p str },
    Uploads { name: &'p str },
    Upload { name: &'p str, id: &'p str },
    Tags { name: &'p str },
    Referrers { name: &'p str, digest: &'p str },
}

impl<'p> Route<'p> {
    /// A name may itself have components called `blobs`, `manifests`, `tags` or `uploads`, so the keywords of
    /// a route are searched from the right.
    pub(crate) fn parse(path: &'p str) -> Option<Route<'p>> {
        let below = path.strip_prefix("/v2")?;
        match below {
            "" | "/" => return Some(Route::Base),
            "/_catalog" | "/_catalog/" => return Some(Route::Catalog),
            _ => {}
        }
        let below = below.strip_prefix('/')?;

        for starting in ["/blobs/uploads/", "/blobs/uploads"] {
            if let Some(name) = below.strip_suffix(starting) {
                return named(name).map(|name| Route::Uploads { name });
            }
        }
        Self::parse_below(below).or_else(|| {
            // Lists are also found with a trailing slash.
            let list = Self::parse_below(below.strip_suffix('/')?)?;
            matches!(list, Route::Tags { .. } | Route::Referrers { .. }).then_some(list)
        })
    }

    fn parse_below(below: &'p str) -> Option<Route<'p>> {
        let (before, last) = below.rsplit_once('/')?;
        let (name, kind) = before.rsplit_once('/')?;
        if last.is_empty() {
            return None;
        }
        match kind {
            "manifests" => named(name).map(|name| Route::Manifest {
                name,
                reference: last,
            }),
            "blobs" => named(name).map(|name| Route::Blob { name, digest: last }),
            "referrers" => named(name).map(|name| Route::Referrers { name, digest: last }),
            "tags" if last == "list" => named(name).map(|name| Route::Tags { name }),
            "uploads" => {
                let name = name.strip_suffix("/blobs")?;
                named(name).map(|name| Route::Upload { name, id: last })
            }
            _ => None,
        }
    }

    /// The repository of a route.
    pub(crate) fn repository(&self) -> Option<&'p str> {
        match *self {
            Route::Base | Route::Catalog => None,
            Route::Manifest { name, .. }
            | Route::Blob { name, .. }
            | Route::Uploads { name }
            | Route::Upload { name, .. }
            | Route::Tags { name }
            | Route::Referrers { name, .. } => Some(name),
        }
    }

    /// The methods of a route, as an `Allow` header lists them.
    pub(crate) fn methods(&self) -> &'static str {
        match self {
            Route::Base | Route::Catalog | Route::Tags { .. } | Route::Referrers { .. } => "GET, HEAD",
            Route::Manifest { .. } => "GET, HEAD, PUT, DELETE",
            Route::Blob { .. } => "GET, HEAD, DELETE",
            Route::Uploads { .. } => "POST",
            Route::Upload { .. } => "GET, HEAD, PATCH, PUT, DELETE",
        }
    }
}

fn named(name: &str) -> Option<&str> {
    (!name.is_empty()).then_some(name)
}

/// Decodes percent-encoding once. Returns `None` if it is malformed, is not UTF-8 or contains a control
/// character. A `+` stays a `+`, in queries too: no value here has spaces, and clients send media types with
/// a bare `+`.
pub(crate) fn decode(text: &str) -> Option<Cow<'_, str>> {
    percent::decode(text).filter(|text| printable(text))
}

fn printable(text: &str) -> bool {
    !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(path: &str, expected: Option<Route<'_>>) {
        assert_eq!(Route::parse(path), expected, "{path}");
    }

    #[test]
    fn every_route_of_the_specification_is_known() {
        check("/v2", Some(Route::Base));
        check("/v2/", Some(Route::Base));
        check("/v2/_catalog", Some(Route::Catalog));
        check(
            "/v2/a/b/manifests/latest",
            Some(Route::Manifest {
                name: "a/b",
                reference: "latest",
            }),
        );
        check(
            "/v2/demo/blobs/sha256:00",
            Some(Route::Blob {
                name: "demo",
                digest: "sha256:00",
            }),
        );
        check("/v2/demo/blobs/uploads/", Some(Route::Uploads { name: "demo" }));
        check("/v2/demo/blobs/uploads", Some(Route::Uploads { name: "demo" }));
        check(
            "/v2/demo/blobs/uploads/id",
            Some(Route::Upload {
                name: "demo",
                id: "id",
            }),
        );
        check("/v2/demo/tags/list", Some(Route::Tags { name: "demo" }));
        check("/v2/demo/tags/list/", Some(Route::Tags { name: "demo" }));
        check("/v2/_catalog/", Some(Route::Catalog));
        check(
            "/v2/demo/referrers/sha256:00/",
            Some(Route::Referrers {
                name: "demo",
                digest: "sha256:00",
            }),
        );
        check(
            "/v2/demo/referrers/sha256:00",
            Some(Route::Referrers {
                name: "demo",
                digest: "sha256:00",
            }),
        );
    }

    #[test]
    fn a_repository_may_have_components_named_as_the_words_of_a_route() {
        for name in [
            "blobs",
            "manifests",
            "tags",
            "uploads",
            "referrers",
            "a/blobs/uploads",
            "tags/list",
            "v2",
        ] {
            check(
                &format!("/v2/{name}/manifests/1"),
                Some(Route::Manifest { name, reference: "1" }),
            );
            check(
                &format!("/v2/{name}/blobs/d"),
                Some(Route::Blob { name, digest: "d" }),
            );
            check(
                &format!("/v2/{name}/blobs/uploads/"),
                Some(Route::Uploads { name }),
            );
            check(
                &format!("/v2/{name}/blobs/uploads/i"),
                Some(Route::Upload { name, id: "i" }),
            );
            check(&format!("/v2/{name}/tags/list"), Some(Route::Tags { name }));
            check(
                &format!("/v2/{name}/referrers/d"),
                Some(Route::Referrers { name, digest: "d" }),
            );
        }
    }

    #[test]
    fn other_paths_are_unknown() {
        for path in [
            "/v1/",
            "/v2x",
            "/v2/demo",
            "/v2/demo/",
            "/v2/demo/tags",
            "/v2/demo/tags/",
            "/v2/demo/tags/lists",
            "/v2/demo/manifests/",
            "/v2/demo/manifests",
            "/v2/demo/blobs/",
            "/v2/manifests/latest",
            "/v2//manifests/latest",
            "/v2/demo/uploads/id",
            "/v2/blobs/uploads/",
            "/v2/demo/tags/list//",
            "/v2/demo/referrers/",
            "/v2/demo/manifests/latest/",
            "/v2/demo/blobs/sha256:00/",
            "/v2/_catalog//",
            "//v2/_catalog",
        ] {
            check(path, None);
        }
    }

    #[test]
    fn percent_encoding_is_taken_off_once() {
        assert_eq!(
            decode("/v2/a/blobs/sha256%3Aab").as_deref(),
            Some("/v2/a/blobs/sha256:ab")
        );
        assert_eq!(decode("%252e").as_deref(), Some("%2e"));
        assert_eq!(decode("a+b%2B").as_deref(), Some("a+b+"));
        for malformed in ["%", "%4", "%zz", "%00", "%0a", "%0D", "%ff", "%7f"] {
            assert_eq!(decode(malformed), None, "{malformed}");
        }
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding(text in "[^\\p{Cc}]{0,40}") {
            let encoded = text.bytes().fold(String::new(), |encoded, byte| format!("{encoded}%{byte:02X}"));
            let decoded = decode(&encoded);
            prop_assert_eq!(decoded.as_deref(), Some(text.as_str()));
        }

        #[test]
        fn no_path_makes_the_router_fail(path in "(/|v2|blobs|uploads|tags|list|manifests|referrers|[a-z%.]{0,3}){0,12}") {
            let _ = decode(&path).map(|path| Route::parse(&path).map(|route| route.methods()));
        }
    }
}
