//! REST with JSON: reads an input from path, query, headers and body, and writes an output to status, headers
//! and body.

use std::{collections::BTreeMap, mem};

use ecru_model::Timestamp;
use ecru_platform::wire::{
    Fields, Member, OperationFacts, Parse, Place, Protocol, ProtocolName, Refused, ServiceError, Sink, Trail,
};
use http::{HeaderName, HeaderValue};
use serde_json::{Map, Value};

use crate::{
    codes,
    protocol::{
        Given, JsonSink, Printed,
        json::{JsonFields, finish, read_value},
        read_sized,
    },
    rest::RestParts,
};

pub(crate) struct RestJson;

impl Protocol for RestJson {
    const NAME: ProtocolName = ProtocolName::RestJson;

    type Given = Given;
    type Fields = RestFields;
    type Sink = RestSink;
    type Answer = Printed;

    async fn read<T: Send + 'static>(
        operation: &'static OperationFacts,
        given: Given,
        parse: Parse<RestFields, T>,
    ) -> Result<T, ServiceError> {
        let bytes = given.document.text.len();
        read_sized(bytes, move || read_here(operation, given, parse)).await
    }

    fn write<T>(operation: &'static OperationFacts, output: &T, print: fn(&mut RestSink, &T)) -> Printed {
        let mut sink = RestSink::new(operation.http.status);
        print(&mut sink, output);
        sink.finish(operation)
    }
}

fn read_here<T>(
    operation: &'static OperationFacts,
    given: Given,
    parse: Parse<RestFields, T>,
) -> Result<T, ServiceError> {
    let mut fields = RestFields {
        json: JsonFields::new(Trail::new(operation.violations)),
    };
    let request = Request {
        parts: *given.rest.unwrap_or_default(),
        text: given.document.text,
        members: None,
    };
    let input = parse(&mut fields, Part::Request(Box::new(request)));
    let codes = codes::of(ProtocolName::RestJson);
    finish(operation, fields.json.trail, input, codes)
}

pub(crate) struct RestFields {
    json: JsonFields,
}

/// A value, by the part of the request that holds it.
pub(crate) enum Part {
    Request(Box<Request>),
    Json(Value),
    /// A value from the path, the query or a header.
    Text(String),
    /// The values of a query parameter that is repeated.
    Texts(Vec<String>),
    Payload(Vec<u8>),
}

pub(crate) struct Request {
    parts: RestParts,
    text: Vec<u8>,
    /// The members of the body, which is parsed when the first member is read.
    members: Option<Map<String, Value>>,
}

pub(crate) enum Members {
    Request(Box<Request>),
    Json(Map<String, Value>),
}

impl Request {
    fn take(&mut self, trail: &mut Trail, member: &'static Member) -> Option<Part> {
        match member.place {
            Place::Body => self.member(trail, member).map(Part::Json),
            Place::Payload => {
                let text = mem::take(&mut self.text);
                (!text.is_empty()).then_some(Part::Payload(text))
            }
            Place::Path(name) => {
                let label = self.parts.labels.iter().find(|(label, _)| *label == name);
                label.map(|(_, text)| Part::Text(text.clone()))
            }
            Place::Query(name) => {
                let pairs = self.parts.query.iter().filter(|(key, _)| key == name);
                let texts = pairs.map(|(_, text)| text.clone()).collect::<Vec<_>>();
                (!texts.is_empty()).then_some(Part::Texts(texts))
            }
            Place::Header(name) => {
                let header = self.parts.headers.get(name)?;
                header.to_str().ok().map(|text| Part::Text(text.to_owned()))
            }
            Place::Status => None,
        }
    }

    fn member(&mut self, trail: &mut Trail, member: &'static Member) -> Option<Value> {
        if self.members.is_none() {
            let text = mem::take(&mut self.text);
            let value = read_value(&text, codes::of(ProtocolName::RestJson));
            let members = if let Ok(Value::Object(members)) = value {
                members
            } else {
                // An unreadable body is reported before any other fault.
                let _: Result<(), Refused> = trail.wrong_type("the body is not a JSON object");
                Map::new()
            };
            self.members = Some(members);
        }
        let value = self.members.as_mut()?.remove(member.name);
        value.filter(|value| !value.is_null())
    }
}

