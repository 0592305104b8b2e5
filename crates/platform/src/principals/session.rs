//! Sessions: temporary credentials of an identity.
//!
//! An access key id carries a MAC, so that only ids that were issued here are looked for. The secret key and the session token follow
//! from the id by a MAC too, so that neither is stored.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ecru_model::{Caller, RegistryId, Session, SessionDetails, Timestamp};
use ecru_store::{Row, StoreError, Tx, Value, stored};
use serde::{Deserialize, Serialize};

use super::unique_id::characters;
use super::{SessionExpiry, Unidentified};
use crate::jobs::schedule_everywhere;
use crate::mac::{Keys, Purpose};
use crate::{NoRandomness, Platform};

/// The prefix that AWS gives to ids of temporary access keys.
const PREFIX: &str = "ASIA";
/// Characters of five bits each: ten of them are random, and six authenticate these.
const RANDOM_CHARACTERS: usize = 10;
const TAG_CHARACTERS: usize = 6;
const SECRET_BYTES: usize = 30;

/// A session that is about to be issued.
#[derive(Clone, Debug)]
pub struct NewSession {
    pub caller: Caller,
    pub user_id: String,
    pub details: SessionDetails,
    pub expires_at: Timestamp,
}

/// The form of the details in their row.
#[derive(Serialize, Deserialize)]
#[serde(remote = "SessionDetails")]
struct StoredDetails {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    policy: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    policy_arns: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    tags: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    transitive_tag_keys: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source_identity: Option<String>,
}

/// What a client signs with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    pub access_key_id: String,
    pub secret_access_key: String,
    pub session_token: String,
}

/// Stores a session and returns its credentials. The session is known once the transaction commits.
pub async fn issue_session<E>(platform: &Platform, new: NewSession) -> Result<Credentials, E>
where
    E: From<StoreError> + From<NoRandomness> + Send + 'static,
{
    let credentials = credentials(&platform.keys, &platform.random.bytes()?);
    let access_key_id = credentials.access_key_id.clone();
    platform
        .store
        .write(move |tx| {
            save(tx, &access_key_id, &new)?;
            schedule_everywhere::<SessionExpiry>(tx)?;
            Ok::<_, E>(())
        })
        .await?;
    Ok(credentials)
}

fn credentials(keys: &Keys, random: &[u8; RANDOM_CHARACTERS]) -> Credentials {
    let random = characters(random.iter());
    let tag = keys.sign(Purpose::AccessKeyId, &[random.as_bytes()]);
    let tag = characters(tag.iter());
    let tag = tag.get(..TAG_CHARACTERS).unwrap_or_default();
    let access_key_id = format!("{PREFIX}{random}{tag}");
    let secret = keys.sign(Purpose::SecretAccessKey, &[access_key_id.as_bytes()]);
    let token = keys.sign(Purpose::SessionToken, &[access_key_id.as_bytes()]);
    let mut session_token = access_key_id.clone().into_bytes();
    session_token.extend_from_slice(&token);
    Credentials {
        secret_access_key: STANDARD.encode(secret.get(..SECRET_BYTES).unwrap_or(&secret)),
        session_token: STANDARD.encode(session_token),
        access_key_id,
    }
}

/// Whether the id was issued here.
fn is_ours(keys: &Keys, access_key_id: &str) -> bool {
    let Some((random, tag)) = access_key_id
        .strip_prefix(PREFIX)
        .filter(|rest| rest.len() == RANDOM_CHARACTERS + TAG_CHARACTERS)
        .and_then(|rest| rest.split_at_checked(RANDOM_CHARACTERS))
    else {
        return false;
    };
    keys.tags(Purpose::AccessKeyId, &[random.as_bytes()])
        .any(|own| characters(own.iter()).get(..TAG_CHARACTERS) == Some(tag))
}

/// The owner of an access key, with its session; none for a key that was not issued here.
pub(super) async fn find_current(
    platform: &Platform,
    access_key_id: &str,
) -> Result<Option<Caller>, Unidentified> {
    if !is_ours(&platform.keys, access_key_id) {
        return Ok(None);
    }
    let (caller, expires_at) = find(platform, access_key_id)
        .await?
        .ok_or(Unidentified::Unknown)?;
    if expires_at <= platform.clock.now() {
        return Err(Unidentified::Expired);
    }
    Ok(Some(caller))
}

/// The owner of an access key of a session, whether or not the session has expired.
pub async fn find_session(platform: &Platform, access_key_id: &str) -> Result<Option<Caller>, StoreError> {
    Ok(find(platform, access_key_id).await?.map(|(caller, _)| caller))
}

