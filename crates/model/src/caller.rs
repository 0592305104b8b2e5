//! Who asks.

use crate::{RegistryId, Scope};

/// An identity, or a service that acts for an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The account of an identity, or the one that a service acts for.
    pub registry_id: RegistryId,
    pub kind: CallerKind,
}

/// What a caller is. A service is named by the program alone: no text of a request or of a row can become one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallerKind {
    /// A root, a user, a role or a session, by its ARN.
    Identity(String),
    /// A service of AWS, such as `lambda.amazonaws.com`.
    Service(&'static str),
}

impl Caller {
    pub fn identity(registry_id: RegistryId, arn: String) -> Self {
        let kind = CallerKind::Identity(arn);
        Self { registry_id, kind }
    }

    /// An account as a whole, in the partition of the scope's region.
    pub fn root(scope: &Scope) -> Self {
        Self::identity(scope.registry_id.clone(), scope.iam_arn("root"))
    }

    /// As errors name it: an ARN, or the name of a service.
    pub fn name(&self) -> &str {
        match &self.kind {
            CallerKind::Identity(arn) => arn,
            CallerKind::Service(name) => name,
        }
    }

    /// None for a service.
    pub fn arn(&self) -> Option<&str> {
        match &self.kind {
            CallerKind::Identity(arn) => Some(arn),
            CallerKind::Service(_) => None,
        }
    }
}
