//! The OCI Distribution v2 wire: turns requests below `/v2` into calls of the registry, and the results into
//! answers.

mod answer;
mod blobs;
mod codes;
mod credentials;
#[doc(hidden)]
pub mod fuzz;
mod host;
mod incoming;
mod lists;
mod manifests;
mod path;
mod query;
mod range;
mod referrers;
mod refusal;
mod request;
mod uploads;

use std::error::Error;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use ecru_model::RepositoryName;
use ecru_registry::pull_through_cache::Arriving;
use ecru_registry::{Context, Endpoint, Service, authorization, repositories};
use ecru_store::BlobReader;
use http::request::Parts;
use http::{Method, Response};

use crate::credentials::Authorization;
use crate::incoming::Incoming;
use crate::path::Route;
use crate::query::Query;
use crate::refusal::Refusal;
use crate::request::Asked;

/// The body of an answer.
pub enum Body {
    Empty,
    Bytes(Bytes),
    /// `length` bytes of a blob from `first` on.
    Content {
        reader: BlobReader,
        first: u64,
        length: u64,
    },
    /// A whole blob that is still arriving.
    Arriving(Arriving),
}

type Answer = Result<Response<Body>, Refusal>;

/// Answers a request to `/v2` or below it. `endpoint` is the beginning of the addresses in answers, `source`
/// the address of the client.
pub async fn handle<B>(
    service: &Arc<Service>,
    request: http::Request<B>,
    endpoint: Endpoint,
    source: IpAddr,
) -> Response<Body>
where
    B: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let (parts, body) = request.into_parts();
    let mut incoming = Incoming::new(body, &service.bodies);

    let response = match answer(service, &parts, &mut incoming, (&endpoint, source)).await {
        Ok(response) => response,
        Err(refusal) => refusal.into_response(&endpoint),
    };
    answer::finish(response, parts.method == Method::HEAD)
}

async fn answer<B>(
    service: &Arc<Service>,
    parts: &Parts,
    incoming: &mut Incoming<B>,
    (endpoint, source): (&Endpoint, IpAddr),
) -> Answer
where
    B: http_body::Body<Data = Bytes> + Send + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let path = path::decode(parts.uri.path());
    let route = path.as_deref().and_then(Route::parse);
    let query = Query::parse(parts.uri.query());

    // A client without access learns nothing about the path, not even whether it is valid.
    let granted = route.and_then(|route| blobs::granted(&parts.method, &route, &query));
    let mut ctx = match granted {
        Some(granted) => granted.enter(service, endpoint)?,
        None => enter(service, parts, endpoint).await?,
    };
    ctx.source = Some(source);

    if path.is_none() {
        return Err(Refusal::name_invalid("the path is not well-formed"));
    }
    let route = route.ok_or_else(Refusal::no_such_path)?;
    let asked = Asked {
        ctx: &ctx,
        headers: &parts.headers,
        query: &query,
    };
    let served = serve(&asked, &parts.method, route, incoming).await;
    let refusal = match served {
        Ok(response) => return Ok(response),
        Err(refusal) => refusal,
    };
    Err(match route.repository() {
        Some(name) if refusal.is_of_unknown_name() => with_other_regions(&ctx, name, refusal).await,
        _ => refusal,
    })
}

/// Adds the other regions of the caller's account that have a repository of this name.
async fn with_other_regions(ctx: &Context, name: &str, refusal: Refusal) -> Refusal {
    let Ok(name) = RepositoryName::parse(name) else {
        return refusal;
    };
    match repositories::hint_at_other_regions(ctx, &name).await {
        Ok(None) => refusal,
        Ok(Some(hint)) => refusal.adding(&format!("; {hint}")),
        Err(error) => {
            tracing::warn!(
                error = &error as &dyn Error,
                "other regions could not be searched for a repository"
            );
            refusal
        }
    }
}

async fn enter(service: &Arc<Service>, parts: &Parts, endpoint: &Endpoint) -> Result<Context, Refusal> {
    let host = host::scope(parts);
    let presented = credentials::presented(&parts.headers);
    // Checked before the text is decoded, because recognizing known credentials is cheaper than decoding
    // them.
    let known = authorization::enter_again(service, presented, host.as_ref(), endpoint);
    let entered = if let Some(entered) = known {
        entered
    } else {
        let authorization = Authorization::read(&parts.headers);
        let credentials = authorization.credentials();
        authorization::enter(service, presented, credentials, host, endpoint.clone()).await
    };
    entered.map_err(Refusal::entering)
}

/// The long futures are boxed, so that a short request does not reserve their size.
async fn serve<B>(asked: &Asked<'_>, method: &Method, route: Route<'_>, incoming: &mut Incoming<B>) -> Answer
where
    B: http_body::Body<Data = Bytes> + Send + Unpin,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let reads = *method == Method::GET || *method == Method::HEAD;
    match route {
        Route::Base if reads => Ok(answer::base()),
        Route::Catalog if reads => lists::catalog(asked).await,
        Route::Tags { name } if reads => lists::tags(asked, name).await,
        Route::Referrers { name, digest } if reads => Box::pin(referrers::list(asked, name, digest)).await,
        Route::Manifest { name, reference } if *method == Method::GET => {
            manifests::get(asked, name, reference).await
        }
        Route::Manifest { name, reference } if *method == Method::HEAD => {
            manifests::head(asked, name, reference).await
        }
        Route::Manifest { name, reference } if *method == Method::PUT => {
            Box::pin(manifests::put(asked, name, reference, incoming)).await
        }
        Route::Manifest { name, reference } if *method == Method::DELETE => {
            Box::pin(manifests::delete(asked, name, reference)).await
        }
        Route::Blob { name, digest } if *method == Method::GET => {
            Box::pin(blobs::get(asked, name, digest)).await
        }
        Route::Blob { name, digest } if *method == Method::HEAD => {
            Box::pin(blobs::head(asked, name, digest)).await
        }
        Route::Blob { name, digest } if *method == Method::DELETE => {
            Box::pin(blobs::delete(asked, name, digest)).await
        }
        Route::Uploads { name } if *method == Method::POST => {
            Box::pin(uploads::begin(asked, name, incoming)).await
        }
        Route::Upload { name, id } if reads => Box::pin(uploads::status(asked, name, id)).await,
        Route::Upload { name, id } if *method == Method::PATCH => {
            Box::pin(uploads::append(asked, name, id, incoming)).await
        }
        Route::Upload { name, id } if *method == Method::PUT => {
            Box::pin(uploads::finish(asked, name, id, incoming)).await
        }
        Route::Upload { name, id } if *method == Method::DELETE => {
            Box::pin(uploads::cancel(asked, name, id)).await
        }
        other => Err(Refusal::wrong_method(other.methods())),
    }
}
