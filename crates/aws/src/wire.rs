//! Handles one request, from its head to the response.

use std::{
    error::Error as StdError,
    sync::{Arc, LazyLock},
};

use bytes::Bytes;
use ecru_platform::principals::Unidentified;
use ecru_platform::wire::{Call, OperationFacts, Origin, ProtocolName, ServiceError};
use ecru_platform::{HeldBody, Platform, Sender, Signed};
use http::{HeaderMap, Method, Request, Response, Uri, header, request::Parts};
use http_body::Body;

use crate::{
    ErrorNames,
    answer::{self, Spoken},
    body::{self, Limits},
    codes,
    credentials::{self, Unsigned},
    form::Form,
    mount::Mounted,
    protocol::{Given, Printed, read_sized},
    request_ids::RequestIds,
    rest,
    route::{self, Found, Route},
};

static REQUEST_IDS: LazyLock<RequestIds> = LazyLock::new(RequestIds::default);

/// The maximum size of a form. It applies before the operation is known.
const FORM_BYTES_MAX: u64 = 1024 * 1024;

/// All mounted services.
pub struct Wire {
    services: Vec<Arc<dyn Mounted>>,
    platform: Arc<Platform>,
    error_names: ErrorNames,
}

/// The signature of a request, and the address that it reached.
struct Origins {
    signed: Result<Signed, Unsigned>,
    origin: Origin,
}

/// An error, and the protocol of its response.
type Refusal = (Spoken, ServiceError);

impl Wire {
    pub fn new(services: Vec<Arc<dyn Mounted>>, platform: Arc<Platform>, error_names: ErrorNames) -> Self {
        Self {
            services,
            platform,
            error_names,
        }
    }

    /// Whether a request other than a POST to `/` is for one of the services.
    pub fn claims(&self, method: &Method, uri: &Uri) -> bool {
        route::claims(&self.services, method, uri)
    }

