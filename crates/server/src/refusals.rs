//! The server's own answers, in the shape of the addressed API.

use std::borrow::Cow;

use bytes::Bytes;
use ecru_control::Problem;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

use crate::{authority::Authority, reply::Content};

/// The API whose clients send requests of this kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Api {
    Aws,
    Oci,
    Own,
}

pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) aws_code: &'static str,
    pub(crate) oci_code: &'static str,
    pub(crate) message: Cow<'static, str>,
}

pub(crate) const BAD_HOST: Refusal = Refusal {
    status: StatusCode::BAD_REQUEST,
    aws_code: "InvalidRequestException",
    oci_code: "UNSUPPORTED",
    message: Cow::Borrowed("a request must name its host and port exactly once"),
};

pub(crate) const FOREIGN_PAGE: Refusal = Refusal {
    status: StatusCode::FORBIDDEN,
    aws_code: "AccessDeniedException",
    oci_code: "DENIED",
    message: Cow::Borrowed("requests from pages of other sites are refused"),
};

pub(crate) fn host_not_served(authority: &Authority) -> Refusal {
    let host = authority.host_text();
    Refusal {
        status: StatusCode::FORBIDDEN,
        aws_code: "AccessDeniedException",
        oci_code: "DENIED",
        message: format!(
            "this server does not answer for the host `{host}`: `--allow-host {host}` allows it"
        )
        .into(),
    }
}

pub(crate) const FAULT: Refusal = Refusal {
    status: StatusCode::INTERNAL_SERVER_ERROR,
    aws_code: "ServerException",
    oci_code: "UNKNOWN",
    message: Cow::Borrowed("the server had an internal fault; its log has the cause"),
};

pub(crate) const NOT_FOUND: Refusal = Refusal {
    status: StatusCode::NOT_FOUND,
    aws_code: "UnknownOperationException",
    oci_code: "UNSUPPORTED",
    message: Cow::Borrowed("no API has this path"),
};

pub(crate) const METHOD_NOT_ALLOWED: Refusal = Refusal {
    status: StatusCode::METHOD_NOT_ALLOWED,
    aws_code: "UnknownOperationException",
    oci_code: "UNSUPPORTED",
    message: Cow::Borrowed("this path does not support this method"),
};

impl Refusal {
    pub(crate) fn answer(&self, api: Api) -> Response<Content> {
        match api {
            Api::Aws => self.aws_answer(),
            Api::Oci => self.oci_answer(),
            Api::Own => self.own_answer(),
        }
    }

    fn aws_answer(&self) -> Response<Content> {
        let body = json!({ "__type": self.aws_code, "message": self.message });
        let mut response = json_answer(self.status, &body);
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/x-amz-json-1.1"),
        );
        if let Ok(id) = HeaderValue::from_str(&uuid::Uuid::new_v4().to_string()) {
            headers.insert("x-amzn-requestid", id);
        }
        response
    }

    fn oci_answer(&self) -> Response<Content> {
        let error = json!({ "code": self.oci_code, "message": self.message, "detail": null });
        let mut response = json_answer(self.status, &json!({ "errors": [error] }));
        response.headers_mut().insert(
            "docker-distribution-api-version",
            HeaderValue::from_static("registry/2.0"),
        );
        response
    }

    pub(crate) fn own_answer(&self) -> Response<Content> {
        let problem = Problem::with_status(self.status, self.message.clone());
        problem.answer().map(Content::from)
    }
}

pub(crate) fn json_answer(status: StatusCode, body: &Value) -> Response<Content> {
    ecru_control::json_answer(status, Bytes::from(body.to_string())).map(Content::from)
}
