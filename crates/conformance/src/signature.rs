//! Signs a request with SigV4, as every AWS service requires.

use std::fmt::Write as _;

use aws_lc_rs::{digest, hmac};
use jiff::Timestamp;

/// The credentials and the scope of a signature.
#[derive(Clone)]
pub(crate) struct Signer {
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
    pub(crate) session_token: Option<String>,
    pub(crate) region: String,
    pub(crate) service: String,
}

impl Signer {
    /// The headers to add to a `POST /` with the given headers and no query. Header names are lower-case and
    /// sorted.
    pub(crate) fn sign(
        &self,
        headers: &[(&'static str, String)],
        body: &[u8],
        now: Timestamp,
    ) -> Vec<(&'static str, String)> {
        let time = now.strftime("%Y%m%dT%H%M%SZ").to_string();
        let date = now.strftime("%Y%m%d").to_string();
        let mut added = vec![("x-amz-date", time.clone())];
        added.extend(
            self.session_token
                .clone()
                .map(|token| ("x-amz-security-token", token)),
        );

        let mut signed = headers.to_vec();
        signed.extend(added.iter().cloned());
        signed.sort_by_key(|(name, _)| *name);
        let names = signed.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
        let mut canonical = "POST\n/\n\n".to_owned();
        for (name, value) in &signed {
            canonical.extend([name, ":", value.trim(), "\n"]);
        }
        canonical.extend(["\n", &names, "\n", &hash(body)]);

        let scope = format!("{date}/{}/{}/aws4_request", self.region, self.service);
        let text = format!(
            "AWS4-HMAC-SHA256\n{time}\n{scope}\n{}",
            hash(canonical.as_bytes())
        );
        let signature = hex(self.key(&date, text.as_bytes()).as_ref());
        let key = &self.access_key_id;
        added.push((
            "authorization",
            format!(
                "AWS4-HMAC-SHA256 Credential={key}/{scope}, SignedHeaders={names}, Signature={signature}"
            ),
        ));
        added
    }

    fn key(&self, date: &str, text: &[u8]) -> hmac::Tag {
        let first = format!("AWS4{}", self.secret_access_key);
        let parts = [
            date.as_bytes(),
            self.region.as_bytes(),
            self.service.as_bytes(),
            b"aws4_request",
        ];
        let mut key = hmac::Key::new(hmac::HMAC_SHA256, first.as_bytes());
        for part in parts {
            key = hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, part).as_ref());
        }
        hmac::sign(&key, text)
    }
}

fn hash(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let written = write!(text, "{byte:02x}");
        debug_assert!(written.is_ok(), "writing to memory does not fail");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_what_the_suite_of_aws_gives_for_a_post() {
        let signer = Signer {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
            session_token: None,
            region: "us-east-1".to_owned(),
            service: "service".to_owned(),
        };
        let headers = [("host", "example.amazonaws.com".to_owned())];
        let now = "2015-08-30T12:36:00Z".parse().unwrap();
        let added = signer.sign(&headers, b"", now);
        assert_eq!(added[0], ("x-amz-date", "20150830T123600Z".to_owned()));
        assert_eq!(
            added[1].1,
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
             SignedHeaders=host;x-amz-date, \
             Signature=5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"
        );
    }
}
