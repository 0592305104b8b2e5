//! The query protocol: reads an input from a form, and writes the result as XML.

use base64::{Engine, prelude::BASE64_STANDARD};
use ecru_model::Timestamp;
use ecru_platform::wire::{
    Fields, List, Member, OperationFacts, Parse, Protocol, ProtocolName, Refused, ServiceError, Trail,
};

use crate::{
    codes,
    form::Form,
    protocol::{Given, Printed, json::finish, xml::XmlSink},
};

pub(crate) struct Query;

impl Protocol for Query {
    const NAME: ProtocolName = ProtocolName::Query;

    type Given = Given;
    type Fields = FormFields;
    type Sink = XmlSink;
    type Answer = Printed;

    async fn read<T: Send + 'static>(
        operation: &'static OperationFacts,
        given: Given,
        parse: Parse<FormFields, T>,
    ) -> Result<T, ServiceError> {
        let mut fields = FormFields {
            trail: Trail::new(operation.violations),
        };
        let input = parse(&mut fields, Place::plain(given.form));
        finish(operation, fields.trail, input, codes::of(ProtocolName::Query))
    }

    /// Writes the result alone. The caller adds the enclosing element, which holds the request ID.
    fn write<T>(operation: &'static OperationFacts, output: &T, print: fn(&mut XmlSink, &T)) -> Printed {
        let mut sink = XmlSink::new();
        print(&mut sink, output);
        let result = sink.finish();
        let wrapper = operation.result_wrapper;
        Printed::ok(if operation.answers_nothing || wrapper.is_empty() {
            result.into_bytes()
        } else {
            format!("<{wrapper}>{result}</{wrapper}>").into_bytes()
        })
    }
}

pub(crate) struct FormFields {
    trail: Trail,
}

/// The part of a form below one key, and how a list would be written in it.
pub(crate) struct Place {
    form: Form,
    list: List,
}

impl Place {
    fn plain(form: Form) -> Self {
        let list = List::USUAL;
        Self { form, list }
    }

    fn is_empty_text(&self) -> bool {
        self.form.text.as_deref().is_none_or(str::is_empty)
    }
}

impl FormFields {
    fn parsed<T>(&mut self, parsed: Option<T>, message: &'static str) -> Result<T, Refused> {
        match parsed {
            Some(value) => Ok(value),
            None => self.trail.wrong_type(message),
        }
    }
}

impl Fields for FormFields {
    type Value = Place;
    type Members = Form;

    fn trail(&mut self) -> &mut Trail {
        &mut self.trail
    }

    fn members(&mut self, value: Place) -> Result<Form, Refused> {
        if value.is_empty_text() {
            Ok(value.form)
        } else {
            self.trail.wrong_type("a structure has members, not a value")
        }
    }

    fn take(&mut self, members: &mut Form, member: &'static Member) -> Option<Place> {
        let form = members.parts.remove(member.name)?;
        let list = member.list;
        Some(Place { form, list })
    }

    fn elements(
        &mut self,
        value: Place,
    ) -> Result<impl ExactSizeIterator<Item = Option<Place>> + use<>, Refused> {
        if !value.is_empty_text() {
            return self.trail.wrong_type("a list has numbered elements, not a value");
        }
        let Place { mut form, list } = value;
        let elements = if list.flattened {
            form
        } else {
            form.parts.remove(list.element).unwrap_or_default()
        };
        let elements = elements.into_counted().into_iter();
        Ok(elements.map(|element| Some(Place::plain(element))))
    }

    fn entries(&mut self, value: Place) -> Result<Vec<(String, Place)>, Refused> {
        if !value.is_empty_text() {
            return self.trail.wrong_type("a map has numbered entries, not a value");
        }
        let Place { mut form, list } = value;
        let entries = if list.flattened {
            form
        } else {
            form.parts.remove("entry").unwrap_or_default()
        };
        let entries = entries.into_counted().into_iter().map(|mut entry| {
            let key = entry.parts.remove("key")?.text?;
            let value = entry.parts.remove("value").unwrap_or_default();
            Some((key, Place::plain(value)))
        });
        let entries = entries.collect::<Option<_>>();
        self.parsed(entries, "an entry of a map has a key")
    }

    fn text(&mut self, value: Place) -> Result<String, Refused> {
        self.parsed(value.form.text, "a text is one value, not several")
    }

    fn boolean(&mut self, value: Place) -> Result<bool, Refused> {
        let text = self.text(value)?;
        self.parsed(text.parse().ok(), "a boolean is `true` or `false`")
    }

    fn integer(&mut self, value: Place) -> Result<i32, Refused> {
        let text = self.text(value)?;
        self.parsed(text.parse().ok(), "an integer is written in digits")
    }

    fn long(&mut self, value: Place) -> Result<i64, Refused> {
        let text = self.text(value)?;
        self.parsed(text.parse().ok(), "a long integer is written in digits")
    }

    fn double(&mut self, value: Place) -> Result<f64, Refused> {
        let text = self.text(value)?;
        let number = text.parse().ok().filter(|number: &f64| number.is_finite());
        self.parsed(number, "a number is written in digits")
    }

    fn timestamp(&mut self, value: Place) -> Result<Timestamp, Refused> {
        let text = self.text(value)?;
        self.parsed(Timestamp::parse(&text), "a time is written as in ISO 8601")
    }

    fn blob(&mut self, value: Place) -> Result<Vec<u8>, Refused> {
        let text = self.text(value)?;
        self.parsed(BASE64_STANDARD.decode(text).ok(), "bytes are written in base64")
    }
}