    /// Answers a request; every failure becomes an error response.
    pub async fn handle<B>(&self, request: Request<B>, origin: Origin) -> Response<Bytes>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        let request_id = REQUEST_IDS.next();
        let (parts, body) = request.into_parts();
        let origins = Origins {
            signed: credentials::find(&parts.headers, &parts.uri),
            origin,
        };
        let answered = match route::find(&self.services, &parts) {
            Found::Operation(route) => {
                let spoken = Spoken::by(route.service.facts());
                match self.operate(route, origins, &parts, body).await {
                    Ok(printed) => Ok((spoken, route.operation, printed)),
                    Err(error) => Err((spoken, error)),
                }
            }
            // Boxed: this future is rare, and its size would add to that of every request.
            Found::InForm(service) => Box::pin(self.answer_form(service, origins, &parts, body)).await,
            Found::Nothing(spoken, message) => Err((spoken, codes::of(spoken.protocol).unknown(message))),
        };
        match answered {
            Ok((spoken, operation, printed)) => answer::success(spoken, &request_id, operation, printed),
            Err((spoken, error)) => answer::failure(spoken, &request_id, &error, self.error_names),
        }
    }

    async fn operate<B>(
        &self,
        route: Route<'_>,
        origins: Origins,
        parts: &Parts,
        body: B,
    ) -> Result<Printed, ServiceError>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        let facts = route.service.facts();
        let Origins { signed, origin } = origins;
        let sender = self.sender(route.operation, facts.protocol, signed).await?;
        check_content(Spoken::by(facts), &parts.headers)?;
        let limits = Limits::of(route.operation, facts.protocol);
        let received = body::receive(limits, body, &self.platform.bodies).await?;
        let mut given = Given {
            document: received.document,
            ..Given::default()
        };
        if facts.protocol == ProtocolName::RestJson {
            given.rest = Some(Box::new(rest::parts(&route.operation.http, parts)));
        }
        run(route, sender, origin, given, received.held).await
    }

    /// Answers a form, whose operation is known only after the body has arrived.
    async fn answer_form<B>(
        &self,
        service: Option<&dyn Mounted>,
        origins: Origins,
        parts: &Parts,
        body: B,
    ) -> Result<(Spoken, &'static OperationFacts, Printed), Refusal>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        let Origins { signed, origin } = origins;
        let spoken = service.map_or(Spoken::unknown(ProtocolName::Query, ""), |service| {
            Spoken::by(service.facts())
        });
        let codes = codes::of(ProtocolName::Query);
        let refuse = |error| (spoken, error);
        if parts.method != Method::GET {
            check_content(spoken, &parts.headers).map_err(refuse)?;
        }
        let limits = Limits {
            bytes_max: FORM_BYTES_MAX,
            streamed: None,
            is_form: true,
            codes,
        };
        let received = body::receive(limits, body, &self.platform.bodies)
            .await
            .map_err(refuse)?;
        let bytes = received.document.text.len();
        let text = if parts.method == Method::GET {
            parts.uri.query().unwrap_or_default().as_bytes().to_vec()
        } else {
            received.document.text
        };
        let parse = move || Form::parse(&text).map_err(|message| codes.unreadable(message));
        let form = read_sized(bytes, parse).await.map_err(refuse)?;
        let route = route::by_form(&self.services, service, &form)
            .map_err(|(spoken, message)| (spoken, codes.unknown(message)))?;
        let spoken = Spoken::by(route.service.facts());
        let refuse = |error| (spoken, error);
        let sender = self
            .sender(route.operation, ProtocolName::Query, signed)
            .await
            .map_err(refuse)?;
        let given = Given {
            form,
            ..Given::default()
        };
        let printed = run(route, sender, origin, given, received.held).await;
        printed
            .map(|printed| (spoken, route.operation, printed))
            .map_err(refuse)
    }

    /// Returns the sender, or an error if the operation needs a signature and the request has no valid one.
    async fn sender(
        &self,
        operation: &OperationFacts,
        protocol: ProtocolName,
        signed: Result<Signed, Unsigned>,
    ) -> Result<Option<Sender>, ServiceError> {
        let codes = codes::of(protocol);
        let signed = match signed {
            Ok(signed) => signed,
            Err(Unsigned::Missing) if operation.unsigned => return Ok(None),
            Err(unsigned) => return Err(unsigned.into_error(codes)),
        };
        self.platform
            .identify(signed)
            .await
            .map(Some)
            .map_err(|unidentified| match unidentified {
                Unidentified::Expired => ServiceError::new(&codes.expired, unidentified.to_string()),
                Unidentified::Unknown => ServiceError::new(&codes.unknown_key, unidentified.to_string()),
                Unidentified::Store(error) => error.into(),
            })
    }
}

async fn run(
    route: Route<'_>,
    sender: Option<Sender>,
    origin: Origin,
    given: Given,
    held: HeldBody,
) -> Result<Printed, ServiceError> {
    let call = Call {
        number: route.number,
        operation: route.operation,
        sender,
        origin,
    };
    let printed = route.service.run(call, given).await;
    // The memory counted for the body is in use until here.
    drop(held);
    printed
}

fn check_content(spoken: Spoken, headers: &HeaderMap) -> Result<(), ServiceError> {
    let codes = codes::of(spoken.protocol);
    let media_type = route::media_type(headers);
    let version = media_type
        .get(.."application/x-amz-json-".len())
        .filter(|head| head.eq_ignore_ascii_case("application/x-amz-json-"))
        .and_then(|head| media_type.get(head.len()..));
    match spoken.protocol {
        ProtocolName::Json if version != Some(spoken.json_version) => {
            let version = spoken.json_version;
            let message = format!("the content type must be `application/x-amz-json-{version}`");
            return Err(codes.unknown(message));
        }
        ProtocolName::Query if !route::is_form_content(headers) => {
            let message = "the content type must be `application/x-www-form-urlencoded`";
            return Err(codes.unknown(message));
        }
        _ => {}
    }
    let encoding = headers.get(header::CONTENT_ENCODING);
    match encoding.map(|value| value.to_str().unwrap_or_default()) {
        Some(encoding) if !encoding.trim().eq_ignore_ascii_case("identity") => {
            let message = "the body must not be encoded: leave out `Content-Encoding`";
            Err(codes.unreadable(message))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
