//! A member of a structure: its names, and where each protocol finds it.

/// One member of the service model. Each protocol uses only some of the fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// In JSON, forms and XML.
    pub name: &'static str,
    /// In the sentences of errors.
    pub path: &'static str,
    pub place: Place,
    pub list: List,
}

/// Where a member of an input or output is in an HTTP message. Protocols other than REST use the body for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Body,
    /// The member is the whole body.
    Payload,
    /// A label of the path, by its name there.
    Path(&'static str),
    Query(&'static str),
    /// By its name in lower case.
    Header(&'static str),
    Status,
}

/// How forms and XML write a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct List {
    /// The name of each element.
    pub element: &'static str,
    /// The elements have no list around them.
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
