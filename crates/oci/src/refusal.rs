//! The refusal of a request, and its answer.

use bytes::Bytes;
use ecru_model::{ErrorCode, whole};
use ecru_registry::{Endpoint, Error};
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde::Serialize;

use crate::Body;
use crate::codes::{Code, Place, wire};
use crate::incoming::Failure;

/// Other requests that hold the awaited resource end within about this time.
const RETRY_AFTER_SECONDS: &str = "5";

#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    code: Code,
    message: String,
    detail: Option<String>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

#[derive(Serialize)]
struct Document<'a> {
    errors: [Entry<'a>; 1],
}

#[derive(Serialize)]
struct Entry<'a> {
    code: Code,
    message: &'a str,
    detail: Option<&'a str>,
}

impl Refusal {
    fn new(status: StatusCode, code: Code, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            detail: None,
            headers: Vec::new(),
        }
    }

    /// The refusal for an error of the registry. A fault is logged here with its causes, and is not reported
    /// to the client.
    pub(crate) fn of(error: Error, place: Place) -> Self {
        let (status, code) = wire(error.code, place);
        if status.is_server_error() {
            log(&error);
            return Self::new(status, code, "an internal fault of the registry prevented this");
        }
        let message = match error.code {
            ErrorCode::ImageNotFoundException => "Requested image not found".to_owned(),
            _ => error.message,
        };
        Self {
            detail: error
                .source
                .filter(|_| says_why(error.code, place))
                .map(|cause| cause.to_string()),
            ..Self::new(status, code, message)
        }
    }

    pub(crate) fn entering(error: Error) -> Self {
        Self::of(error, Place::Entrance)
    }

    /// The refusal for a body that did not arrive as declared. None of its bytes count.
    pub(crate) fn broken(failure: Failure, code: Code) -> Self {
        let (status, message) = match failure {
            Failure::Silent => (
                StatusCode::REQUEST_TIMEOUT,
                "no byte of the body came for 60 seconds",
            ),
            Failure::Cut => (StatusCode::BAD_REQUEST, "the body ended before its length"),
            Failure::Slow => (
                StatusCode::REQUEST_TIMEOUT,
                "the body came at less than 64 KiB a second while others waited",
            ),
            Failure::Crowded => {
                return Self::crowded("other bodies took all memory that is set aside for bodies: try again");
            }
            Failure::NoPlace => {
                return Self::crowded("the maximum number of uploads is in progress: try again");
            }
            Failure::WrongLength => return Self::chunk_length_differs(),
        };
        Self::new(status, code, message)
    }

    /// Other requests held a shared resource for as long as a request waits.
    fn crowded(message: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, Code::TooManyRequests, message)
            .with(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS))
    }

    pub(crate) fn name_invalid(message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Code::NameInvalid, message)
    }

    pub(crate) fn digest_invalid() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            Code::DigestInvalid,
            "the digest is not one of sha256 or sha512",
        )
    }

    pub(crate) fn tag_invalid() -> Self {
        Self::new(StatusCode::BAD_REQUEST, Code::TagInvalid, "the tag is not valid")
    }

    pub(crate) fn too_many_tags() -> Self {
        Self::new(
            StatusCode::URI_TOO_LONG,
            Code::TagInvalid,
            "the push names too many tags",
        )
    }

    pub(crate) fn manifest_too_long() -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            Code::ManifestInvalid,
            "the manifest is longer than 4 MiB",
        )
    }

    pub(crate) fn chunk_invalid() -> Self {
        let message = "`Content-Range` must be `<first>-<last>`";
        Self::new(StatusCode::BAD_REQUEST, Code::BlobUploadInvalid, message)
    }

    pub(crate) fn chunk_length_differs() -> Self {
        let message = "the chunk has another length than its `Content-Range`";
        Self::new(StatusCode::BAD_REQUEST, Code::SizeInvalid, message)
    }

    pub(crate) fn upload_unknown() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            Code::BlobUploadUnknown,
            "the upload is not known",
        )
    }

    pub(crate) fn encoded() -> Self {
        let message = "content must be sent without a content encoding";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Code::Unsupported, message)
    }

    pub(crate) fn range_unsatisfiable(size_bytes: u64) -> Self {
        let refusal = Self::new(
            StatusCode::RANGE_NOT_SATISFIABLE,
            Code::SizeInvalid,
            "the blob has no such range",
        );
        match HeaderValue::try_from(format!("bytes */{size_bytes}")) {
            Ok(size) => refusal.with(header::CONTENT_RANGE, size),
            Err(_) => refusal,
        }
    }

    pub(crate) fn no_such_path() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            Code::Unsupported,
            "there is nothing at this path",
        )
    }

    pub(crate) fn unsupported(message: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Code::Unsupported, message)
    }

    pub(crate) fn wrong_method(allowed: &'static str) -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            Code::Unsupported,
            "the method is not supported here",
        )
        .with(header::ALLOW, HeaderValue::from_static(allowed))
    }

    pub(crate) fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            Code::Unknown,
            "the answer could not be built",
        )
    }

    pub(crate) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(crate) fn is_of_unknown_name(&self) -> bool {
        self.code == Code::NameUnknown
    }

    /// The same refusal with another sentence in its message.
    pub(crate) fn adding(mut self, sentence: &str) -> Self {
        self.message.push_str(sentence);
        self
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    pub(crate) fn into_response(self, endpoint: &Endpoint) -> Response<Body> {
        let document = Document {
            errors: [Entry {
                code: self.code,
                message: &self.message,
                detail: self.detail.as_deref(),
            }],
        };
        let text = serde_json::to_vec(&document).unwrap_or_default();
        let mut response = Response::new(Body::Bytes(Bytes::from(text)));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json; charset=utf-8"),
        );
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = format!("Basic realm=\"{endpoint}/\",service=\"ecr.amazonaws.com\"");
            headers.extend(
                HeaderValue::try_from(challenge)
                    .ok()
                    .map(|value| (header::WWW_AUTHENTICATE, value)),
            );
        }
        headers.extend(self.headers);
        response
    }
}

/// Whether the client gets the cause of an error too. ECR's sentence for an invalid manifest does not name
/// the fault.
fn says_why(code: ErrorCode, place: Place) -> bool {
    code == ErrorCode::InvalidParameterException && place == Place::ManifestPut
}

fn log(error: &Error) {
    tracing::error!(error = whole(error), "request failed");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_found_no_room_is_asked_to_come_again() {
        for failure in [Failure::Crowded, Failure::NoPlace] {
            let refusal = Refusal::broken(failure, Code::BlobUploadInvalid);
            assert_eq!(refusal.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(refusal.code, Code::TooManyRequests);
            assert_eq!(
                refusal.headers,
                [(header::RETRY_AFTER, HeaderValue::from_static("5"))]
            );
        }
    }
}
