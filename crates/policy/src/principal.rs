//! The principals of a statement, and the identities of a caller.

use ecru_model::{Caller, CallerKind, Identity, RegistryId};
use serde_json::Value;

use crate::grammar::{Grammar, Listed, texts};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    Everyone,
    /// An account as a whole, in any of its notations.
    Account(String),
    /// A user, a role or a session. Roles are kept without their path, because sessions have none.
    Arn(String),
    Service(String),
    /// A principal from another identity provider. No caller here is one.
    Foreign,
}

impl Principal {
    pub(crate) fn read(value: &Value, grammar: Grammar) -> Option<Vec<Self>> {
        match value {
            Value::String(text) => (text == "*").then(|| vec![Self::Everyone]),
            Value::Object(kinds) if !kinds.is_empty() => {
                let mut principals = Vec::new();
                for (kind, who) in kinds {
                    for text in texts(who)? {
                        principals.push(Self::of(kind, &text, grammar)?);
                    }
                }
                Some(principals)
            }
            _ => None,
        }
    }

    fn of(kind: &str, text: &str, grammar: Grammar) -> Option<Self> {
        let strict = grammar.is_strict();
        match kind {
            "AWS" if text == "*" => Some(Self::Everyone),
            "AWS" if RegistryId::parse(text).is_ok() => Some(Self::Account(text.to_owned())),
            "AWS" if !grammar.takes_principal(text) => None,
            "AWS" => Self::of_arn(text),
            "Service" if strict && !is_service_name(text) => None,
            "Service" if !text.is_empty() => Some(Self::Service(text.to_owned())),
            "Federated" | "CanonicalUser" if !text.is_empty() => Some(Self::Foreign),
            _ => None,
        }
    }

    fn of_arn(arn: &str) -> Option<Self> {
        let identity = Identity::parse(arn)?;
        if identity.is_root() {
            return Some(Self::Account(identity.account().to_owned()));
        }
        let role = identity.role().filter(|_| identity.is_role());
        Some(Self::Arn(role.unwrap_or_else(|| arn.to_owned())))
    }
}

/// For example `lambda.amazonaws.com`, or `states.eu-west-1.amazonaws.com`.
fn is_service_name(text: &str) -> bool {
    let regular = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let mut labels = text.split('.');
    text.contains('.') && labels.all(|label| !label.is_empty() && label.bytes().all(regular))
}

/// All identities of a caller: a user is also its account, and a session also its role.
pub fn identities(caller: &Caller) -> Vec<Principal> {
    let arn = match &caller.kind {
        CallerKind::Identity(arn) => arn,
        CallerKind::Service(name) => return vec![Principal::Service((*name).to_owned())],
    };
    let Some(identity) = Identity::parse(arn) else {
        // No policy can name this identity, but `*` includes it.
        return vec![Principal::Arn(arn.clone())];
    };
    let mut identities = Vec::new();
    if !identity.is_root() && !identity.is_role() {
        identities.push(Principal::Arn(arn.clone()));
    }
    identities.extend(identity.role().map(Principal::Arn));
    identities.push(Principal::Account(identity.account().to_owned()));
    identities
}

/// The value of `aws:PrincipalArn` for an identity: for a session, its role.
pub(crate) fn principal_arn(arn: &str) -> String {
    Identity::parse(arn)
        .filter(|identity| !identity.is_role())
        .and_then(|session| session.role())
        .unwrap_or_else(|| arn.to_owned())
}

/// The value of `aws:PrincipalType` for an identity.
pub(crate) fn principal_type(arn: &str) -> &'static str {
    match Identity::parse(arn).map(|identity| identity.kind) {
        Some("root") => "Account",
        Some("user") => "User",
        Some("assumed-role" | "role") => "AssumedRole",
        Some("federated-user") => "FederatedUser",
        _ => "Anonymous",
    }
}

/// The name of a user, which is the value of `aws:username`.
pub(crate) fn user_name(arn: &str) -> Option<&str> {
    let identity = Identity::parse(arn)?;
    (identity.kind == "user").then(|| identity.name())
}

pub fn is_root(caller: &Caller) -> bool {
    let identity = caller.arn().and_then(Identity::parse);
    identity.is_some_and(|identity| identity.is_root())
}

