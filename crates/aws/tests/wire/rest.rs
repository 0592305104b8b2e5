//! A small notes service with REST and JSON.

use ecru_aws::Wire;
use ecru_model::Timestamp;
use ecru_platform::wire::{
    AwsService, Call, Code, Fields, Http, Member, OperationFacts, Place, Protocol, ProtocolName, Refused,
    ServiceError, ServiceFacts, Sink, Violations,
};
use http::Request;

use crate::{Answer, ask, signature, wire};

static INVALID: Code = Code::new("InvalidParameterValueException", 400);
static ABSENT: Code = Code::new("ResourceNotFoundException", 404);

const fn operation(
    name: &'static str,
    method: &'static str,
    path: &'static str,
    status: u16,
) -> OperationFacts {
    OperationFacts {
        violations: Violations::First,
        http: Http { method, path, status },
        ..OperationFacts::new(name, &INVALID)
    }
}

static FACTS: ServiceFacts = ServiceFacts {
    protocol: ProtocolName::RestJson,
    api_version: "2026-01-01",
    json_version: "",
    signing_name: "notes",
    target_prefix: "",
    xml_namespace: "",
    operations: &[
        operation("GetNote", "GET", "/notes/{name}", 200),
        operation("PutNote", "PUT", "/notes/{name}", 201),
        operation("PutText", "PUT", "/notes/{name}/text", 200),
    ],
    find: |name| {
        ["GetNote", "PutNote", "PutText"]
            .iter()
            .position(|it| *it == name)
    },
};

#[derive(Debug, Default)]
struct Note {
    name: Option<String>,
    lines: Option<Vec<String>>,
    author: Option<String>,
    size: Option<i32>,
    text: Option<Vec<u8>>,
    written: Option<Timestamp>,
}

const NAME: Member = Member::new("name", "name").at(Place::Path("name"));
const LINES: Member = Member::new("lines", "lines").at(Place::Query("line"));
const AUTHOR: Member = Member::new("author", "author").at(Place::Header("x-notes-author"));
const TEXT: Member = Member::new("text", "text").at(Place::Payload);
const WRITTEN: Member = Member::new("written", "written");

fn text<F: Fields>(fields: &mut F, value: F::Value) -> Result<String, Refused> {
    fields.text(value)
}

fn texts<F: Fields>(fields: &mut F, value: F::Value) -> Result<Vec<String>, Refused> {
    fields.list(value, text)
}

fn integer<F: Fields>(fields: &mut F, value: F::Value) -> Result<i32, Refused> {
    fields.integer(value)
}

fn timestamp<F: Fields>(fields: &mut F, value: F::Value) -> Result<Timestamp, Refused> {
    fields.timestamp(value)
}

fn blob<F: Fields>(fields: &mut F, value: F::Value) -> Result<Vec<u8>, Refused> {
    fields.blob(value)
}

fn note<F: Fields>(fields: &mut F, value: F::Value) -> Result<Note, Refused> {
    let mut members = fields.members(value)?;
    let name = fields.required(&mut members, const { &NAME }, "must not be null", text);
    let lines = fields.optional(&mut members, const { &LINES }, texts);
    let author = fields.optional(&mut members, const { &AUTHOR }, text);
    let size = const { &Member::new("size", "size") };
    let size = fields.required(&mut members, size, "must not be null", integer);
    let written = fields.optional(&mut members, const { &WRITTEN }, timestamp);
    Ok(Note {
        name: Some(name?),
        lines: lines?,
        author: author?,
        size: Some(size?),
        text: None,
        written: written?,
    })
}

fn with_text<F: Fields>(fields: &mut F, value: F::Value) -> Result<Note, Refused> {
    let mut members = fields.members(value)?;
    let text = fields.optional(&mut members, const { &TEXT }, blob);
    Ok(Note {
        text: text?,
        ..Note::default()
    })
}

fn print<S: Sink>(sink: &mut S, note: &Note) {
    sink.object(|sink| {
        if let Some(name) = &note.name {
            sink.name(const { &Member::new("name", "name") });
            sink.text(name);
        }
        if let Some(lines) = &note.lines {
            sink.name(const { &Member::new("lines", "lines") });
            sink.list(lines, |sink, line| sink.text(line));
        }
        if let Some(author) = &note.author {
            sink.name(const { &AUTHOR });
            sink.text(author);
        }
        if let Some(size) = &note.size {
            sink.name(const { &Member::new("size", "size").at(Place::Status) });
            sink.integer(i64::from(*size));
        }
        if let Some(written) = &note.written {
            sink.name(const { &WRITTEN });
            sink.timestamp(*written);
        }
        if let Some(text) = &note.text {
            sink.name(const { &TEXT });
            sink.blob(text);
        }
    });
}

struct Notes;

impl AwsService for Notes {
    const FACTS: &'static ServiceFacts = &FACTS;

    async fn call<P: Protocol>(&self, call: Call, given: P::Given) -> Result<P::Answer, ServiceError> {
        let facts = call.operation;
        match facts.name {
            "PutNote" => Ok(P::write(facts, &P::read(facts, given, note).await?, print)),
            "PutText" => Ok(P::write(facts, &P::read(facts, given, with_text).await?, print)),
            _ => Err(ServiceError::new(&ABSENT, "no such note")),
        }
    }
}

fn notes() -> Wire {
    wire(vec![ecru_aws::rest_json(Notes)])
}

async fn put(path: &str, body: &str) -> Answer {
    let request = Request::put(path).header("authorization", signature("notes"));
    ask(&notes(), request.header("x-notes-author", "me"), body).await
}

#[tokio::test]
async fn members_come_from_path_query_headers_and_body_and_go_to_status_headers_and_body() {
    let answer = put(
        "/notes/a%20b?line=1&line=2",
        r#"{"size":202,"written":1767225600.5}"#,
    )
    .await;
    assert_eq!((answer.status, answer.content_type()), (202, "application/json"));
    assert_eq!(answer.headers["x-notes-author"], "me");
    let body = r#"{"name":"a b","lines":["1","2"],"written":1767225600.500}"#;
    assert_eq!(answer.body, body);
}

#[tokio::test]
async fn a_payload_is_the_whole_body() {
    let answer = put("/notes/a/text", "not JSON").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "not JSON"));
}

#[tokio::test]
async fn an_error_is_named_in_a_header() {
    let request = Request::get("/notes/a").header("authorization", signature("notes"));
    let answer = ask(&notes(), request, "").await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.headers["x-amzn-errortype"], "ResourceNotFoundException");
    assert_eq!(answer.body, r#"{"Type":"User","message":"no such note"}"#);
}

#[tokio::test]
async fn bad_input_is_refused() {
    for (body, code) in [
        ("{", "SerializationException"),
        ("[]", "SerializationException"),
        (r#"{"size":"big"}"#, "SerializationException"),
        ("{}", "InvalidParameterValueException"),
    ] {
        let answer = put("/notes/a", body).await;
        assert_eq!(answer.status, 400, "{body}");
        assert_eq!(answer.headers["x-amzn-errortype"], code, "{body}");
    }
}

#[tokio::test]
async fn a_path_leads_to_its_operation_even_unsigned_and_no_other_path_does() {
    let answer = ask(&notes(), Request::get("/notes/a"), "").await;
    let code = "MissingAuthenticationTokenException";
    assert_eq!(answer.status, 403);
    assert_eq!(answer.headers["x-amzn-errortype"], code);
    let request = Request::delete("/notes/a").header("authorization", signature("notes"));
    let answer = ask(&notes(), request, "").await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.headers["x-amzn-errortype"], "UnknownOperationException");
}
