//! How generated code reads an input, whatever the protocol.

use ecru_model::{Timestamp, Violation};

use crate::wire::{Member, Step, Trail};

/// A value was refused. The trail holds the reason.
#[derive(Debug)]
pub struct Refused;

/// A generated function that reads one shape.
pub type Parse<F, T> = fn(&mut F, <F as Fields>::Value) -> Result<T, Refused>;

pub struct LengthRule {
    pub min: Option<(usize, &'static str)>,
    pub max: Option<(usize, &'static str)>,
}

pub struct ValueRule {
    pub min: Option<(i64, &'static str)>,
    pub max: Option<(i64, &'static str)>,
}

/// A cursor over an input. A protocol defines how each kind of value is read; the rest is the same for all
/// protocols.
pub trait Fields: Sized {
    /// A value that is present.
    type Value;
    /// The members of a structure that have not been read yet.
    type Members;

    fn trail(&mut self) -> &mut Trail;

    fn members(&mut self, value: Self::Value) -> Result<Self::Members, Refused>;

    /// Takes the value of a member, if the input has one.
    fn take(&mut self, members: &mut Self::Members, member: &'static Member) -> Option<Self::Value>;

    /// The elements of a list, including absent ones.
    fn elements(
        &mut self,
        value: Self::Value,
    ) -> Result<impl ExactSizeIterator<Item = Option<Self::Value>> + use<Self>, Refused>;

    /// The entries of a map.
    fn entries(&mut self, value: Self::Value) -> Result<Vec<(String, Self::Value)>, Refused>;

    fn text(&mut self, value: Self::Value) -> Result<String, Refused>;
    fn boolean(&mut self, value: Self::Value) -> Result<bool, Refused>;
    fn integer(&mut self, value: Self::Value) -> Result<i32, Refused>;
    fn long(&mut self, value: Self::Value) -> Result<i64, Refused>;
    fn double(&mut self, value: Self::Value) -> Result<f64, Refused>;
    fn timestamp(&mut self, value: Self::Value) -> Result<Timestamp, Refused>;
    fn blob(&mut self, value: Self::Value) -> Result<Vec<u8>, Refused>;

    fn optional<T>(
        &mut self,
        members: &mut Self::Members,
        member: &'static Member,
        parse: Parse<Self, T>,
    ) -> Result<Option<T>, Refused> {
        match self.take(members, member) {
            None => Ok(None),
            Some(value) => self
                .within(Step::Member(member.path), |fields| parse(fields, value))
                .map(Some),
        }
    }

    fn required<T>(
        &mut self,
        members: &mut Self::Members,
        member: &'static Member,
        null_reason: &'static str,
        parse: Parse<Self, T>,
    ) -> Result<T, Refused> {
        let value = self.take(members, member);
        self.within(Step::Member(member.path), |fields| match value {
            None => fields.trail().null(null_reason),
            Some(value) => parse(fields, value),
        })
    }

    fn list<T>(&mut self, value: Self::Value, parse: Parse<Self, T>) -> Result<Vec<T>, Refused> {
        let elements = self.elements(value)?;
        let mut list = Vec::with_capacity(elements.len());
        let mut refused = false;
        for (before, element) in elements.enumerate() {
            let parsed = self.within(Step::Element(before + 1), |fields| match element {
                None => fields.trail().null("Member must not be null"),
                Some(element) => parse(fields, element),
            });
            match parsed {
                Ok(element) => list.push(element),
                Err(Refused) => refused = true,
            }
        }
        if refused { Err(Refused) } else { Ok(list) }
    }

    /// Reads a list of plain values. If an element breaks a rule, the error names the list and all rules of
    /// an element.
    fn plain_list<T>(
        &mut self,
        value: Self::Value,
        element_reason: &'static str,
        parse: Parse<Self, T>,
    ) -> Result<Vec<T>, Refused> {
        self.trail().element_reason = Some(element_reason);
        let list = self.list(value, parse);
        self.trail().element_reason = None;
        list
    }

    fn map<T>(&mut self, value: Self::Value, parse: Parse<Self, T>) -> Result<Map<T>, Refused> {
        let mut map = Map::new();
        let mut refused = false;
        for (key, value) in self.entries(value)? {
            match parse(self, value) {
                Ok(value) => drop(map.insert(key, value)),
                Err(Refused) => refused = true,
            }
        }
        if refused { Err(Refused) } else { Ok(map) }
    }

    fn accept<T>(&mut self, checked: Result<T, Violation>) -> Result<T, Refused> {
        checked.or_else(|violation| self.trail().broken(violation.reason(), None))
    }

    /// Like `accept`, for services whose error sentences show the value.
    fn accept_shown<T>(&mut self, checked: Result<T, Violation>, value: &str) -> Result<T, Refused> {
        checked.or_else(|violation| self.trail().broken(violation.reason(), Some(value)))
    }

    fn check_length(&mut self, length: usize, rule: &LengthRule) -> Result<(), Refused> {
        match (rule.min, rule.max) {
            (Some((min, reason)), _) if length < min => self.trail().broken(reason, Some("[]")),
            (_, Some((max, reason))) if length > max => self.trail().broken(reason, Some("[…]")),
            _ => Ok(()),
        }
    }

    fn check_value(&mut self, number: i64, rule: &ValueRule) -> Result<(), Refused> {
        match (rule.min, rule.max) {
            (Some((min, reason)), _) if number < min => {
                self.trail().broken(reason, Some(&number.to_string()))
            }
            (_, Some((max, reason))) if number > max => {
                self.trail().broken(reason, Some(&number.to_string()))
            }
            _ => Ok(()),
        }
    }

    #[doc(hidden)]
    fn within<T>(
        &mut self,
        step: Step,
        read: impl FnOnce(&mut Self) -> Result<T, Refused>,
    ) -> Result<T, Refused> {
        self.trail().push(step);
        let result = read(self);
        self.trail().pop();
        result
    }
}

type Map<T> = std::collections::BTreeMap<String, T>;
