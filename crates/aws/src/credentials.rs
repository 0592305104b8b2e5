//! Finds the caller of a request from its SigV4 credentials, in a header or in the query. The signature is
//! not verified.

use std::borrow::Cow;

use ecru_model::Region;
use ecru_model::percent::decode;
use ecru_platform::{ServiceError, Signed};
use http::{HeaderMap, Uri, header};

use crate::codes::Codes;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const ACCESS_KEY_ID_BYTES_MAX: usize = 128;

/// Why a request does not count as signed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unsigned {
    /// The request has no signature.
    Missing,
    Incomplete(String),
}

impl Unsigned {
    pub(crate) fn into_error(self, codes: &'static Codes) -> ServiceError {
        match self {
            Self::Missing => ServiceError::new(&codes.unsigned, "Missing Authentication Token"),
            Self::Incomplete(message) => ServiceError::new(&codes.incomplete_signature, message),
        }
    }
}

pub(crate) fn find(headers: &HeaderMap, uri: &Uri) -> Result<Signed, Unsigned> {
    if let Some(header) = headers.get(header::AUTHORIZATION) {
        let text = header
            .to_str()
            .map_err(|_| incomplete("the Authorization header is not text"))?;
        return from_header(text);
    }
    match uri
        .query()
        .filter(|query| parameter(query, "X-Amz-Algorithm").is_some())
    {
        Some(query) => from_query(query),
        None => Err(Unsigned::Missing),
    }
}

/// The signing name of the service that a request is signed for.
pub(crate) fn service(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    let named = |credential: &str| credential.split('/').nth(3).map(str::to_owned);
    if let Some(header) = headers.get(header::AUTHORIZATION) {
        let fields = header.to_str().ok()?.strip_prefix(ALGORITHM)?;
        let mut pairs = fields.split(',').filter_map(|pair| pair.trim().split_once('='));
        return pairs.find_map(|(key, value)| (key == "Credential").then(|| named(value)))?;
    }
    named(&parameter(uri.query()?, "X-Amz-Credential")?)
}

fn from_header(text: &str) -> Result<Signed, Unsigned> {
    let Some(fields) = text
        .strip_prefix(ALGORITHM)
        .filter(|fields| fields.starts_with(' '))
    else {
        return Err(incomplete(
            "the Authorization header must begin with AWS4-HMAC-SHA256",
        ));
    };
    let field = |name: &str| {
        let mut pairs = fields.split(',').filter_map(|pair| pair.trim().split_once('='));
        pairs
            .find_map(|(key, value)| (key == name).then_some(value))
            .filter(|value| !value.is_empty())
    };
    let required = |name: &str| {
        field(name).ok_or_else(|| incomplete(format!("Authorization header requires '{name}' parameter.")))
    };
    let credential = required("Credential")?;
    required("SignedHeaders")?;
    required("Signature")?;
    from_credential(credential)
}

fn from_query(query: &str) -> Result<Signed, Unsigned> {
    let required = |name: &str| {
        parameter(query, name)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| incomplete(format!("AWS query-string parameters must include '{name}'.")))
    };
    if required("X-Amz-Algorithm")? != ALGORITHM {
        return Err(incomplete("X-Amz-Algorithm must be AWS4-HMAC-SHA256"));
    }
    let credential = required("X-Amz-Credential")?;
    required("X-Amz-SignedHeaders")?;
    required("X-Amz-Signature")?;
    from_credential(&credential)
}

fn from_credential(credential: &str) -> Result<Signed, Unsigned> {
    let mut elements = credential.split('/');
    let parts = [(); 5].map(|()| elements.next());
    let (
        [
            Some(access_key_id),
            Some(date),
            Some(region),
            Some(service),
            Some("aws4_request"),
        ],
        None,
    ) = (parts, elements.next())
    else {
        return Err(malformed_credential());
    };
    let dated = date.len() == 8 && date.bytes().all(|byte| byte.is_ascii_digit());
    if !is_access_key_id(access_key_id) || !dated || service.is_empty() {
        return Err(malformed_credential());
    }
    let region =
        Region::parse(region).map_err(|_| incomplete("Credential should be scoped to a valid region."))?;
    Ok(Signed {
        access_key_id: access_key_id.to_owned(),
        region,
    })
}

