//! Requests outside the measured time, for set-up and clean-up.

use std::net::SocketAddr;
use std::rc::Rc;

use anyhow::Result;

use crate::load::{Each, Request, Response, Script, run};

/// Sends one request and returns the result of `look` for its answer.
pub(crate) fn exchange<T>(
    address: SocketAddr,
    request: Rc<Request>,
    look: impl FnMut(&Response<'_>) -> Result<T>,
) -> Result<T> {
    let mut script = Once {
        request: Some(request),
        look,
        seen: None,
    };
    run(address, 1, &mut script)?;
    script.seen.ok_or_else(|| anyhow::anyhow!("no answer"))
}

/// Sends all requests. Each must be answered with this status.
pub(crate) fn exchange_all(
    address: SocketAddr,
    connections: usize,
    requests: Vec<Rc<Request>>,
    status: u16,
) -> Result<()> {
    let connections = connections.min(requests.len());
    run(address, connections, &mut Each::new(requests, status)).map(drop)
}

struct Once<T, F> {
    request: Option<Rc<Request>>,
    look: F,
    seen: Option<T>,
}

impl<T, F: FnMut(&Response<'_>) -> Result<T>> Script for Once<T, F> {
    fn next(&mut self, _connection: usize, response: Option<&Response<'_>>) -> Result<Option<Rc<Request>>> {
        if let Some(response) = response {
            self.seen = Some((self.look)(response)?);
        }
        Ok(self.request.take())
    }

    fn keeps_bodies(&self) -> bool {
        true
    }
}
