//! A request whose bytes are built before the measurement starts.

use std::rc::Rc;

use crate::load::Content;

/// The host of all requests. It has no port, so requests can be built before the server has one.
pub(crate) const HOST: &str = "127.0.0.1";

#[derive(Debug)]
pub(crate) struct Request {
    /// The head, followed by the body if it is small.
    pub(crate) head: Vec<u8>,
    /// The body if it is large or shared by many requests.
    pub(crate) content: Option<Content>,
    /// False for HEAD, although its answer has a content length.
    pub(crate) answer_has_body: bool,
}

impl Request {
    pub(crate) fn new(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Rc<Self> {
        let mut head = Self::head(method, path, headers, body.len() as u64);
        head.extend_from_slice(body);
        Rc::new(Self {
            head,
            content: None,
            answer_has_body: method != "HEAD",
        })
    }

    pub(crate) fn with_content(
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        content: Content,
    ) -> Rc<Self> {
        Rc::new(Self {
            head: Self::head(method, path, headers, content.size_bytes()),
            content: Some(content),
            answer_has_body: true,
        })
    }

    fn head(method: &str, path: &str, headers: &[(&str, &str)], size_bytes: u64) -> Vec<u8> {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {HOST}\r\n");
        for (name, value) in headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        if size_bytes > 0 || matches!(method, "POST" | "PUT" | "PATCH") {
            head.extend(["Content-Length: ", &size_bytes.to_string(), "\r\n"]);
        }
        head.push_str("\r\n");
        head.into_bytes()
    }
}