async fn find(platform: &Platform, access_key_id: &str) -> Result<Option<(Caller, Timestamp)>, StoreError> {
    platform
        .store
        .read(|at| {
            at.find(
                "SELECT account, arn, user_id, details, expires_at FROM sessions WHERE access_key_id = ?1",
                &[Value::Text(access_key_id)],
                |row| {
                    let expires_at = Timestamp::from_millis(row.integer(4)?);
                    Ok((from_row(row, access_key_id)?, expires_at))
                },
            )
        })
        .await
}

fn from_row(row: &Row<'_>, access_key_id: &str) -> Result<Caller, StoreError> {
    let registry_id = stored(RegistryId::parse(row.text(0)?))?;
    let mut details = serde_json::Deserializer::from_str(row.text(3)?);
    let session = Session {
        access_key_id: access_key_id.to_owned(),
        user_id: row.text(2)?.to_owned(),
        details: stored(StoredDetails::deserialize(&mut details))?,
    };
    Ok(Caller::identity(registry_id, row.text(1)?.to_owned()).with_session(session))
}

fn save(tx: &Tx<'_>, access_key_id: &str, new: &NewSession) -> Result<(), StoreError> {
    let mut details = serde_json::Serializer::new(Vec::new());
    stored(StoredDetails::serialize(&new.details, &mut details))?;
    let details = stored(String::from_utf8(details.into_inner()))?;
    tx.execute(
        "INSERT INTO sessions (access_key_id, account, arn, user_id, expires_at, details)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        &[
            Value::Text(access_key_id),
            Value::Text(new.caller.registry_id.as_str()),
            Value::Text(new.caller.name()),
            Value::Text(&new.user_id),
            Value::Integer(new.expires_at.as_millis()),
            Value::Text(&details),
        ],
    )?;
    Ok(())
}

/// Ends the sessions of one account, or of all accounts.
pub fn forget(tx: &Tx<'_>, account: Option<&str>) -> Result<(), StoreError> {
    tx.execute(
        "DELETE FROM sessions WHERE account = ?1 OR ?1 IS NULL",
        &[Value::from(account)],
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use ecru_model::Region;

    use super::*;
    use crate::platform::tests::platform;
    use crate::{Sender, ServiceError, Signed};

    async fn identify(platform: &Platform, access_key_id: &str) -> Result<Sender, Unidentified> {
        let signed = Signed {
            access_key_id: access_key_id.to_owned(),
            region: Region::parse("eu-west-1").unwrap(),
        };
        platform.identify(signed).await
    }

    fn new_session() -> NewSession {
        let account = RegistryId::parse("111122223333").unwrap();
        let arn = "arn:aws:sts::111122223333:assumed-role/ci/one".to_owned();
        NewSession {
            caller: Caller::identity(account, arn),
            user_id: "AROAEXAMPLE:one".to_owned(),
            details: SessionDetails {
                tags: BTreeMap::from([("team".to_owned(), "blue".to_owned())]),
                ..SessionDetails::default()
            },
            expires_at: Timestamp::from_millis(2_000),
        }
    }

    #[tokio::test]
    async fn a_session_is_found_by_its_key_until_it_expires() {
        let (platform, _directory) = platform();
        platform.clock.freeze(Timestamp::from_millis(1_000));
        let issued = issue_session::<ServiceError>(&platform, new_session())
            .await
            .unwrap();
        assert_eq!(issued.access_key_id.len(), 20);
        assert_eq!(issued.secret_access_key.len(), 40);

        let found = identify(&platform, &issued.access_key_id).await.unwrap();
        let session = found.caller.session.unwrap();
        assert_eq!(session.details, new_session().details);
        assert_eq!(session.user_id, "AROAEXAMPLE:one");
        assert_eq!(found.scope.to_string(), "111122223333/eu-west-1");
        platform.clock.advance(1_000);
        let expired = identify(&platform, &issued.access_key_id).await.unwrap_err();
        assert!(matches!(expired, Unidentified::Expired));
        assert!(
            find_session(&platform, &issued.access_key_id)
                .await
                .unwrap()
                .is_some()
        );

        platform.store.write(|tx| forget(tx, None)).await.unwrap();
        let unknown = identify(&platform, &issued.access_key_id).await.unwrap_err();
        assert!(matches!(unknown, Unidentified::Unknown));
    }

    #[tokio::test]
    async fn a_key_that_was_issued_elsewhere_means_the_default_account() {
        let (platform, _directory) = platform();
        for key in [
            "ASIAIOSFODNN7EXAMPLE",
            "ASIA",
            "ASIAÄÄÄÄÄÄÄÄ",
            "AKIAIOSFODNN7EXAMPLE",
            "test",
        ] {
            let found = identify(&platform, key).await.unwrap();
            assert_eq!(found.caller.name(), "arn:aws:iam::000000000000:root", "{key}");
        }
    }
}