impl RestFields {
    /// Returns the value as JSON. A text from path, query or headers becomes a number or a boolean if it
    /// looks like one.
    fn plain(&mut self, value: Part) -> Result<Value, Refused> {
        match value {
            Part::Json(value) => Ok(value),
            Part::Text(text) => Ok(serde_json::from_str(&text).unwrap_or(Value::String(text))),
            Part::Texts(mut texts) if texts.len() == 1 => {
                self.plain(Part::Text(texts.pop().unwrap_or_default()))
            }
            Part::Texts(_) => self.json.trail.wrong_type("a name of the query is repeated"),
            Part::Payload(_) | Part::Request(_) => self.json.trail.wrong_type("Unexpected field type"),
        }
    }
}

impl Fields for RestFields {
    type Value = Part;
    type Members = Members;

    fn trail(&mut self) -> &mut Trail {
        &mut self.json.trail
    }

    fn members(&mut self, value: Part) -> Result<Members, Refused> {
        match value {
            Part::Request(request) => Ok(Members::Request(request)),
            Part::Payload(text) => match read_value(&text, codes::of(ProtocolName::RestJson)) {
                Ok(value) => self.json.members(value).map(Members::Json),
                Err(_) => self.json.trail.wrong_type("the body is not JSON"),
            },
            value => {
                let value = self.plain(value)?;
                self.json.members(value).map(Members::Json)
            }
        }
    }

    fn take(&mut self, members: &mut Members, member: &'static Member) -> Option<Part> {
        match members {
            Members::Request(request) => request.take(&mut self.json.trail, member),
            Members::Json(members) => self.json.take(members, member).map(Part::Json),
        }
    }

    fn elements(
        &mut self,
        value: Part,
    ) -> Result<impl ExactSizeIterator<Item = Option<Part>> + use<>, Refused> {
        let elements = match value {
            Part::Texts(texts) => texts.into_iter().map(|text| Some(Part::Text(text))).collect(),
            Part::Text(text) => {
                let texts = text.split(',').map(|text| text.trim().to_owned());
                texts.map(|text| Some(Part::Text(text))).collect()
            }
            value => {
                let value = self.plain(value)?;
                let elements = self.json.elements(value)?;
                elements
                    .map(|element| element.map(Part::Json))
                    .collect::<Vec<_>>()
            }
        };
        Ok(elements.into_iter())
    }

    fn entries(&mut self, value: Part) -> Result<Vec<(String, Part)>, Refused> {
        let value = self.plain(value)?;
        let entries = self.json.entries(value)?.into_iter();
        Ok(entries.map(|(key, value)| (key, Part::Json(value))).collect())
    }

    fn text(&mut self, value: Part) -> Result<String, Refused> {
        match value {
            Part::Text(text) => Ok(text),
            Part::Texts(mut texts) if texts.len() == 1 => Ok(texts.pop().unwrap_or_default()),
            Part::Payload(bytes) => match String::from_utf8(bytes) {
                Ok(text) => Ok(text),
                Err(_) => self.json.trail.wrong_type("the body is not UTF-8"),
            },
            value => {
                let value = self.plain(value)?;
                self.json.text(value)
            }
        }
    }

    fn boolean(&mut self, value: Part) -> Result<bool, Refused> {
        let value = self.plain(value)?;
        self.json.boolean(value)
    }

    fn integer(&mut self, value: Part) -> Result<i32, Refused> {
        let value = self.plain(value)?;
        self.json.integer(value)
    }

    fn long(&mut self, value: Part) -> Result<i64, Refused> {
        let value = self.plain(value)?;
        self.json.long(value)
    }

    fn double(&mut self, value: Part) -> Result<f64, Refused> {
        let value = self.plain(value)?;
        self.json.double(value)
    }

    /// Reads seconds from JSON, and ISO 8601 from path, query and headers.
    fn timestamp(&mut self, value: Part) -> Result<Timestamp, Refused> {
        match self.plain(value)? {
            Value::String(text) => match Timestamp::parse(&text) {
                Some(moment) => Ok(moment),
                None => self.json.trail.wrong_type("a time is written as in ISO 8601"),
            },
            value => self.json.timestamp(value),
        }
    }

    fn blob(&mut self, value: Part) -> Result<Vec<u8>, Refused> {
        match value {
            Part::Payload(bytes) => Ok(bytes),
            Part::Text(text) => self.json.blob(Value::String(text)),
            value => {
                let value = self.plain(value)?;
                self.json.blob(value)
            }
        }
    }
}

/// Writes each member of the outermost object to its place in the response. Deeper values are JSON.
pub(crate) struct RestSink {
    json: JsonSink,
    status: u16,
    headers: Vec<(HeaderName, HeaderValue)>,
    payload: Option<Vec<u8>>,
    depth: usize,
    /// Where the next value goes; the body is the default.
    next: Place,
    /// The list of a header, while its elements are printed.
    joined: Option<String>,
}

