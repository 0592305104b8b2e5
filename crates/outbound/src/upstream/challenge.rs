//! The authentication that a registry requires: parses the `WWW-Authenticate` header.

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    Basic,
    /// A token from `realm`.
    Bearer {
        realm: String,
        service: Option<String>,
        scope: Option<String>,
    },
}

impl Challenge {
    /// Returns a token challenge if there is one among the challenges.
    pub(super) fn of<'a>(headers: impl Iterator<Item = &'a str>) -> Option<Self> {
        let mut basic = None;
        for header in headers {
            match Self::parse(header) {
                Some(Self::Basic) => basic = Some(Self::Basic),
                Some(bearer) => return Some(bearer),
                None => {}
            }
        }
        basic
    }

    fn parse(header: &str) -> Option<Self> {
        let (scheme, rest) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let (mut realm, mut service, mut scope) = (None, None, None);
        let mut rest = rest;
        while let Some((name, value, after)) = parameter(rest) {
            match name.to_ascii_lowercase().as_str() {
                "realm" => realm = Some(value),
                "service" => service = Some(value),
                "scope" => scope = Some(value),
                _ => {}
            }
            rest = after;
        }
        Some(Self::Bearer {
            realm: realm?,
            service,
            scope,
        })
    }
}

/// Parses one `name=value`, with or without quotes, and returns the rest.
fn parameter(text: &str) -> Option<(&str, String, &str)> {
    let text = text.trim_start_matches([' ', '\t', ',']);
    let (name, value) = text.split_once('=')?;
    let Some(quoted) = value.strip_prefix('"') else {
        let end = value.find(',').unwrap_or(value.len());
        let (value, after) = value.split_at_checked(end)?;
        return Some((name.trim(), value.trim().to_owned(), after));
    };
    let mut read = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((name.trim(), read, quoted.get(at + 1..)?)),
            '\\' => read.push(characters.next()?.1),
            other => read.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Challenge {
        Challenge::Bearer {
            realm: realm.to_owned(),
            service: service.map(str::to_owned),
            scope: scope.map(str::to_owned),
        }
    }

    #[test]
    fn challenges_are_read_as_registries_write_them() {
        let cases = [
            (
                r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#,
                Some(bearer(
                    "https://auth.docker.io/token",
                    Some("registry.docker.io"),
                    Some("repository:a/b:pull,push"),
                )),
            ),
            (
                "bearer realm=https://a/t, service=x",
                Some(bearer("https://a/t", Some("x"), None)),
            ),
            (r#"Bearer  realm="a\"b""#, Some(bearer("a\"b", None, None))),
            (
                r#"Bearer realm="https://a/t",error="invalid_token""#,
                Some(bearer("https://a/t", None, None)),
            ),
            (r#"Basic realm="x""#, Some(Challenge::Basic)),
            ("Basic", Some(Challenge::Basic)),
            ("Bearer", None),
            (r#"Bearer realm="a"#, None),
            ("Negotiate", None),
            ("", None),
        ];
        for (header, expected) in cases {
            assert_eq!(Challenge::of([header].into_iter()), expected, "{header}");
        }
    }

    #[test]
    fn a_token_is_taken_where_both_are_offered() {
        let both = ["Basic realm=\"x\"", "Bearer realm=\"https://a/t\""];
        assert_eq!(
            Challenge::of(both.into_iter()),
            Some(bearer("https://a/t", None, None))
        );
    }
}
