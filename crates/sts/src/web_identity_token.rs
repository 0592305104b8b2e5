//! The claims of a web identity token: a JSON Web Token of an OpenID Connect provider.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ecru_model::Timestamp;
use serde::Deserialize;

use crate::Error;
use crate::error::refused;
use crate::generated::error_code::ErrorCode;

/// What a session takes from its token.
#[derive(Debug, Deserialize, PartialEq)]
pub(crate) struct Claims {
    #[serde(rename = "sub")]
    pub(crate) subject: String,
    #[serde(rename = "iss")]
    pub(crate) issuer: String,
    #[serde(rename = "aud")]
    audience: Audience,
    #[serde(rename = "exp")]
    expires_at_seconds: f64,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Claims {
    /// Reads a token. Its signature is not verified, as no request is.
    pub(crate) fn read(token: &str, now: Timestamp) -> Result<Self, Error> {
        let claims = Self::parse(token).ok_or_else(|| {
            refused(
                ErrorCode::InvalidIdentityTokenException,
                "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)",
            )
        })?;
        let now_seconds = now.as_millis() / 1_000;
        #[expect(
            clippy::cast_precision_loss,
            reason = "times of tokens are far below 2^53 seconds"
        )]
        if claims.expires_at_seconds <= now_seconds as f64 {
            return Err(refused(
                ErrorCode::ExpiredTokenException,
                format!(
                    "Token expired: current date/time {now_seconds} must be before the expiration date/time {}",
                    claims.expires_at_seconds
                ),
            ));
        }
        Ok(claims)
    }

    fn parse(token: &str) -> Option<Self> {
        let mut parts = token.split('.');
        let (_header, payload, _signature) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?).ok()
    }

    pub(crate) fn audience(&self) -> &str {
        match &self.audience {
            Audience::One(audience) => audience,
            Audience::Several(audiences) => audiences.first().map_or("", String::as_str),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(claims: &str) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
    }

    fn code(token: &str) -> Result<Claims, &'static str> {
        Claims::read(token, Timestamp::from_millis(1_000_000)).map_err(|error| error.code.name)
    }

    #[test]
    fn the_claims_name_subject_issuer_and_audience() {
        let claims =
            r#"{"sub": "repo:a", "iss": "https://issuer.test", "aud": ["sts.amazonaws.com"], "exp": 1001}"#;
        let claims = code(&token(claims)).unwrap();
        assert_eq!(
            (claims.subject.as_str(), claims.issuer.as_str()),
            ("repo:a", "https://issuer.test")
        );
        assert_eq!(claims.audience(), "sts.amazonaws.com");
    }

    #[test]
    fn an_expired_token_and_other_texts_are_refused() {
        let expired = r#"{"sub": "a", "iss": "b", "aud": "c", "exp": 1000}"#;
        assert_eq!(code(&token(expired)), Err("ExpiredTokenException"));
        for text in [
            "",
            "a.b.c",
            "e30.e30.",
            "e30.e30",
            &format!("{}.x", token(expired)),
        ] {
            assert_eq!(code(text), Err("InvalidIdentityToken"), "{text}");
        }
    }
}
