//! Why a request cannot be answered, as problem details (RFC 9457).

use std::borrow::Cow;
use std::error::Error as StdError;

use bytes::Bytes;
use ecru_model::ErrorCode;
use ecru_platform::principals::BindError;
use ecru_platform::{BodyRefused, ServiceError};
use ecru_registry::Error;
use ecru_store::StoreError;
use http::{HeaderValue, Response, StatusCode, header};
use serde::Serialize;

/// The type of refusals.
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

/// A refusal of the API.
#[derive(Debug)]
pub struct Problem {
    status: StatusCode,
    detail: Cow<'static, str>,
    /// The methods of the path.
    allow: Option<HeaderValue>,
}

/// Why a request was refused.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct ProblemDetails<'a> {
    /// `about:blank`: the status says what kind of problem it is.
    r#type: &'static str,
    /// The status in words.
    title: &'static str,
    status: u16,
    /// What is wrong with this request.
    detail: &'a str,
    /// The same as `detail`.
    message: &'a str,
}

impl Problem {
    pub const fn new(status: StatusCode, detail: &'static str) -> Self {
        Self {
            status,
            detail: Cow::Borrowed(detail),
            allow: None,
        }
    }

    /// A bad request with a constant sentence.
    pub(crate) const fn constant(detail: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    pub(crate) const fn not_found(detail: &'static str) -> Self {
        Self::new(StatusCode::NOT_FOUND, detail)
    }

    pub(crate) const fn nothing_here() -> Self {
        Self::not_found("no API has this path")
    }

    pub(crate) fn bad_request(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::with_status(StatusCode::BAD_REQUEST, detail)
    }

    pub fn with_status(status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            detail: detail.into(),
            allow: None,
        }
    }

    pub(crate) fn method_not_allowed(methods: &str) -> Self {
        Self {
            allow: HeaderValue::from_str(methods).ok(),
            ..Self::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "this path does not support this method",
            )
        }
    }

    /// A failure of the server: the cause goes to the log alone.
    pub(crate) fn fault(error: impl StdError + 'static) -> Self {
        tracing::error!(error = &error as &dyn StdError, "the control API failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the server had an internal fault; its log has the cause",
        )
    }

    pub fn answer(self) -> Response<Bytes> {
        let details = ProblemDetails {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or_default(),
            status: self.status.as_u16(),
            detail: &self.detail,
            message: &self.detail,
        };
        let body = serde_json::to_vec(&details).unwrap_or_default();
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        headers.extend(self.allow.map(|methods| (header::ALLOW, methods)));
        response
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error.code {
            ErrorCode::RepositoryNotFoundException | ErrorCode::LifecyclePolicyNotFoundException => {
                Self::with_status(StatusCode::NOT_FOUND, error.message)
            }
            ErrorCode::InvalidParameterException | ErrorCode::LimitExceededException => {
                Self::bad_request(error.message)
            }
            _ => Self::fault(error),
        }
    }
}

impl From<ServiceError> for Problem {
    fn from(error: ServiceError) -> Self {
        Self::fault(error)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::fault(error)
    }
}

impl From<BindError> for Problem {
    fn from(error: BindError) -> Self {
        match error {
            BindError::Store(error) => error.into(),
            refused => Self::bad_request(refused.to_string()),
        }
    }
}

impl From<BodyRefused> for Problem {
    fn from(refused: BodyRefused) -> Self {
        match refused {
            BodyRefused::Silent => Self::new(
                StatusCode::REQUEST_TIMEOUT,
                "no byte of the body arrived for 60 seconds",
            ),
            BodyRefused::Slow => Self::new(
                StatusCode::REQUEST_TIMEOUT,
                "the body arrived at less than 64 KiB a second while others waited",
            ),
            BodyRefused::Crowded => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "other bodies took all memory that is set aside for bodies: try again",
            ),
        }
    }
}
