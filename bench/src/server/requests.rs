//! Requests that prepare a server for a measurement.

use std::rc::Rc;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::Server;
use crate::contestant::Contestant;
use crate::load::{Blob, Request, exchange};
use crate::wire::{Client, call, location};

impl Server {
    /// A logged-in client: it sends a token where the server issues one. All requests of a run share it.
    pub(crate) fn client(&self) -> Result<&Client> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = match self.contestant {
            Contestant::Ecru | Contestant::EcruLogging => logged_in(self)?,
            // An emulator may not accept the token that it issues.
            it if Contestant::EMULATORS.contains(&it) => logged_in(self).unwrap_or_else(|_| Client::test()),
            _ => Client::test(),
        };
        Ok(self.client.get_or_init(|| client))
    }

    /// Calls the ECR API and returns the output.
    pub(crate) fn call(&self, operation: &str, input: &Value) -> Result<Value> {
        exchange(self.address, call(operation, input), |response| {
            response.expect(200)?;
            Ok(serde_json::from_slice(response.body)?)
        })
        .with_context(|| format!("{operation} of {}", self.contestant))
    }

    pub(crate) fn expect(&self, request: Rc<Request>, status: u16) -> Result<()> {
        exchange(self.address, request, |response| response.expect(status))
    }

    /// Creates a repository in the emulators. The registries create it with the first push.
    pub(crate) fn make_repository(&self, name: &str) -> Result<()> {
        let needs_it = Contestant::EMULATORS.contains(&self.contestant);
        if needs_it || self.contestant == Contestant::EcruLogging {
            self.call("CreateRepository", &json!({"repositoryName": name}))?;
        }
        Ok(())
    }

    /// Stores a blob as clients do.
    pub(crate) fn push_blob(&self, repository: &str, blob: &Blob) -> Result<()> {
        let client = self.client()?;
        let path = exchange(self.address, client.begin_upload(repository), location)?;
        self.expect(client.finish_upload(&path, blob), 201)
            .with_context(|| format!("a push to {}", self.contestant))
    }

    /// Checks that the server returns the manifest that was sent.
    pub(crate) fn check_manifest(&self, repository: &str, tag: &str, manifest: &str) -> Result<()> {
        let path = format!("/v2/{repository}/manifests/{tag}");
        exchange(self.address, self.client()?.ask("GET", &path), |response| {
            response.expect(200)?;
            ensure!(
                response.body == manifest.as_bytes(),
                "the server returned another manifest"
            );
            Ok(())
        })
    }
}

fn logged_in(server: &Server) -> Result<Client> {
    let output = server.call("GetAuthorizationToken", &json!({}))?;
    let token = output.pointer("/authorizationData/0/authorizationToken");
    let token = token.and_then(Value::as_str).context("no token")?;
    Ok(Client::with_token(token))
}
