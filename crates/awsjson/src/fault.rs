//! What is wrong with a body: a value of another JSON type, or a member that breaks a constraint of the model.

use std::fmt::{self, Write};

use ecru_model::{ErrorCode, Operation};
use ecru_registry::Error;

pub(crate) enum Fault {
    WrongType { message: &'static str },
    Constraint { path: String, reason: &'static str },
}

/// One step from the body to a value in it.
pub(crate) enum Step {
    Member(&'static str),
    /// Counted from one.
    Element(usize),
}

impl Fault {
    pub(crate) fn constraint(path: &[Step], reason: &'static str) -> Self {
        Self::Constraint {
            path: spell(path),
            reason,
        }
    }

    /// A body with a value of the wrong type is not read at all, so no constraint of it counts.
    pub(crate) fn gives_way_to(&self, later: &Self) -> bool {
        matches!((self, later), (Self::Constraint { .. }, Self::WrongType { .. }))
    }

    pub(crate) fn into_error(self, operation: Operation) -> Error {
        match self {
            Self::WrongType { message } => Error::new(ErrorCode::SerializationException, message),
            Self::Constraint { path, reason } => Error::new(
                parameter_error(operation),
                format!("Invalid parameter at '{path}' failed to satisfy constraint: '{reason}'"),
            ),
        }
    }
}

/// Newer operations know `ValidationException` too, and one of them nothing else.
fn parameter_error(operation: Operation) -> ErrorCode {
    let modelled = [
        ErrorCode::InvalidParameterException,
        ErrorCode::ValidationException,
    ];
    let known = modelled
        .into_iter()
        .find(|code| operation.errors().contains(code));
    known.unwrap_or(ErrorCode::InvalidParameterException)
}

fn spell(path: &[Step]) -> String {
    let mut spelled = String::new();
    for (at, step) in path.iter().enumerate() {
        let joint = if at == 0 { "" } else { "." };
        let written = write!(spelled, "{joint}{step}");
        assert!(written.is_ok(), "writing to memory does not fail");
    }
    spelled
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Member(name) => formatter.write_str(name),
            Self::Element(number) => write!(formatter, "{number}.member"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_counted_from_one_and_called_member() {
        let path = [Step::Member("tags"), Step::Element(2), Step::Member("key")];
        assert_eq!(spell(&path), "tags.2.member.key");
        assert_eq!(spell(&[]), "");
    }

    #[test]
    fn an_operation_without_the_older_code_answers_with_the_newer() {
        assert_eq!(
            parameter_error(Operation::CreateRepository),
            ErrorCode::InvalidParameterException
        );
        assert_eq!(
            parameter_error(Operation::PutLifecyclePolicy),
            ErrorCode::InvalidParameterException
        );
        assert_eq!(
            parameter_error(Operation::DeleteSigningConfiguration),
            ErrorCode::ValidationException
        );
    }
}
