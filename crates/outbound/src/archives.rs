//! Fetches large files from one server: in parts that can be continued, through a proxy if the environment
//! names one.

use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{
    CONTENT_ENCODING, CONTENT_RANGE, ETAG, HeaderMap, HeaderName, IF_NONE_MATCH, IF_RANGE, LOCATION, RANGE,
};
use reqwest::{Client, Response, StatusCode, Url, redirect};

use crate::upstream::{PublicOnly, is_public_host};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const REDIRECTIONS_MAX: usize = 5;
const VERSION_BYTES_MAX: usize = 256;

/// The resources that a server may use.
#[derive(Clone, Copy, Debug)]
pub struct ArchiveLimits {
    pub bytes_max: u64,
    /// The longest time without a byte.
    pub stall_max: Duration,
    /// The longest time for one answer.
    pub time_max: Duration,
}

impl Default for ArchiveLimits {
    fn default() -> Self {
        Self {
            bytes_max: 2 << 30,
            stall_max: Duration::from_secs(30),
            time_max: Duration::from_hours(6),
        }
    }
}

/// A server with archives.
pub struct Archives {
    base: Url,
    limits: ArchiveLimits,
    own: OnceLock<Client>,
    others: OnceLock<Client>,
}

/// The data that is already stored.
#[derive(Clone, Copy, Debug, Default)]
pub struct Held<'a> {
    /// The version of a whole archive.
    pub whole: Option<&'a str>,
    /// The version of a part of an archive, and the length of the part.
    pub part: Option<(&'a str, u64)>,
}

pub enum Answer {
    /// The stored archive is the newest.
    Unchanged,
    /// There is no such archive.
    Absent,
    Coming(Coming),
}

