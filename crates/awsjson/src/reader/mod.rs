//! Reads a body into an input that cannot be invalid, and says which member broke which rule.
//!
//! A value of the wrong JSON type makes the whole body unreadable, so it is reported before any broken constraint;
//! of each sort the first in the model's order counts. Reading therefore goes on behind a broken constraint.

use base64::{Engine, prelude::BASE64_STANDARD};
use ecru_model::{ErrorCode, Operation, Violation};
use ecru_registry::Error;
use serde_json::{Map, Number, Value};

use crate::{
    body,
    document::{DECODED, Document},
    fault::{Fault, Step},
};

/// Bodies from this size are read away from the threads that serve others.
const INLINE_BYTES_MAX: usize = 64 * 1024;

type Parse<T> = fn(&mut Reader, Value) -> Result<T, Refused>;

pub(crate) async fn read<T: Send + 'static>(
    operation: Operation,
    document: Document,
    parse: Parse<T>,
) -> Result<T, Error> {
    if document.text.len() <= INLINE_BYTES_MAX {
        return read_here(operation, document, parse);
    }
    let reading = tokio::task::spawn_blocking(move || read_here(operation, document, parse));
    reading
        .await
        .map_err(|cause| Error::new(ErrorCode::InternalFailure, "a body was not read").caused_by(cause))?
}

fn read_here<T>(operation: Operation, mut document: Document, parse: Parse<T>) -> Result<T, Error> {
    let value = body::parse(&document.text)?;
    let mut reader = Reader {
        blob_start: document.take_blob_start(),
        ..Reader::default()
    };
    // A large text and what is made of it need not be held together.
    drop(document);
    let input = parse(&mut reader, value);
    match (reader.fault, input) {
        (Some(fault), _) => Err(fault.into_error(operation)),
        (None, Ok(input)) => Ok(input),
        (None, Err(Refused)) => Err(Error::new(
            ErrorCode::InternalFailure,
            "a body was refused without a reason",
        )),
    }
}

/// The value is not what it should be; why stands in the reader.
#[derive(Debug)]
pub(crate) struct Refused;

/// A member's name in JSON and in the sentences of errors.
#[derive(Clone, Copy)]
pub(crate) struct Member {
    name: &'static str,
    path: &'static str,
}

impl Member {
    pub(crate) const fn new(name: &'static str, path: &'static str) -> Self {
        Self { name, path }
    }
}

