//! Scripts that store blobs and whole images. Each request of a connection follows from the answer before.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};
use std::vec;

use anyhow::{Context, Result, bail};

use crate::load::{Blob, Request, Response, Script};
use crate::wire::{self, Client};

/// The blobs, and the manifest if there is one, that a connection stores as a unit.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    pub(crate) blobs: Vec<Blob>,
    /// Whether a HEAD precedes each blob, as with clients that push layers.
    pub(crate) asks_first: bool,
    /// The tag and the manifest that conclude the work.
    pub(crate) manifest: Option<(String, String)>,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Asked(usize),
    Begun(usize),
    Sent(usize),
    Concluded,
}

pub(crate) struct Uploads {
    client: Client,
    repository: String,
    work: vec::IntoIter<Rc<Work>>,
    until: Instant,
    now: HashMap<usize, (Rc<Work>, Step)>,
    /// Number of completed units of work.
    pub(crate) done: usize,
}

impl Uploads {
    pub(crate) fn new(client: &Client, repository: &str, work: Vec<Rc<Work>>, duration: Duration) -> Self {
        Self {
            client: client.clone(),
            repository: repository.to_owned(),
            work: work.into_iter(),
            until: Instant::now() + duration,
            now: HashMap::new(),
            done: 0,
        }
    }

    fn begin(&mut self, connection: usize) -> Option<Rc<Request>> {
        if Instant::now() >= self.until {
            return None;
        }
        let work = self.work.next()?;
        Some(self.turn_to(connection, work, 0))
    }

    /// Begins the blob of this number. After the last one, concludes the work.
    fn turn_to(&mut self, connection: usize, work: Rc<Work>, number: usize) -> Rc<Request> {
        let (step, request) = match (work.blobs.get(number), &work.manifest) {
            (Some(blob), _) if work.asks_first => {
                let path = format!("/v2/{}/blobs/{}", self.repository, blob.digest);
                (Step::Asked(number), self.client.ask("HEAD", &path))
            }
            (Some(_), _) => (Step::Begun(number), self.client.begin_upload(&self.repository)),
            (None, Some((tag, manifest))) => (
                Step::Concluded,
                self.client.put_manifest(&self.repository, tag, manifest),
            ),
            // Unreachable: the caller has checked that something is left to do.
            (None, None) => (Step::Concluded, self.client.ask("GET", "/v2/")),
        };
        self.now.insert(connection, (work, step));
        request
    }

    fn go_on(&mut self, connection: usize, response: &Response<'_>) -> Result<Option<Rc<Request>>> {
        let (work, step) = self.now.remove(&connection).context("an answer to nothing")?;
        match step {
            Step::Asked(number) => match response.status {
                200 => Ok(Some(self.turn_to(connection, work, number + 1))),
                404 => {
                    self.now.insert(connection, (work, Step::Begun(number)));
                    Ok(Some(self.client.begin_upload(&self.repository)))
                }
                status => bail!("HEAD of a blob answered {status}"),
            },
            Step::Begun(number) => {
                let path = wire::location(response)?;
                let blob = work.blobs.get(number).context("no such blob")?;
                let request = self.client.finish_upload(&path, blob);
                self.now.insert(connection, (work, Step::Sent(number)));
                Ok(Some(request))
            }
            Step::Sent(number) => {
                response.expect(201)?;
                if number + 1 == work.blobs.len() && work.manifest.is_none() {
                    self.done += 1;
                    return Ok(self.begin(connection));
                }
                Ok(Some(self.turn_to(connection, work, number + 1)))
            }
            Step::Concluded => {
                response.expect(201)?;
                self.done += 1;
                Ok(self.begin(connection))
            }
        }
    }
}

impl Script for Uploads {
    fn next(&mut self, connection: usize, response: Option<&Response<'_>>) -> Result<Option<Rc<Request>>> {
        match response {
            None => Ok(self.begin(connection)),
            Some(response) => self.go_on(connection, response),
        }
    }
}
