//! An error in a form that every AWS protocol can print.

use std::error::Error as StdError;

use ecru_store::StoreError;

use crate::NoRandomness;

/// The name of an error that clients read.
#[derive(Debug, PartialEq, Eq)]
pub struct Code {
    pub name: &'static str,
    pub status: u16,
    /// Whether the service failed. Clients do not see the reason.
    pub fault: bool,
    /// The service model's code for the same case, if this code is ecru's own.
    pub modelled: Option<&'static Code>,
}

impl Code {
    pub const fn new(name: &'static str, status: u16) -> Self {
        Self {
            name,
            status,
            fault: status >= 500,
            modelled: None,
        }
    }

    /// The same code, with a message that clients see whatever the status.
    #[must_use]
    pub const fn shown(self) -> Self {
        Self { fault: false, ..self }
    }

    #[must_use]
    pub const fn standing_for(self, modelled: &'static Self) -> Self {
        Self {
            modelled: Some(modelled),
            ..self
        }
    }
}

static INTERNAL_FAILURE: Code = Code::new("InternalFailure", 500);

type Source = Box<dyn StdError + Send + Sync>;

/// An error of any service.
#[derive(Debug, thiserror::Error)]
#[error("{}: {message}", code.name)]
pub struct ServiceError {
    pub code: &'static Code,
    pub message: String,
    /// Members that some exceptions have in addition to the message, in order.
    pub detail: Vec<(&'static str, DetailValue)>,
    #[source]
    pub source: Option<Source>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DetailValue {
    Text(String),
    Integer(i64),
}

impl ServiceError {
    pub fn new(code: &'static Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            detail: Vec::new(),
            source: None,
        }
    }

    /// An internal error. Its message is logged and not sent.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(&INTERNAL_FAILURE, message)
    }

    #[must_use]
    pub fn with_detail(mut self, name: &'static str, value: DetailValue) -> Self {
        self.detail.push((name, value));
        self
    }

    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Source>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl From<StoreError> for ServiceError {
    fn from(error: StoreError) -> Self {
        Self::internal("the store failed").caused_by(error)
    }
}

impl From<NoRandomness> for ServiceError {
    fn from(error: NoRandomness) -> Self {
        Self::internal("no randomness").caused_by(error)
    }
}
