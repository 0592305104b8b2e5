//! The error of every operation: a code of the model, the sentence that a client sees, and the cause for the log.

use ecru_model::ErrorCode;
use ecru_platform::NoRandomness;
use ecru_platform::jobs::LeaseError;
use ecru_store::StoreError;

type Source = Box<dyn std::error::Error + Send + Sync>;

#[derive(Debug, thiserror::Error)]
#[error("{}: {message}", code.name())]
pub struct Error {
    pub code: ErrorCode,
    pub message: String,
    /// Members that a few exceptions carry beside their message.
    pub detail: Box<Detail>,
    #[source]
    pub source: Option<Source>,
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub enum Detail {
    #[default]
    None,
    InvalidLayerPart {
        registry_id: String,
        repository_name: String,
        upload_id: String,
        last_valid_byte_received: i64,
    },
    Kms {
        error: String,
    },
}

impl Error {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            detail: Box::default(),
            source: None,
        }
    }

    /// A parameter that breaks a rule, in the sentence that ECR uses for every such parameter.
    pub fn parameter(member: &str, reason: &str) -> Self {
        Self::new(
            ErrorCode::InvalidParameterException,
            format!("Invalid parameter at '{member}' failed to satisfy constraint: '{reason}'"),
        )
    }

    pub fn server(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::ServerException, message)
    }

    #[must_use]
    pub fn with_detail(mut self, detail: Detail) -> Self {
        self.detail = Box::new(detail);
        self
    }

    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Source>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl From<NoRandomness> for Error {
    fn from(error: NoRandomness) -> Self {
        Self::server(error.to_string())
    }
}

impl From<LeaseError> for Error {
    fn from(error: LeaseError) -> Self {
        match error {
            LeaseError::Lost => Self::server(error.to_string()),
            LeaseError::Store(error) => error.into(),
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::server("These errors are usually caused by a server-side issue.").caused_by(error)
    }
}
