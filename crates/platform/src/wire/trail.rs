//! The place of the value that is being read, and the errors found so far.
//!
//! A value of the wrong type makes the whole input unreadable, so it is reported before any broken
//! constraint. Within each kind, errors keep the order of the model, so reading continues after a broken
//! constraint.

use std::fmt::{self, Write as _};

use crate::wire::{Code, OperationFacts, Refused, ServiceError, Violations};

/// The maximum number of broken constraints that one message describes.
const DESCRIBED_MAX: usize = 16;

#[derive(Default)]
pub struct Trail {
    violations: Violations,
    path: Vec<Step>,
    /// The reason for the whole list if one of its plain elements breaks a rule.
    pub(crate) element_reason: Option<&'static str>,
    unreadable: Option<&'static str>,
    broken: Vec<Broken>,
    broken_count: usize,
}

/// One step from the input to a value in it.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    Member(&'static str),
    /// The number of an element, counted from one.
    Element(usize),
}

struct Broken {
    path: String,
    reason: &'static str,
    value: Option<String>,
}

impl Trail {
    pub fn new(violations: Violations) -> Self {
        Self {
            violations,
            ..Self::default()
        }
    }

    pub(crate) fn push(&mut self, step: Step) {
        self.path.push(step);
    }

    pub(crate) fn pop(&mut self) {
        self.path.pop();
    }

    /// Records that a value has the wrong type. The message describes the type.
    pub fn wrong_type<T>(&mut self, message: &'static str) -> Result<T, Refused> {
        self.unreadable.get_or_insert(message);
        Err(Refused)
    }

    /// Records that the value at the current place is absent.
    pub(crate) fn null<T>(&mut self, reason: &'static str) -> Result<T, Refused> {
        self.note(self.path.len(), reason, None)
    }

    /// Records that the value at the current place breaks a rule.
    pub(crate) fn broken<T>(&mut self, reason: &'static str, value: Option<&str>) -> Result<T, Refused> {
        match (self.element_reason, self.path.as_slice()) {
            (Some(reason), [list @ .., Step::Element(_)]) => {
                let list = list.len();
                self.note(list, reason, value.map(|value| format!("[{value}]")))
            }
            (_, path) => {
                let depth = path.len();
                self.note(depth, reason, value.map(str::to_owned))
            }
        }
    }

    fn note<T>(&mut self, depth: usize, reason: &'static str, value: Option<String>) -> Result<T, Refused> {
        self.broken_count += 1;
        let described_max = match self.violations {
            Violations::First => 1,
            Violations::Counted => DESCRIBED_MAX,
        };
        if self.broken.len() < described_max {
            let path = spell(self.path.iter().take(depth));
            self.broken.push(Broken { path, reason, value });
        }
        Err(Refused)
    }

    /// The error to report. `None` if nothing was recorded.
    pub fn into_error(self, operation: &OperationFacts, unreadable: &'static Code) -> Option<ServiceError> {
        if let Some(message) = self.unreadable {
            return Some(ServiceError::new(unreadable, message));
        }
        let first = self.broken.first()?;
        let message = match self.violations {
            Violations::First => format!(
                "Invalid parameter at '{}' failed to satisfy constraint: '{}'",
                first.path, first.reason
            ),
            Violations::Counted => {
                let errors = if self.broken_count == 1 { "error" } else { "errors" };
                let all = self.broken.iter().map(Broken::sentence).collect::<Vec<_>>();
                let count = self.broken_count;
                format!("{count} validation {errors} detected: {}", all.join("; "))
            }
        };
        Some(ServiceError::new(operation.violation, message))
    }
}

impl Broken {
    fn sentence(&self) -> String {
        let (path, reason) = (&self.path, self.reason);
        match &self.value {
            Some(value) => format!("Value '{value}' at '{path}' failed to satisfy constraint: {reason}"),
            None => format!("Value null at '{path}' failed to satisfy constraint: {reason}"),
        }
    }
}

fn spell<'a>(path: impl Iterator<Item = &'a Step>) -> String {
    let mut spelled = String::new();
    for (at, step) in path.enumerate() {
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

    const VIOLATION: Code = Code::new("ValidationError", 400);
    const UNREADABLE: Code = Code::new("Unreadable", 400);

    fn message(trail: Trail) -> Option<String> {
        let operation = OperationFacts::new("Do", &VIOLATION);
        let error = trail.into_error(&operation, &UNREADABLE);
        error.map(|error| error.to_string())
    }

    #[test]
    fn elements_are_counted_from_one_and_called_member() {
        let path = [Step::Member("tags"), Step::Element(2), Step::Member("key")];
        assert_eq!(spell(path.iter()), "tags.2.member.key");
        assert_eq!(spell([].iter()), "");
    }

    #[test]
    fn an_input_without_faults_has_no_error() {
        assert_eq!(message(Trail::new(Violations::Counted)), None);
    }

    #[test]
    fn a_service_describes_all_broken_constraints_or_the_first() {
        let broken = |violations| {
            let mut trail = Trail::new(violations);
            trail.push(Step::Member("roleArn"));
            trail.broken::<()>("too short", Some("x")).unwrap_err();
            trail.null::<()>("must not be null").unwrap_err();
            message(trail).unwrap()
        };
        assert_eq!(
            broken(Violations::Counted),
            "ValidationError: 2 validation errors detected: Value 'x' at 'roleArn' failed to satisfy constraint: too short; \
             Value null at 'roleArn' failed to satisfy constraint: must not be null"
        );
        assert_eq!(
            broken(Violations::First),
            "ValidationError: Invalid parameter at 'roleArn' failed to satisfy constraint: 'too short'"
        );
    }

    #[test]
    fn a_value_of_the_wrong_type_comes_before_broken_constraints() {
        let mut trail = Trail::new(Violations::Counted);
        trail.broken::<()>("too short", None).unwrap_err();
        trail.wrong_type::<()>("no text").unwrap_err();
        trail.wrong_type::<()>("no number").unwrap_err();
        assert_eq!(message(trail).unwrap(), "Unreadable: no text");
    }

    #[test]
    fn no_more_than_a_few_broken_constraints_are_described() {
        let mut trail = Trail::new(Violations::Counted);
        for _ in 0..100 {
            trail.broken::<()>("bad", None).unwrap_err();
        }
        let message = message(trail).unwrap();
        assert!(message.starts_with("ValidationError: 100 validation errors detected: "));
        assert_eq!(message.matches("bad").count(), DESCRIBED_MAX);
    }
}
