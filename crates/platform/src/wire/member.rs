//! A member of a structure: its names, and its place in each protocol.

/// One member of the service model. Each protocol uses only some of the fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// The name in JSON, forms and XML.
    pub name: &'static str,
    /// The name in error sentences.
    pub path: &'static str,
    pub place: Place,
    pub list: List,
}

/// The place of a member in an HTTP message. Protocols other than REST use the body for all members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Body,
    /// The member is the whole body.
    Payload,
    /// The label of the path with this name.
    Path(&'static str),
    Query(&'static str),
    /// The header with this name, in lower case.
    Header(&'static str),
    Status,
}

/// The form of a list in forms and XML.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct List {
    /// The name of each element.
    pub element: &'static str,
    /// Whether the elements have no enclosing list element.
    pub flattened: bool,
}

impl List {
    pub const USUAL: Self = Self {
        element: "member",
        flattened: false,
    };
}

impl Member {
    /// A member of the body.
    pub const fn new(name: &'static str, path: &'static str) -> Self {
        Self {
            name,
            path,
            place: Place::Body,
            list: List::USUAL,
        }
    }

    #[must_use]
    pub const fn at(self, place: Place) -> Self {
        Self { place, ..self }
    }

    #[must_use]
    pub const fn listed(self, list: List) -> Self {
        Self { list, ..self }
    }
}
