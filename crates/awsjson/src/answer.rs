//! What goes back: an output, or an error by the name a client knows it by.

use std::error::Error as StdError;

use bytes::Bytes;
use ecru_model::ErrorCode;
use ecru_registry::{Detail, Error};
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use uuid::Uuid;

use crate::writer::Writer;

const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.1");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// What a client reads of a fault of ours, whatever its cause.
const FAULT_TEXT: &str = "These errors are usually caused by a server-side issue.";

/// Whether the names that are ours alone go out as they are, or as the model's for the same case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ErrorNames {
    #[default]
    Ecru,
    Aws,
}

impl ErrorNames {
    fn of(self, code: ErrorCode) -> ErrorCode {
        match self {
            Self::Ecru => code,
            Self::Aws => code.modelled(),
        }
    }
}

pub(crate) fn success(request_id: &Uuid, output: Vec<u8>) -> Response<Bytes> {
    respond(StatusCode::OK, request_id, output)
}

pub(crate) fn failure(request_id: &Uuid, error: &Error, names: ErrorNames) -> Response<Bytes> {
    let code = names.of(error.code);
    let status = StatusCode::from_u16(code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if is_hidden(error.code) {
        let chain = chain(error);
        tracing::error!(%request_id, code = error.code.name(), chain, "a request failed");
    }
    let mut response = respond(status, request_id, print(code, error));
    response
        .headers_mut()
        .insert(ERROR_TYPE, HeaderValue::from_static(code.name()));
    response
}

/// A fault tells its inner text to the log only; that an operation is not built is no fault.
fn is_hidden(code: ErrorCode) -> bool {
    code.is_fault() && code != ErrorCode::NotImplementedException
}

fn print(code: ErrorCode, error: &Error) -> Vec<u8> {
    let message = if is_hidden(error.code) {
        FAULT_TEXT
    } else {
        &error.message
    };
    let mut writer = Writer::new();
    writer.object(|writer| {
        writer.name("__type");
        writer.text(code.name());
        writer.name("message");
        writer.text(message);
        print_detail(writer, &error.detail);
    });
    writer.finish()
}

fn print_detail(writer: &mut Writer, detail: &Detail) {
    match detail {
        Detail::None => {}
        Detail::InvalidLayerPart {
            registry_id,
            repository_name,
            upload_id,
            last_valid_byte_received,
        } => {
            let texts = [
                ("registryId", registry_id),
                ("repositoryName", repository_name),
                ("uploadId", upload_id),
            ];
            for (name, text) in texts {
                writer.name(name);
                writer.text(text);
            }
            writer.name("lastValidByteReceived");
            writer.integer(*last_valid_byte_received);
        }
        Detail::Kms { error } => {
            writer.name("kmsError");
            writer.text(error);
        }
    }
}

fn chain(error: &Error) -> String {
    let mut chain = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        chain.push_str(": ");
        chain.push_str(&error.to_string());
        cause = error.source();
    }
    chain
}

fn respond(status: StatusCode, request_id: &Uuid, body: Vec<u8>) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, CONTENT_TYPE);
    if let Ok(request_id) = HeaderValue::from_str(&request_id.to_string()) {
        headers.insert(REQUEST_ID, request_id);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(error: &Error, names: ErrorNames, status: u16, body: &str) {
        let request_id = Uuid::nil();
        let response = failure(&request_id, error, names);
        assert_eq!(
            response.headers()["x-amzn-requestid"],
            request_id.to_string().as_str()
        );
        assert_eq!(response.headers()["content-type"], "application/x-amz-json-1.1");
        assert_eq!(
            (response.status().as_u16(), response.body().as_ref()),
            (status, body.as_bytes())
        );
    }

    #[test]
    fn an_error_is_its_name_and_its_message() {
        let error = Error::new(ErrorCode::RepositoryNotFoundException, "no \"demo\"");
        let body = r#"{"__type":"RepositoryNotFoundException","message":"no \"demo\""}"#;
        check(&error, ErrorNames::Ecru, 400, body);
        let response = failure(&Uuid::nil(), &error, ErrorNames::Ecru);
        assert_eq!(
            response.headers()["x-amzn-errortype"],
            "RepositoryNotFoundException"
        );
    }

    #[test]
    fn two_exceptions_carry_more() {
        let part =
            Error::new(ErrorCode::InvalidLayerPartException, "text").with_detail(Detail::InvalidLayerPart {
                registry_id: "000000000000".to_owned(),
                repository_name: "demo".to_owned(),
                upload_id: "id".to_owned(),
                last_valid_byte_received: 9,
            });
        let body = r#"{"__type":"InvalidLayerPartException","message":"text","registryId":"000000000000","repositoryName":"demo","uploadId":"id","lastValidByteReceived":9}"#;
        check(&part, ErrorNames::Ecru, 400, body);
        let kms = Detail::Kms {
            error: "DisabledException".to_owned(),
        };
        let body = r#"{"__type":"KmsException","message":"text","kmsError":"DisabledException"}"#;
        check(
            &Error::new(ErrorCode::KmsException, "text").with_detail(kms),
            ErrorNames::Ecru,
            400,
            body,
        );
    }

    #[test]
    fn names_that_are_ours_can_be_the_models() {
        let cases = [
            (
                ErrorCode::InvalidContinuationTokenException,
                "InvalidParameterException",
            ),
            (ErrorCode::LayerDigestMismatchException, "InvalidLayerException"),
            (
                ErrorCode::LayerInaccessibleException,
                "LayerInaccessibleException",
            ),
        ];
        for (code, name) in cases {
            let error = Error::new(code, "text");
            let own = code.name();
            check(
                &error,
                ErrorNames::Ecru,
                400,
                &format!(r#"{{"__type":"{own}","message":"text"}}"#),
            );
            check(
                &error,
                ErrorNames::Aws,
                400,
                &format!(r#"{{"__type":"{name}","message":"text"}}"#),
            );
        }
    }

    #[test]
    fn a_fault_shows_no_inner_text() {
        let cause = std::io::Error::other("/var/lib/secret");
        let error = Error::new(ErrorCode::ServerException, "database at /var/lib").caused_by(cause);
        let body = format!(r#"{{"__type":"ServerException","message":"{FAULT_TEXT}"}}"#);
        check(&error, ErrorNames::Ecru, 500, &body);
        assert_eq!(
            chain(&error),
            "ServerException: database at /var/lib: /var/lib/secret"
        );
    }

    #[test]
    fn an_operation_that_is_not_built_says_so() {
        let error = Error::new(ErrorCode::NotImplementedException, "PutImage");
        check(
            &error,
            ErrorNames::Aws,
            501,
            r#"{"__type":"NotImplementedException","message":"PutImage"}"#,
        );
    }
}
