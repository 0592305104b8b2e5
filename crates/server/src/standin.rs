//! Stand-ins for what the rooms to the left will provide, with the same names.

use std::{fs::File, sync::Arc};

use bytes::Bytes;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    Http,
    Https,
}

impl std::fmt::Display for Scheme {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::Https => "https",
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub scheme: Scheme,
    pub authority: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RepositoryUriShape {
    Request,
    Aws,
}

#[derive(Clone, Debug)]
pub struct Configuration {
    pub default_account: ecru_model::RegistryId,
    pub dev_users: bool,
    pub public_endpoint: Option<Endpoint>,
    pub repository_uri: RepositoryUriShape,
}

pub struct Service {
    pub store: ecru_store::Store,
    pub configuration: Configuration,
}

pub mod ecru_oci {
    use super::*;

    pub enum Body {
        Empty,
        Bytes(Bytes),
        Content { reader: File, first: u64, length: u64 },
    }

    pub async fn handle<B>(_: &Arc<Service>, request: http::Request<B>, _: Endpoint) -> http::Response<Body> {
        let _ = request;
        let mut response = http::Response::new(Body::Empty);
        *response.status_mut() = http::StatusCode::NOT_IMPLEMENTED;
        response
    }
}

pub mod ecru_awsjson {
    use super::*;

    pub async fn handle<B>(
        _: &Arc<Service>,
        request: http::Request<B>,
        _: Endpoint,
    ) -> http::Response<Bytes> {
        let _ = request;
        let mut response = http::Response::new(Bytes::from_static(b"{}"));
        *response.status_mut() = http::StatusCode::NOT_IMPLEMENTED;
        response
    }
}
