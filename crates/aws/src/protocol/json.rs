//! AWS JSON 1.0 and 1.1: reads a body into an input.

use base64::{Engine, prelude::BASE64_STANDARD};
use ecru_model::{Timestamp, json};
use ecru_platform::wire::{
    Fields, Member, OperationFacts, Parse, Protocol, ProtocolName, Refused, ServiceError, Trail,
};
use serde_json::{Map, Number, Value};

use crate::{
    body::VALUES_MAX,
    codes::{self, Codes},
    document::{DECODED, Document},
    protocol::{Given, INLINE_BYTES_MAX, JsonSink, Printed, read_sized},
};

pub(crate) struct Json;

impl Protocol for Json {
    const NAME: ProtocolName = ProtocolName::Json;

    type Given = Given;
    type Fields = JsonFields;
    type Sink = JsonSink;
    type Answer = Printed;

    async fn read<T: Send + 'static>(
        operation: &'static OperationFacts,
        given: Given,
        parse: Parse<JsonFields, T>,
    ) -> Result<T, ServiceError> {
        let document = given.document;
        // A small body is parsed here, without the cost of moving it into a closure.
        if document.text.len() <= INLINE_BYTES_MAX {
            return read_here(operation, document, parse);
        }
        let bytes = document.text.len();
        read_sized(bytes, move || read_here(operation, document, parse)).await
    }

    fn write<T>(operation: &'static OperationFacts, output: &T, print: fn(&mut JsonSink, &T)) -> Printed {
        if operation.answers_nothing {
            return Printed::ok(Vec::new());
        }
        let mut sink = JsonSink::new();
        print(&mut sink, output);
        Printed::ok(sink.finish())
    }
}

pub(crate) fn read_here<T>(
    operation: &'static OperationFacts,
    mut document: Document,
    parse: Parse<JsonFields, T>,
) -> Result<T, ServiceError> {
    let value = read_value(&document.text, codes::of(ProtocolName::Json))?;
    let mut fields = JsonFields {
        trail: Trail::new(operation.violations),
        blob_start: document.take_blob_start(),
    };
    // The input is built from the value alone, so a large text can be freed first.
    drop(document);
    let input = parse(&mut fields, value);
    finish(operation, fields.trail, input, codes::of(ProtocolName::Json))
}

/// Returns the input, or the error that the trail holds.
pub(crate) fn finish<T>(
    operation: &'static OperationFacts,
    trail: Trail,
    input: Result<T, Refused>,
    codes: &'static Codes,
) -> Result<T, ServiceError> {
    match (trail.into_error(operation, &codes.unreadable), input) {
        (Some(error), _) => Err(error),
        (None, Ok(input)) => Ok(input),
        (None, Err(Refused)) => Err(ServiceError::internal("a body was refused without a reason")),
    }
}

/// Parses `text` as a JSON value of bounded depth and size. An empty body is an object without members.
pub(crate) fn read_value(text: &[u8], codes: &'static Codes) -> Result<Value, ServiceError> {
    if text.is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    if json::nests_deeper_than(text, json::DEPTH_MAX) {
        return Err(codes.unreadable("the body is nested deeper than 64 levels"));
    }
    if json::holds_more_values_than(text, VALUES_MAX) {
        return Err(codes.unreadable("the body holds more than 20000 values"));
    }
    serde_json::from_slice(text).map_err(|cause| codes.unreadable("the body is not JSON").caused_by(cause))
}

#[derive(Default)]
pub(crate) struct JsonFields {
    pub(crate) trail: Trail,
    /// The bytes of a blob that were decoded while the body arrived.
    blob_start: Option<Vec<u8>>,
}

impl JsonFields {
    pub(crate) fn new(trail: Trail) -> Self {
        Self {
            trail,
            blob_start: None,
        }
    }

    fn number(&mut self, value: Value) -> Result<Number, Refused> {
        match value {
            Value::Number(number) => Ok(number),
            Value::String(_) => self
                .trail
                .wrong_type("STRING_VALUE can not be converted to a Number"),
            Value::Bool(true) => self
                .trail
                .wrong_type("TRUE_VALUE can not be converted to a Number"),
            Value::Bool(false) => self
                .trail
                .wrong_type("FALSE_VALUE can not be converted to a Number"),
            value => self.nested_or_null(&value),
        }
    }

    fn nested_or_null<T>(&mut self, value: &Value) -> Result<T, Refused> {
        self.trail.wrong_type(match value {
            Value::Array(_) => "Start of list found where not expected",
            _ => "Start of structure or map found where not expected",
        })
    }
}