impl RestSink {
    fn new(status: u16) -> Self {
        Self {
            json: JsonSink::new(),
            status,
            headers: Vec::new(),
            payload: None,
            depth: 0,
            next: Place::Body,
            joined: None,
        }
    }

    fn finish(self, operation: &OperationFacts) -> Printed {
        let body = match self.payload {
            Some(payload) => payload,
            None if operation.answers_nothing => Vec::new(),
            None => self.json.finish(),
        };
        Printed {
            status: self.status,
            headers: self.headers,
            body,
        }
    }

    /// Writes a plain value outside of the JSON body. Returns false if the value belongs in the body.
    fn puts(&mut self, text: &str) -> bool {
        if let Some(joined) = &mut self.joined {
            if !joined.is_empty() {
                joined.push_str(", ");
            }
            joined.push_str(text);
            return true;
        }
        match mem::replace(&mut self.next, Place::Body) {
            Place::Body => return false,
            Place::Payload => self.payload = Some(text.as_bytes().to_vec()),
            Place::Header(name) => self.header(name, text),
            Place::Status => self.status = text.parse().unwrap_or(self.status),
            // Only inputs have these places.
            Place::Path(_) | Place::Query(_) => {}
        }
        true
    }

    fn header(&mut self, name: &'static str, text: &str) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(text)) {
            self.headers.push((name, value));
        }
    }

    /// Prints a structure. A payload is the whole body.
    fn nested(&mut self, print: impl FnOnce(&mut Self)) {
        let is_payload = mem::replace(&mut self.next, Place::Body) == Place::Payload;
        if !is_payload {
            return print(self);
        }
        let outer = mem::replace(&mut self.json, JsonSink::new());
        print(self);
        self.payload = Some(mem::replace(&mut self.json, outer).finish());
    }

    /// Prints one level deeper.
    fn below(&mut self, print: impl FnOnce(&mut Self)) {
        self.depth += 1;
        print(self);
        self.depth -= 1;
    }
}

impl Sink for RestSink {
    fn object(&mut self, members: impl FnOnce(&mut Self)) {
        self.nested(|sink| {
            sink.json.open('{');
            sink.below(members);
            sink.json.close('}');
        });
    }

    fn name(&mut self, member: &'static Member) {
        if self.depth == 1 && member.place != Place::Body {
            self.next = member.place;
        } else {
            self.json.name(member);
        }
    }

    fn list<T>(&mut self, elements: &[T], print: impl Fn(&mut Self, &T)) {
        if let Place::Header(name) = self.next {
            self.next = Place::Body;
            self.joined = Some(String::new());
            for element in elements {
                print(self, element);
            }
            let joined = self.joined.take().unwrap_or_default();
            return self.header(name, &joined);
        }
        self.nested(|sink| {
            sink.json.open('[');
            sink.below(|sink| {
                for element in elements {
                    sink.json.separate();
                    print(sink, element);
                }
            });
            sink.json.close(']');
        });
    }

    fn map<T>(&mut self, entries: &BTreeMap<String, T>, print: impl Fn(&mut Self, &T)) {
        self.nested(|sink| {
            sink.json.open('{');
            sink.below(|sink| {
                for (key, value) in entries {
                    sink.json.key(key);
                    print(sink, value);
                }
            });
            sink.json.close('}');
        });
    }

    fn text(&mut self, text: &str) {
        if !self.puts(text) {
            self.json.text(text);
        }
    }

    fn json(&mut self, json: &str) {
        if !self.puts(json) {
            self.json.json(json);
        }
    }

    fn boolean(&mut self, boolean: bool) {
        if !self.puts(if boolean { "true" } else { "false" }) {
            self.json.boolean(boolean);
        }
    }

    fn integer(&mut self, number: i64) {
        if !self.puts(&number.to_string()) {
            self.json.integer(number);
        }
    }

    fn double(&mut self, number: f64) {
        if !self.puts(&number.to_string()) {
            self.json.double(number);
        }
    }

    fn timestamp(&mut self, moment: Timestamp) {
        if !self.puts(&moment.to_string()) {
            self.json.timestamp(moment);
        }
    }

    fn blob(&mut self, bytes: &[u8]) {
        if self.next == Place::Payload {
            self.next = Place::Body;
            self.payload = Some(bytes.to_vec());
        } else {
            self.json.blob(bytes);
        }
    }
}
