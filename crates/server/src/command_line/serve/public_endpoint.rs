//! The public address. Answers contain it instead of the address of the request.

use ecru_registry::{Endpoint, Scheme};

use crate::authority::Authority;

pub(super) fn parse(url: &str) -> Result<Endpoint, &'static str> {
    let (scheme, rest) = url
        .split_once("://")
        .ok_or("it must begin with `http://` or `https://`")?;
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "http" => Scheme::Http,
        "https" => Scheme::Https,
        _ => return Err("it must begin with `http://` or `https://`"),
    };
    let authority = Authority::parse(rest.strip_suffix('/').unwrap_or(rest))
        .ok_or("only a host and an optional port may follow the scheme")?;
    Ok(Endpoint {
        scheme,
        authority: authority.as_str().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_endpoint_is_scheme_and_authority() {
        let endpoint = parse("https://Registry.example:8443/").expect("an endpoint");
        assert_eq!(
            (endpoint.scheme, endpoint.authority.as_str()),
            (Scheme::Https, "registry.example:8443")
        );
        for bad in [
            "registry.example",
            "ftp://a",
            "http://",
            "http://a/b",
            "http://u@a",
            "http://a:b",
        ] {
            assert!(parse(bad).is_err(), "`{bad}`");
        }
    }
}
