//! Builds the response: an output or an error, in the protocol that the client speaks.

use bytes::Bytes;
use ecru_model::whole;
use ecru_platform::wire::{
    Code, DetailValue, OperationFacts, ProtocolName, ServiceError, ServiceFacts, Sink,
};
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use uuid::Uuid;

use crate::protocol::{JsonSink, Printed, escape};

const JSON_1_0: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.0");
const JSON_1_1: HeaderValue = HeaderValue::from_static("application/x-amz-json-1.1");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const XML: HeaderValue = HeaderValue::from_static("text/xml");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");

/// The message of every internal error.
const FAULT_TEXT: &str = "These errors are usually caused by a server-side issue.";

/// Whether errors keep the codes that only ecru has, or get the service model's code for the same case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ErrorNames {
    #[default]
    Ecru,
    Aws,
}

impl ErrorNames {
    fn of(self, code: &'static Code) -> &'static Code {
        match self {
            Self::Ecru => code,
            Self::Aws => code.modelled.unwrap_or(code),
        }
    }
}

/// The protocol that a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spoken {
    pub(crate) protocol: ProtocolName,
    /// `1.0` or `1.1`.
    pub(crate) json_version: &'static str,
    pub(crate) xml_namespace: &'static str,
}

impl Spoken {
    pub(crate) fn by(facts: &ServiceFacts) -> Self {
        Self {
            protocol: facts.protocol,
            json_version: facts.json_version,
            xml_namespace: facts.xml_namespace,
        }
    }

    /// The protocol of a request for an unknown service.
    pub(crate) fn unknown(protocol: ProtocolName, json_version: &'static str) -> Self {
        Self {
            protocol,
            json_version,
            xml_namespace: "",
        }
    }

    fn content_type(self) -> HeaderValue {
        match self.protocol {
            ProtocolName::Json if self.json_version == "1.0" => JSON_1_0,
            ProtocolName::Json => JSON_1_1,
            ProtocolName::Query => XML,
            ProtocolName::RestJson => JSON,
        }
    }
}

pub(crate) fn success(
    spoken: Spoken,
    request_id: &Uuid,
    operation: &OperationFacts,
    printed: Printed,
) -> Response<Bytes> {
    let status = StatusCode::from_u16(printed.status).unwrap_or(StatusCode::OK);
    let body = match spoken.protocol {
        ProtocolName::Query => query_success(spoken, request_id, operation, &printed.body),
        ProtocolName::Json | ProtocolName::RestJson => printed.body,
    };
    let mut response = respond(spoken, status, request_id, body);
    if !printed.headers.is_empty() {
        response.headers_mut().extend(printed.headers);
    }
    response
}

fn query_success(spoken: Spoken, request_id: &Uuid, operation: &OperationFacts, result: &[u8]) -> Vec<u8> {
    let (name, namespace) = (operation.name, spoken.xml_namespace);
    let mut body = format!("<{name}Response xmlns=\"{namespace}\">").into_bytes();
    body.extend_from_slice(result);
    let end =
        format!("<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{name}Response>");
    body.extend_from_slice(end.as_bytes());
    body
}

