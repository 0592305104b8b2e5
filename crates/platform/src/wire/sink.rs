//! How generated code prints an output, whatever the protocol.

use std::collections::BTreeMap;

use ecru_model::Timestamp;

use crate::wire::Member;

/// Receives an output member by member, without a tree of values.
pub trait Sink: Sized {
    fn object(&mut self, members: impl FnOnce(&mut Self));

    /// Sets the member that the next value belongs to.
    fn name(&mut self, member: &'static Member);

    fn list<T>(&mut self, elements: &[T], print: impl Fn(&mut Self, &T));
    fn map<T>(&mut self, entries: &BTreeMap<String, T>, print: impl Fn(&mut Self, &T));
    fn text(&mut self, text: &str);
    /// A value that is JSON already.
    fn json(&mut self, json: &str);
    fn boolean(&mut self, boolean: bool);
    fn integer(&mut self, number: i64);
    fn double(&mut self, number: f64);
    fn timestamp(&mut self, moment: Timestamp);
    fn blob(&mut self, bytes: &[u8]);
}