fn is_access_key_id(text: &str) -> bool {
    let regular = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    (1..=ACCESS_KEY_ID_BYTES_MAX).contains(&text.len()) && text.bytes().all(regular)
}

fn parameter<'a>(query: &'a str, name: &str) -> Option<Cow<'a, str>> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.find_map(|(key, value)| (key == name).then(|| decode(value)))?
}

fn malformed_credential() -> Unsigned {
    incomplete("Credential must be of the form <access key id>/<yyyymmdd>/<region>/<service>/aws4_request")
}

fn incomplete(message: impl Into<String>) -> Unsigned {
    Unsigned::Incomplete(message.into())
}

#[cfg(test)]
mod tests {
    use ecru_platform::wire::ProtocolName;
    use http::HeaderValue;

    use super::*;

    const SIGNED: &str = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20251121/eu-west-1/ecr/aws4_request, \
                          SignedHeaders=host;x-amz-date, Signature=00ff";

    #[track_caller]
    fn check(authorization: Option<&str>, uri: &str, expected: Result<(&str, &str), &str>) {
        let mut headers = HeaderMap::new();
        if let Some(text) = authorization {
            headers.insert(header::AUTHORIZATION, HeaderValue::from_str(text).unwrap());
        }
        let found = find(&headers, &uri.parse().unwrap());
        let found = found
            .map(|it| (it.access_key_id, it.region.to_string()))
            .map_err(|unsigned| {
                unsigned
                    .into_error(crate::codes::of(ProtocolName::Json))
                    .code
                    .name
            });
        assert_eq!(
            found,
            expected.map(|(key, region)| (key.to_owned(), region.to_owned()))
        );
    }

    #[test]
    fn a_header_gives_key_and_region() {
        check(Some(SIGNED), "/", Ok(("AKIDEXAMPLE", "eu-west-1")));
        check(
            Some(&SIGNED.replace(", ", ",")),
            "/",
            Ok(("AKIDEXAMPLE", "eu-west-1")),
        );
        check(
            Some(&SIGNED.replace("AKIDEXAMPLE", "123456789012")),
            "/",
            Ok(("123456789012", "eu-west-1")),
        );
    }

    #[test]
    fn a_presigned_query_gives_key_and_region() {
        let query = "/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=test%2F20251121%2Fus-east-1%2Fecr%2faws4_request\
                     &X-Amz-SignedHeaders=host&X-Amz-Signature=00";
        check(None, query, Ok(("test", "us-east-1")));
        check(
            None,
            &query.replace("%2F", "%252F"),
            Err("IncompleteSignatureException"),
        );
        check(
            None,
            &query.replace("%2f", "%2"),
            Err("IncompleteSignatureException"),
        );
        check(
            None,
            &query.replace("&X-Amz-Signature=00", ""),
            Err("IncompleteSignatureException"),
        );
    }

    #[test]
    fn an_unsigned_request_is_told_apart_from_a_malformed_signature() {
        check(None, "/?a=b", Err("MissingAuthenticationTokenException"));
        let changes = [
            ("AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA256"),
            ("AWS4-HMAC-SHA256", "Basic"),
            ("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"),
            ("Signature=00ff", ""),
            ("Signature=00ff", "Signature="),
            ("SignedHeaders=host;x-amz-date, ", ""),
            ("Credential=", "credential="),
            ("eu-west-1", "EU"),
            ("eu-west-1", "eu/west"),
            ("eu-west-1", "."),
            ("20251121", "2025"),
            ("AKIDEXAMPLE", ""),
            ("AKIDEXAMPLE", "AKID EXAMPLE"),
            ("aws4_request", "aws4"),
        ];
        for (part, other) in changes {
            check(
                Some(&SIGNED.replacen(part, other, 1)),
                "/",
                Err("IncompleteSignatureException"),
            );
        }
    }
}