impl Listed<Principal> {
    /// `NotPrincipal` must list every identity of a caller: a denial that excludes a user but not its account
    /// denies the user too.
    pub(crate) fn covers(&self, identities: &[Principal]) -> bool {
        let named = |listed: &[Principal], identity: &Principal| {
            listed.contains(&Principal::Everyone) || listed.contains(identity)
        };
        match self {
            Self::These(listed) => identities.iter().any(|identity| named(listed, identity)),
            Self::AllBut(listed) => !identities.iter().all(|identity| named(listed, identity)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Incoming;

    const ROOT: &str = "arn:aws:iam::111122223333:root";
    const USER: &str = "arn:aws:iam::111122223333:user/team/ann";
    const ROLE: &str = "arn:aws:iam::111122223333:role/service-role/build";
    const SESSION: &str = "arn:aws:sts::111122223333:assumed-role/build/run-7";
    const LAMBDA: &str = "lambda.amazonaws.com";
    const INCOMING: Grammar = Grammar::Incoming(Incoming {
        takes_resources: false,
        partition: "aws",
    });

    fn identity(text: &str) -> Caller {
        Caller::identity(RegistryId::parse("111122223333").unwrap(), text.to_owned())
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "a case reads best with its value in place"
    )]
    #[track_caller]
    fn check(listed: Value, callers: &[&str]) {
        let principals = Principal::read(&listed, INCOMING).expect("principals");
        let (these, all_but) = (Listed::These(principals.clone()), Listed::AllBut(principals));
        for principal in [ROOT, USER, ROLE, SESSION, LAMBDA] {
            let caller = match principal {
                LAMBDA => Caller::service(RegistryId::parse("111122223333").unwrap(), LAMBDA),
                arn => identity(arn),
            };
            let identities = identities(&caller);
            let expected = callers.contains(&principal);
            assert_eq!(these.covers(&identities), expected, "{listed} and {principal}");
            // With one identity, the opposite member gives the opposite result.
            if identities.len() == 1 {
                assert_eq!(all_but.covers(&identities), !expected, "{listed} and {principal}");
            }
        }
    }

    #[test]
    fn a_caller_is_named_by_itself_its_role_or_its_account() {
        let account = [ROOT, USER, ROLE, SESSION];
        check(json!("*"), &[ROOT, USER, ROLE, SESSION, LAMBDA]);
        check(json!({ "AWS": "111122223333" }), &account);
        check(json!({ "AWS": ["444455556666", ROOT] }), &account);
        check(json!({ "AWS": "444455556666" }), &[]);
        check(json!({ "AWS": USER }), &[USER]);
        check(json!({ "AWS": ROLE }), &[ROLE, SESSION]);
        check(json!({ "AWS": SESSION }), &[SESSION]);
        check(
            json!({ "AWS": "arn:aws:sts::111122223333:assumed-role/build/run-8" }),
            &[],
        );
        check(json!({ "Service": LAMBDA }), &[LAMBDA]);
        check(json!({ "Service": "ecs.amazonaws.com", "AWS": USER }), &[USER]);
        check(json!({ "Federated": "accounts.example" }), &[]);
    }

    #[test]
    fn an_exception_needs_all_that_a_caller_is() {
        let caller = |principal: &str| identities(&identity(principal));
        let but = |who: Value| {
            Listed::AllBut(Principal::read(&json!({ "AWS": who }), INCOMING).expect("principals"))
        };
        assert!(but(json!(USER)).covers(&caller(USER)));
        assert!(!but(json!([USER, ROOT])).covers(&caller(USER)));
        assert!(but(json!([USER, ROOT])).covers(&caller(ROLE)));
        assert!(!but(json!([SESSION, ROLE, ROOT])).covers(&caller(SESSION)));
        assert!(but(json!([SESSION, ROOT])).covers(&caller(SESSION)));
    }

    #[test]
    fn whoever_cannot_be_anybody_is_refused() {
        for value in [
            json!("123456789012"),
            json!({}),
            json!([]),
            json!({ "AWS": [] }),
            json!({ "AWS": "not an arn" }),
            json!({ "AWS": "arn:aws:s3:::bucket" }),
            json!({ "AWS": "arn:aws:iam::12:root" }),
            json!({ "AWS": "arn:aws:iam::123456789012:" }),
            json!({ "Somebody": "*" }),
            json!({ "Service": "" }),
        ] {
            assert_eq!(Principal::read(&value, INCOMING), None, "{value}");
            assert_eq!(Principal::read(&value, Grammar::Stored), None, "{value}");
        }
    }

    #[test]
    fn no_text_of_an_identity_becomes_a_service_or_an_account() {
        let listed = json!({ "Service": LAMBDA, "AWS": ["111122223333", ROLE] });
        let principals = Principal::read(&listed, INCOMING).expect("principals");
        for text in [LAMBDA, "", "*", "111122223333", "arn:aws:iam::1:role/build"] {
            let identities = identities(&identity(text));
            assert!(!Listed::These(principals.clone()).covers(&identities), "{text}");
            assert!(Listed::AllBut(principals.clone()).covers(&identities), "{text}");
            assert!(
                Listed::These(vec![Principal::Everyone]).covers(&identities),
                "{text}"
            );
        }
    }

    #[test]
    fn keys_of_a_caller_say_who_it_is() {
        assert_eq!(principal_arn(SESSION), "arn:aws:iam::111122223333:role/build");
        assert_eq!(principal_arn(USER), USER);
        assert_eq!(principal_type(ROOT), "Account");
        assert_eq!(principal_type(SESSION), "AssumedRole");
        assert_eq!(user_name(USER), Some("ann"));
        assert_eq!(user_name(ROOT), None);
        assert!(is_root(&identity(ROOT)) && !is_root(&identity(USER)));
    }
}