pub(crate) fn failure(
    spoken: Spoken,
    request_id: &Uuid,
    error: &ServiceError,
    names: ErrorNames,
) -> Response<Bytes> {
    let code = names.of(error.code);
    let status = StatusCode::from_u16(code.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if error.code.fault {
        let chain = whole(error);
        tracing::error!(%request_id, code = error.code.name, chain, "a request failed");
    }
    let body = match spoken.protocol {
        ProtocolName::Json => json_failure(Some(code), error),
        ProtocolName::RestJson => json_failure(None, error),
        ProtocolName::Query => query_failure(spoken, request_id, code, error),
    };
    let mut response = respond(spoken, status, request_id, body);
    if spoken.protocol != ProtocolName::Query {
        let name = HeaderValue::from_static(code.name);
        response.headers_mut().insert(ERROR_TYPE, name);
    }
    response
}

/// The message of an internal error goes to the log only.
fn message(error: &ServiceError) -> &str {
    if error.code.fault {
        FAULT_TEXT
    } else {
        &error.message
    }
}

/// Writes an error. REST sends the code in a header, so the body then has none.
fn json_failure(code: Option<&Code>, error: &ServiceError) -> Vec<u8> {
    let mut sink = JsonSink::new();
    sink.object(|sink| {
        if let Some(code) = code {
            sink.key("__type");
            sink.text(code.name);
        } else {
            sink.key("Type");
            sink.text(if error.code.fault { "Server" } else { "User" });
        }
        sink.key("message");
        sink.text(message(error));
        for (name, value) in &error.detail {
            sink.key(name);
            match value {
                DetailValue::Text(text) => sink.text(text),
                DetailValue::Integer(number) => sink.integer(*number),
            }
        }
    });
    sink.finish()
}

fn query_failure(spoken: Spoken, request_id: &Uuid, code: &Code, error: &ServiceError) -> Vec<u8> {
    let fault_of = if error.code.fault { "Receiver" } else { "Sender" };
    let mut body = match spoken.xml_namespace {
        "" => "<ErrorResponse>".to_owned(),
        namespace => format!("<ErrorResponse xmlns=\"{namespace}\">"),
    };
    body.extend([
        "<Error><Type>",
        fault_of,
        "</Type><Code>",
        code.name,
        "</Code><Message>",
    ]);
    escape(&mut body, message(error));
    body.push_str("</Message>");
    for (name, value) in &error.detail {
        body.extend(["<", name, ">"]);
        match value {
            DetailValue::Text(text) => escape(&mut body, text),
            DetailValue::Integer(number) => body.push_str(&number.to_string()),
        }
        body.extend(["</", name, ">"]);
    }
    let request_id = request_id.to_string();
    body.extend(["</Error><RequestId>", &request_id, "</RequestId></ErrorResponse>"]);
    body.into_bytes()
}

fn respond(spoken: Spoken, status: StatusCode, request_id: &Uuid, body: Vec<u8>) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, spoken.content_type());
    if let Ok(request_id) = HeaderValue::from_str(&request_id.to_string()) {
        headers.insert(REQUEST_ID, request_id);
    }
    response
}

#[cfg(test)]
mod tests {
    use ecru_model::ErrorCode;
    use ecru_registry::{Error, generated::codes::code};

    use super::*;

    const ECR: Spoken = Spoken {
        protocol: ProtocolName::Json,
        json_version: "1.1",
        xml_namespace: "",
    };

    fn error(code: ErrorCode, message: &str) -> ServiceError {
        Error::new(code, message).into()
    }

    #[track_caller]
    fn check(error: &ServiceError, names: ErrorNames, status: u16, body: &str) {
        let request_id = Uuid::nil();
        let response = failure(ECR, &request_id, error, names);
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
        let error = error(ErrorCode::RepositoryNotFoundException, "no \"demo\"");
        let body = r#"{"__type":"RepositoryNotFoundException","message":"no \"demo\""}"#;
        check(&error, ErrorNames::Ecru, 400, body);
        let response = failure(ECR, &Uuid::nil(), &error, ErrorNames::Ecru);
        assert_eq!(
            response.headers()["x-amzn-errortype"],
            "RepositoryNotFoundException"
        );
    }

    #[test]
    fn an_exception_may_carry_more() {
        let part = error(ErrorCode::InvalidLayerPartException, "text")
            .with_detail("uploadId", DetailValue::Text("id".to_owned()))
            .with_detail("lastValidByteReceived", DetailValue::Integer(9));
        let body = r#"{"__type":"InvalidLayerPartException","message":"text","uploadId":"id","lastValidByteReceived":9}"#;
        check(&part, ErrorNames::Ecru, 400, body);
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
            let error = error(code, "text");
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
        let error =
            ServiceError::new(code(ErrorCode::ServerException), "database at /var/lib").caused_by(cause);
        let body = format!(r#"{{"__type":"ServerException","message":"{FAULT_TEXT}"}}"#);
        check(&error, ErrorNames::Ecru, 500, &body);
        assert_eq!(
            whole(&error),
            "ServerException: database at /var/lib: /var/lib/secret"
        );
    }

    #[test]
    fn an_operation_that_is_not_built_says_so() {
        let error = error(ErrorCode::NotImplementedException, "PutImage");
        check(
            &error,
            ErrorNames::Aws,
            501,
            r#"{"__type":"NotImplementedException","message":"PutImage"}"#,
        );
    }
}