/// An archive that is being received.
#[derive(Debug)]
pub struct Coming {
    response: Response,
    /// The offset of the next byte in the archive.
    pub at: u64,
    /// The length of the whole archive, if the server reports it.
    pub length: Option<u64>,
    /// Identifies exactly this content of the archive.
    pub version: Option<String>,
    bytes_max: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("the HTTP client cannot be made")]
    Setup(#[source] reqwest::Error),
    #[error("the server did not answer")]
    Unanswered(#[source] reqwest::Error),
    #[error("the answer was cut off")]
    Cut(#[source] reqwest::Error),
    #[error("the answer was cut off")]
    Short,
    #[error("the answer was {0}")]
    Refused(StatusCode),
    #[error("the archive is larger than 2 GiB")]
    TooLarge,
    #[error("the answer {0}")]
    Unusable(&'static str),
}

impl FetchError {
    /// Whether another attempt may succeed.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unanswered(_) | Self::Cut(_) | Self::Short => true,
            Self::Refused(status) => status.is_server_error() || *status == StatusCode::TOO_MANY_REQUESTS,
            Self::Setup(_) | Self::TooLarge | Self::Unusable(_) => false,
        }
    }
}

impl Archives {
    /// The archives are below `base`, which names a directory.
    pub fn new(base: Url, limits: ArchiveLimits) -> Self {
        Self {
            base,
            limits,
            own: OnceLock::new(),
            others: OnceLock::new(),
        }
    }

    /// Requests `<base>/<parts>`. Each part is percent-encoded.
    pub async fn fetch(&self, parts: &[&str], held: Held<'_>) -> Result<Answer, FetchError> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| FetchError::Unusable("would come from an address that has no paths"))?
            .pop_if_empty()
            .extend(parts);
        for _ in 0..=REDIRECTIONS_MAX {
            let response = self.ask(&url, held).await?;
            let status = response.status();
            match status {
                StatusCode::NOT_MODIFIED if held.whole.is_some() => return Ok(Answer::Unchanged),
                StatusCode::OK | StatusCode::PARTIAL_CONTENT => {
                    return self.coming(response, held).map(Answer::Coming);
                }
                // The stored part cannot be continued.
                StatusCode::RANGE_NOT_SATISFIABLE if held.part.is_some() => {
                    let whole = Held { part: None, ..held };
                    let response = self.ask(&url, whole).await?;
                    if response.status() != StatusCode::OK {
                        return Err(FetchError::Refused(response.status()));
                    }
                    return self.coming(response, whole).map(Answer::Coming);
                }
                StatusCode::NOT_FOUND => return Ok(Answer::Absent),
                status if status.is_redirection() => url = redirected(&url, response.headers())?,
                status => return Err(FetchError::Refused(status)),
            }
        }
        Err(FetchError::Unusable("leads to more than five other addresses"))
    }

    async fn ask(&self, url: &Url, held: Held<'_>) -> Result<Response, FetchError> {
        let mut request = self.client(url)?.get(url.clone()).timeout(self.limits.time_max);
        match held {
            Held {
                part: Some((version, at)),
                ..
            } if at > 0 => {
                request = request
                    .header(RANGE, format!("bytes={at}-"))
                    .header(IF_RANGE, version);
            }
            Held {
                whole: Some(version), ..
            } => request = request.header(IF_NONE_MATCH, version),
            Held { .. } => {}
        }
        request
            .send()
            .await
            .map_err(|error| FetchError::Unanswered(error.without_url()))
    }

    /// The server that the user named may have any address. An address that it redirects to must be public.
    fn client(&self, url: &Url) -> Result<&Client, FetchError> {
        let is_own = url.origin() == self.base.origin();
        if !is_own && (url.scheme() != "https" || !is_public_host(url)) {
            return Err(FetchError::Unusable(
                "leads to an address that is not public, or not HTTPS",
            ));
        }
        let slot = if is_own { &self.own } else { &self.others };
        if let Some(client) = slot.get() {
            return Ok(client);
        }
        let builder = Client::builder()
            .user_agent(concat!("ecru/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(self.limits.stall_max);
        let builder = match (is_own, url.scheme()) {
            // Plain HTTP needs no certificates, and a small container has none.
            (true, "http") => builder.tls_certs_only([]),
            (true, _) => builder,
            (false, _) => builder.dns_resolver(PublicOnly),
        };
        let client = builder.build().map_err(FetchError::Setup)?;
        Ok(slot.get_or_init(|| client))
    }

    fn coming(&self, response: Response, held: Held<'_>) -> Result<Coming, FetchError> {
        let headers = response.headers();
        if headers.contains_key(CONTENT_ENCODING) {
            return Err(FetchError::Unusable("is in an encoding that was not asked for"));
        }
        let version = version(headers);
        let (at, length) = if response.status() == StatusCode::PARTIAL_CONTENT {
            let (at, length) = range(headers).ok_or(FetchError::Unusable("does not say which part it is"))?;
            let continued = held.part.is_some_and(|(known, length)| {
                at == length && version.as_deref().is_none_or(|version| version == known)
            });
            if !continued {
                return Err(FetchError::Unusable("is another part than the one asked for"));
            }
            (at, Some(length))
        } else {
            (0, response.content_length())
        };
        if length.is_some_and(|length| length > self.limits.bytes_max) {
            return Err(FetchError::TooLarge);
        }
        Ok(Coming {
            response,
            at,
            length,
            version,
            bytes_max: self.limits.bytes_max,
        })
    }
}

impl Coming {
    /// Returns `None` at the end, when all bytes have arrived.
    pub async fn next(&mut self) -> Result<Option<Bytes>, FetchError> {
        let piece = self.response.chunk().await;
        let Some(piece) = piece.map_err(|error| FetchError::Cut(error.without_url()))? else {
            return match self.length {
                Some(length) if length != self.at => Err(FetchError::Short),
                _ => Ok(None),
            };
        };
        self.at = self.at.saturating_add(piece.len() as u64);
        if self.at > self.length.unwrap_or(self.bytes_max) {
            return Err(FetchError::TooLarge);
        }
        Ok(Some(piece))
    }
}

fn redirected(from: &Url, headers: &HeaderMap) -> Result<Url, FetchError> {
    let target = text(headers, &LOCATION).and_then(|location| from.join(location).ok());
    let target = target.ok_or(FetchError::Unusable("leads to no address"))?;
    if from.scheme() == "https" && target.scheme() != "https" {
        return Err(FetchError::Unusable("leads from HTTPS to an address without it"));
    }
    Ok(target)
}

/// A version that identifies exactly these bytes.
fn version(headers: &HeaderMap) -> Option<String> {
    let version = text(headers, &ETAG)?;
    let strong = version.len() <= VERSION_BYTES_MAX && version.starts_with('"') && version.ends_with('"');
    strong.then(|| version.to_owned())
}

/// Parses `bytes 10-99/100`: the offset of the part, and the length of the whole.
fn range(headers: &HeaderMap) -> Option<(u64, u64)> {
    let (place, length) = text(headers, &CONTENT_RANGE)?
        .strip_prefix("bytes ")?
        .split_once('/')?;
    let (first, last) = place.split_once('-')?;
    let (first, last, length) = (
        first.parse().ok()?,
        last.parse::<u64>().ok()?,
        length.parse().ok()?,
    );
    (last.checked_add(1)? == length && first <= last).then_some((first, length))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests;
