//! The caller of an operation.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::{RegistryId, Scope};

/// A principal, or a service that acts for an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The account of the principal, or the account that the service acts for.
    pub registry_id: RegistryId,
    pub kind: CallerKind,
    /// `None` for a caller with permanent credentials.
    pub session: Option<Arc<Session>>,
}

/// The kind of a caller. Only the program names a service: no text of a request or a row can become one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallerKind {
    /// A root, a user, a role or a session, by its ARN.
    Identity(String),
    /// A service of AWS, such as `lambda.amazonaws.com`.
    Service(&'static str),
}

/// Temporary credentials, and what was given with the request for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Session {
    pub access_key_id: String,
    /// As `aws:userid` and `GetCallerIdentity` name it.
    pub user_id: String,
    pub details: SessionDetails,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionDetails {
    pub policy: Option<String>,
    pub policy_arns: Vec<String>,
    pub tags: BTreeMap<String, String>,
    pub transitive_tag_keys: Vec<String>,
    pub source_identity: Option<String>,
}

impl Caller {
    pub fn identity(registry_id: RegistryId, arn: String) -> Self {
        Self {
            registry_id,
            kind: CallerKind::Identity(arn),
            session: None,
        }
    }

    /// A service that acts for an account.
    pub fn service(registry_id: RegistryId, name: &'static str) -> Self {
        Self {
            registry_id,
            kind: CallerKind::Service(name),
            session: None,
        }
    }

    /// An account as a whole, in the partition of the scope's region.
    pub fn root(scope: &Scope) -> Self {
        Self::identity(scope.registry_id.clone(), scope.iam_arn("root"))
    }

    #[must_use]
    pub fn with_session(self, session: Session) -> Self {
        Self {
            session: Some(Arc::new(session)),
            ..self
        }
    }

    /// The name in error messages: an ARN, or the name of a service.
    pub fn name(&self) -> &str {
        match &self.kind {
            CallerKind::Identity(arn) => arn,
            CallerKind::Service(name) => name,
        }
    }

    /// The ARN. `None` for a service.
    pub fn arn(&self) -> Option<&str> {
        match &self.kind {
            CallerKind::Identity(arn) => Some(arn),
            CallerKind::Service(_) => None,
        }
    }
}
