//! The credentials in the secret of a rule.

use ecru_model::{CredentialArn, ErrorCode, Scope};
use ecru_store::Snapshot;
use serde::Deserialize;

use super::Credentials;
use crate::ports::secret::Secret;
use crate::{Error, secrets};

/// Checks that the cache may read the secret, whatever its value.
pub(crate) fn check(at: &Snapshot<'_>, scope: &Scope, arn: &CredentialArn) -> Result<(), Error> {
    find(at, scope, arn).map(drop)
}

pub(super) fn load(at: &Snapshot<'_>, scope: &Scope, arn: &CredentialArn) -> Result<Credentials, Error> {
    let secret = find(at, scope, arn)?;
    read(&secret).ok_or_else(|| {
        // [unknown] ECR's wording. The cause is left out, because it may quote the value.
        Error::new(
            ErrorCode::UnableToAccessSecretException,
            "The secret is not a JSON object with a `username` and an `accessToken`.",
        )
    })
}

fn find(at: &Snapshot<'_>, scope: &Scope, arn: &CredentialArn) -> Result<Secret, Error> {
    if secrets::scope_of(arn.as_str()).as_ref() != Some(scope) {
        return Err(Error::new(
            ErrorCode::UnableToAccessSecretException,
            "The secret is unable to be accessed. Verify the resource permissions for the secret and try again.",
        ));
    }
    let found = secrets::find(at, arn.as_str())?.ok_or_else(|| {
        Error::new(
            ErrorCode::SecretNotFoundException,
            "The ARN of the secret specified in the pull through cache rule was not found. Update the pull through \
             cache rule with a valid secret ARN and try again.",
        )
    })?;
    if found.sealed {
        return Err(Error::new(
            ErrorCode::UnableToDecryptSecretValueException,
            "The secret is accessible but is unable to be decrypted. Verify the resource permissions and try again.",
        ));
    }
    Ok(found.value)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    username: String,
    access_token: String,
}

fn read(secret: &Secret) -> Option<Credentials> {
    let document = serde_json::from_str::<Document>(secret.reveal()).ok()?;
    // Refuses characters that a header cannot hold, and a colon in the user name.
    let regular = |text: &str| !text.is_empty() && !text.contains(|character: char| character.is_control());
    (regular(&document.username) && regular(&document.access_token) && !document.username.contains(':')).then(
        || Credentials {
            username: document.username,
            access_token: Secret::new(document.access_token),
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_a_name_and_a_token() {
        let cases = [
            (r#"{"username":"me","accessToken":"t"}"#, true),
            (r#"{"username":"me","accessToken":"t","more":1}"#, true),
            (r#"{"username":"me"}"#, false),
            (r#"{"username":"","accessToken":"t"}"#, false),
            (r#"{"username":"a:b","accessToken":"t"}"#, false),
            ("{\"username\":\"me\",\"accessToken\":\"t\\r\\nX: y\"}", false),
            ("me:t", false),
        ];
        for (text, good) in cases {
            assert_eq!(read(&Secret::new(text)).is_some(), good, "{text}");
        }
    }
}
