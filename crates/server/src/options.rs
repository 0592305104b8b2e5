//! What a server is told at its start.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use crate::{
    data_directory::DataDirectory,
    standin::{Endpoint, RepositoryUriShape},
};

#[derive(Clone, Debug)]
pub struct Options {
    pub listen: SocketAddr,
    pub data: DataDirectory,
    pub account_id: String,
    pub public_endpoint: Option<Endpoint>,
    pub repository_uri: RepositoryUriShape,
    pub dev_users: bool,
    pub introspection: bool,
    pub tls: Option<TlsFiles>,
}

#[derive(Clone, Debug)]
pub struct TlsFiles {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Options {
    /// A server for one test or one program: a free port of the loopback address, the usual settings.
    pub fn local(data: DataDirectory) -> Options {
        Options {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            data,
            account_id: "000000000000".to_owned(),
            public_endpoint: None,
            repository_uri: RepositoryUriShape::Request,
            dev_users: true,
            introspection: true,
            tls: None,
        }
    }
}