pub(crate) struct LengthRule {
    pub(crate) min: Option<(usize, &'static str)>,
    pub(crate) max: Option<(usize, &'static str)>,
}

pub(crate) struct ValueRule {
    pub(crate) min: Option<(i64, &'static str)>,
    pub(crate) max: Option<(i64, &'static str)>,
}

#[derive(Default)]
pub(crate) struct Reader {
    path: Vec<Step>,
    /// What is said of the whole list when an element of plain values breaks a rule.
    element_reason: Option<&'static str>,
    /// What was decoded of a blob while it arrived.
    blob_start: Option<Vec<u8>>,
    fault: Option<Fault>,
}

impl Reader {
    pub(crate) fn object(&mut self, value: Value) -> Result<Map<String, Value>, Refused> {
        match value {
            Value::Object(members) => Ok(members),
            Value::Array(_) => self.wrong_type("Start of list found where not expected"),
            _ => self.wrong_type("Unexpected field type"),
        }
    }

    pub(crate) fn optional<T>(
        &mut self,
        members: &mut Map<String, Value>,
        member: Member,
        parse: Parse<T>,
    ) -> Result<Option<T>, Refused> {
        match members.remove(member.name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => self
                .within(Step::Member(member.path), |reader| parse(reader, value))
                .map(Some),
        }
    }

    pub(crate) fn required<T>(
        &mut self,
        members: &mut Map<String, Value>,
        member: Member,
        null_reason: &'static str,
        parse: Parse<T>,
    ) -> Result<T, Refused> {
        let value = members.remove(member.name).unwrap_or(Value::Null);
        self.within(Step::Member(member.path), |reader| match value {
            Value::Null => reader.null(null_reason),
            value => parse(reader, value),
        })
    }

    pub(crate) fn list<T>(&mut self, value: Value, parse: Parse<T>) -> Result<Vec<T>, Refused> {
        let Value::Array(elements) = value else {
            return self.wrong_type("Expected list or null");
        };
        let mut list = Vec::with_capacity(elements.len());
        let mut refused = false;
        for (before, element) in elements.into_iter().enumerate() {
            let parsed = self.within(Step::Element(before + 1), |reader| match element {
                Value::Null => reader.null("Member must not be null"),
                element => parse(reader, element),
            });
            match parsed {
                Ok(element) => list.push(element),
                Err(Refused) => refused = true,
            }
        }
        if refused { Err(Refused) } else { Ok(list) }
    }

    /// A list of plain values: what one of them breaks is said of the list, all rules of an element at once.
    pub(crate) fn plain_list<T>(
        &mut self,
        value: Value,
        element_reason: &'static str,
        parse: Parse<T>,
    ) -> Result<Vec<T>, Refused> {
        self.element_reason = Some(element_reason);
        let list = self.list(value, parse);
        self.element_reason = None;
        list
    }

    pub(crate) fn text(&mut self, value: Value) -> Result<String, Refused> {
        match value {
            Value::String(text) => Ok(text),
            Value::Number(_) => self.wrong_type("NUMBER_VALUE can not be converted to a String"),
            Value::Bool(true) => self.wrong_type("TRUE_VALUE can not be converted to a String"),
            Value::Bool(false) => self.wrong_type("FALSE_VALUE can not be converted to a String"),
            value => self.nested_or_null(&value),
        }
    }

    pub(crate) fn boolean(&mut self, value: Value) -> Result<bool, Refused> {
        match value {
            Value::Bool(boolean) => Ok(boolean),
            Value::Number(_) => self.wrong_type("NUMBER_VALUE can not be converted to a Boolean"),
            Value::String(_) => self.wrong_type("STRING_VALUE can not be converted to a Boolean"),
            value => self.nested_or_null(&value),
        }
    }

    pub(crate) fn integer(&mut self, value: Value) -> Result<i32, Refused> {
        match self.number(value)?.as_i64().map(i32::try_from) {
            Some(Ok(number)) => Ok(number),
            _ => self.wrong_type("NUMBER_VALUE can not be converted to an Integer"),
        }
    }

    pub(crate) fn long(&mut self, value: Value) -> Result<i64, Refused> {
        match self.number(value)?.as_i64() {
            Some(number) => Ok(number),
            None => self.wrong_type("NUMBER_VALUE can not be converted to a Long"),
        }
    }

    fn number(&mut self, value: Value) -> Result<Number, Refused> {
        match value {
            Value::Number(number) => Ok(number),
            Value::String(_) => self.wrong_type("STRING_VALUE can not be converted to a Number"),
            Value::Bool(true) => self.wrong_type("TRUE_VALUE can not be converted to a Number"),
            Value::Bool(false) => self.wrong_type("FALSE_VALUE can not be converted to a Number"),
            value => self.nested_or_null(&value),
        }
    }

    pub(crate) fn blob(&mut self, value: Value) -> Result<Vec<u8>, Refused> {
        let text = self.text(value)?;
        let rest = text.strip_prefix(DECODED);
        let (mut bytes, rest) = rest
            .and_then(|rest| Some((self.blob_start.take()?, rest)))
            .unwrap_or((Vec::new(), &text));
        match BASE64_STANDARD.decode_vec(rest, &mut bytes) {
            Ok(()) => Ok(bytes),
            Err(_) => self.wrong_type("STRING_VALUE is not base64"),
        }
    }

    pub(crate) fn accept<T>(&mut self, checked: Result<T, Violation>) -> Result<T, Refused> {
        checked.or_else(|violation| self.broken(violation.reason()))
    }

    pub(crate) fn check_length(&mut self, length: usize, rule: &LengthRule) -> Result<(), Refused> {
        match (rule.min, rule.max) {
            (Some((min, reason)), _) if length < min => self.broken(reason),
            (_, Some((max, reason))) if length > max => self.broken(reason),
            _ => Ok(()),
        }
    }

    pub(crate) fn check_value(&mut self, number: i64, rule: &ValueRule) -> Result<(), Refused> {
        match (rule.min, rule.max) {
            (Some((min, reason)), _) if number < min => self.broken(reason),
            (_, Some((max, reason))) if number > max => self.broken(reason),
            _ => Ok(()),
        }
    }

    fn within<T>(
        &mut self,
        step: Step,
        read: impl FnOnce(&mut Self) -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        self.path.push(step);
        let result = read(self);
        self.path.pop();
        result
    }

    fn nested_or_null<T>(&mut self, value: &Value) -> Result<T, Refused> {
        self.wrong_type(match value {
            Value::Array(_) => "Start of list found where not expected",
            _ => "Start of structure or map found where not expected",
        })
    }

    /// A rule of the value at the present place is broken.
    fn broken<T>(&mut self, reason: &'static str) -> Result<T, Refused> {
        match (self.element_reason, self.path.as_slice()) {
            (Some(reason), [list @ .., Step::Element(_)]) => self.note(Fault::constraint(list, reason)),
            (_, path) => self.note(Fault::constraint(path, reason)),
        }
    }

    fn null<T>(&mut self, reason: &'static str) -> Result<T, Refused> {
        self.note(Fault::constraint(&self.path, reason))
    }

    fn wrong_type<T>(&mut self, message: &'static str) -> Result<T, Refused> {
        self.note(Fault::WrongType { message })
    }

    fn note<T>(&mut self, fault: Fault) -> Result<T, Refused> {
        if self.fault.as_ref().is_none_or(|noted| noted.gives_way_to(&fault)) {
            self.fault = Some(fault);
        }
        Err(Refused)
    }
}

#[cfg(test)]
mod tests;