impl Fields for JsonFields {
    type Value = Value;
    type Members = Map<String, Value>;

    #[inline]
    fn trail(&mut self) -> &mut Trail {
        &mut self.trail
    }

    #[inline]
    fn members(&mut self, value: Value) -> Result<Map<String, Value>, Refused> {
        match value {
            Value::Object(members) => Ok(members),
            Value::Array(_) => self.trail.wrong_type("Start of list found where not expected"),
            _ => self.trail.wrong_type("Unexpected field type"),
        }
    }

    #[inline]
    fn take(&mut self, members: &mut Map<String, Value>, member: &'static Member) -> Option<Value> {
        members.remove(member.name).filter(|value| !value.is_null())
    }

    fn elements(
        &mut self,
        value: Value,
    ) -> Result<impl ExactSizeIterator<Item = Option<Value>> + use<>, Refused> {
        let Value::Array(elements) = value else {
            return self.trail.wrong_type("Expected list or null");
        };
        let present = |element: Value| (!element.is_null()).then_some(element);
        Ok(elements.into_iter().map(present))
    }

    fn entries(&mut self, value: Value) -> Result<Vec<(String, Value)>, Refused> {
        let Value::Object(entries) = value else {
            return self.trail.wrong_type("Expected map or null");
        };
        Ok(entries.into_iter().collect())
    }

    #[inline]
    fn text(&mut self, value: Value) -> Result<String, Refused> {
        match value {
            Value::String(text) => Ok(text),
            Value::Number(_) => self
                .trail
                .wrong_type("NUMBER_VALUE can not be converted to a String"),
            Value::Bool(true) => self
                .trail
                .wrong_type("TRUE_VALUE can not be converted to a String"),
            Value::Bool(false) => self
                .trail
                .wrong_type("FALSE_VALUE can not be converted to a String"),
            value => self.nested_or_null(&value),
        }
    }

    #[inline]
    fn boolean(&mut self, value: Value) -> Result<bool, Refused> {
        match value {
            Value::Bool(boolean) => Ok(boolean),
            Value::Number(_) => self
                .trail
                .wrong_type("NUMBER_VALUE can not be converted to a Boolean"),
            Value::String(_) => self
                .trail
                .wrong_type("STRING_VALUE can not be converted to a Boolean"),
            value => self.nested_or_null(&value),
        }
    }

    #[inline]
    fn integer(&mut self, value: Value) -> Result<i32, Refused> {
        match self.number(value)?.as_i64().map(i32::try_from) {
            Some(Ok(number)) => Ok(number),
            _ => self
                .trail
                .wrong_type("NUMBER_VALUE can not be converted to an Integer"),
        }
    }

    #[inline]
    fn long(&mut self, value: Value) -> Result<i64, Refused> {
        match self.number(value)?.as_i64() {
            Some(number) => Ok(number),
            None => self
                .trail
                .wrong_type("NUMBER_VALUE can not be converted to a Long"),
        }
    }

    fn double(&mut self, value: Value) -> Result<f64, Refused> {
        match self.number(value)?.as_f64() {
            Some(number) => Ok(number),
            None => self
                .trail
                .wrong_type("NUMBER_VALUE can not be converted to a Double"),
        }
    }

    /// Seconds since 1970, which may have a fraction.
    fn timestamp(&mut self, value: Value) -> Result<Timestamp, Refused> {
        let seconds = self.double(value)?;
        match millis(seconds) {
            Some(millis) => Ok(Timestamp::from_millis(millis)),
            None => self
                .trail
                .wrong_type("NUMBER_VALUE can not be converted to a Timestamp"),
        }
    }

    fn blob(&mut self, value: Value) -> Result<Vec<u8>, Refused> {
        let text = self.text(value)?;
        let rest = text.strip_prefix(DECODED);
        let (mut bytes, rest) = rest
            .and_then(|rest| Some((self.blob_start.take()?, rest)))
            .unwrap_or((Vec::new(), &text));
        match BASE64_STANDARD.decode_vec(rest, &mut bytes) {
            Ok(()) => Ok(bytes),
            Err(_) => self.trail.wrong_type("STRING_VALUE is not base64"),
        }
    }
}

/// The time in milliseconds. `None` if it is outside the range of years that can be written.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked before")]
fn millis(seconds: f64) -> Option<i64> {
    const SECONDS_MAX: f64 = 253_402_300_799.0;
    (seconds.abs() <= SECONDS_MAX).then(|| (seconds * 1000.0).round() as i64)
}

#[cfg(test)]
mod tests;
