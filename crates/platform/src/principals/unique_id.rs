//! The ids of identities, as `aws:userid` and `GetCallerIdentity` name them.

use ecru_model::identity::Identity;
use ecru_model::{Caller, Digest};

/// The letters and digits of AWS's ids.
pub(super) const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const CHARACTERS: usize = 17;

/// A role or a user has an id that follows from its ARN, so that it needs no row. A root has the id of its account.
pub fn unique_id(caller: &Caller) -> String {
    if let Some(session) = &caller.session {
        return session.user_id.clone();
    }
    let Some(identity) = caller.arn().and_then(Identity::parse) else {
        return caller.name().to_owned();
    };
    let account = identity.account();
    match (identity.kind, identity.role()) {
        ("assumed-role", Some(role)) => format!("{}:{}", of_role(&role), identity.name()),
        (_, Some(role)) => of_role(&role),
        ("user", None) => with_prefix("AIDA", caller.name()),
        ("federated-user", None) => format!("{account}:{}", identity.name()),
        _ => account.to_owned(),
    }
}

/// The id of a role, by its ARN without its path.
fn of_role(arn: &str) -> String {
    with_prefix("AROA", arn)
}

fn with_prefix(prefix: &str, arn: &str) -> String {
    let digest = Digest::of(arn.as_bytes());
    let bytes = digest.as_bytes().iter().take(CHARACTERS);
    format!("{prefix}{}", characters(bytes))
}

/// A character for each byte.
pub(super) fn characters<'a>(bytes: impl Iterator<Item = &'a u8>) -> String {
    let characters = bytes.filter_map(|byte| ALPHABET.get(usize::from(byte % 32)).copied());
    characters.map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use ecru_model::RegistryId;

    use super::*;

    fn id(arn: &str) -> String {
        let account = RegistryId::parse("111122223333").unwrap();
        unique_id(&Caller::identity(account, arn.to_owned()))
    }

    #[test]
    fn a_session_has_the_id_of_its_role() {
        let role = id("arn:aws:iam::111122223333:role/team/ci");
        assert!(role.starts_with("AROA") && role.len() == 21, "{role}");
        let session = id("arn:aws:sts::111122223333:assumed-role/ci/one");
        assert_eq!(session, format!("{role}:one"));
    }

    #[test]
    fn users_and_roots_have_ids_of_their_own() {
        assert_eq!(id("arn:aws:iam::111122223333:root"), "111122223333");
        assert_eq!(
            id("arn:aws:sts::111122223333:federated-user/bob"),
            "111122223333:bob"
        );
        let alice = id("arn:aws:iam::111122223333:user/alice");
        assert!(alice.starts_with("AIDA") && alice.len() == 21, "{alice}");
        assert_ne!(alice, id("arn:aws:iam::111122223333:user/bob"));
    }
}
