//! Answers a request: applies the rules for all APIs, then calls the addressed API.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use ecru_aws::{Origin, Wire};
use ecru_control::Control;
use ecru_registry::{Endpoint, Scheme};
use ecru_store::BlobContent;
use http::{Method, Request, Response, header};
use http_body::Body;

use crate::{
    authority::Authority,
    browsers::{self, Visited},
    compose::Services,
    forwarded,
    hosts::Hosts,
    own_api,
    refusals::{Api, BAD_HOST, FOREIGN_PAGE, host_not_served},
    reply::Content,
};

pub(crate) struct Application {
    pub(crate) services: Services,
    pub(crate) public: Option<Authority>,
    pub(crate) hosts: Hosts,
    pub(crate) aws: Wire,
    /// Absent if the control API is switched off.
    pub(crate) control: Option<Control>,
}

/// The connection that a request arrived on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) scheme: Scheme,
    pub(crate) local: SocketAddr,
    pub(crate) source: IpAddr,
}

impl Application {
    pub(crate) async fn answer<B>(&self, mut request: Request<B>, arrival: Arrival) -> Response<Content>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let api = self.api(&request);
        let Some(authority) = Authority::of_request(&request, arrival.local) else {
            return BAD_HOST.answer(api);
        };
        if !self.hosts.answer_for(&authority) {
            return host_not_served(&authority).answer(api);
        }
        let visited = Visited {
            authority: &authority,
            public: self.public.as_ref(),
        };
        if browsers::is_foreign(request.headers(), &visited) {
            return FOREIGN_PAGE.answer(api);
        }

        let scheme = forwarded::scheme(request.headers()).unwrap_or(arrival.scheme);
        let endpoint = self.endpoint(&authority, scheme);
        match api {
            Api::Aws => {
                let origin = Origin {
                    https: endpoint.scheme == Scheme::Https,
                    authority: endpoint.authority,
                    source: arrival.source,
                };
                self.aws.handle(request, origin).await.map(Content::from)
            }
            Api::Oci => ecru_oci::handle(&self.services.ecr, request, endpoint, arrival.source)
                .await
                .map(from_oci),
            // Boxed, so that requests to the other APIs do not reserve its size.
            Api::Own => Box::pin(self.own(&mut request, &endpoint)).await,
        }
    }

    async fn own<B>(&self, request: &mut Request<B>, endpoint: &Endpoint) -> Response<Content>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        if let Some(control) = &self.control
            && let Some(answer) = ecru_control::answer(control, endpoint, request).await
        {
            return answer.map(Content::from);
        }
        own_api::answer(&self.services, request)
    }

    fn endpoint(&self, authority: &Authority, scheme: Scheme) -> Endpoint {
        let public = self.services.ecr.configuration.public_endpoint.clone();
        public.unwrap_or_else(|| Endpoint {
            scheme,
            authority: authority.as_str().to_owned(),
        })
    }

    /// A mounted service never handles paths below `/_`.
    pub(crate) fn api<B>(&self, request: &Request<B>) -> Api {
        match api(request) {
            Api::Own
                if !request.uri().path().starts_with("/_")
                    && self.aws.claims(request.method(), request.uri()) =>
            {
                Api::Aws
            }
            api => api,
        }
    }
}

fn api<B>(request: &Request<B>) -> Api {
    // A path that begins with extra slashes is a registry path too: some clients send it.
    let path = request.uri().path();
    let path = path.strip_prefix('/').map_or(path, |below| {
        let below = below.trim_start_matches('/');
        path.get(path.len() - below.len() - 1..).unwrap_or(path)
    });
    if path == "/v2" || path.starts_with("/v2/") {
        Api::Oci
    } else if request.method() == Method::POST
        && (path == "/" || request.headers().contains_key("x-amz-target"))
    {
        Api::Aws
    } else {
        Api::Own
    }
}

fn from_oci(body: ecru_oci::Body) -> Content {
    match body {
        ecru_oci::Body::Empty => Content::Empty,
        ecru_oci::Body::Bytes(bytes) => Content::from(bytes),
        ecru_oci::Body::Content {
            reader,
            first,
            length,
        } => match reader.into_content() {
            BlobContent::File(file) => Content::File { file, first, length },
            BlobContent::Bytes(bytes) => part_of(&bytes, first, length),
        },
        ecru_oci::Body::Arriving(arriving) => Content::Arriving {
            length: arriving.size_bytes,
            pieces: arriving.pieces,
        },
    }
}

fn part_of(bytes: &Bytes, first: u64, length: u64) -> Content {
    let first = usize::try_from(first).unwrap_or(usize::MAX).min(bytes.len());
    let last = usize::try_from(length)
        .map_or(bytes.len(), |length| first.saturating_add(length))
        .min(bytes.len());
    Content::from(bytes.slice(first..last))
}

/// HEAD is answered with the headers of GET, including the length of the omitted body.
pub(crate) fn without_body(response: Response<Content>) -> Response<Content> {
    let (mut parts, content) = response.into_parts();
    let length = content.length();
    if length > 0 {
        parts
            .headers
            .entry(header::CONTENT_LENGTH)
            .or_insert_with(|| length.into());
    }
    Response::from_parts(parts, Content::Empty)
}
