//! Tokens from registries, cached while they are valid.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ecru_model::Digest;
use ecru_registry::pull_through_cache::Upstream;
use reqwest::header::HeaderValue;
use serde::Deserialize;

const TOKENS_MAX: usize = 256;
/// The lifetime of a token that declares none, and the longest time that a token is kept.
const SECONDS_DEFAULT: u64 = 60;
const SECONDS_MAX: u64 = 300;
/// A token is no longer used this long before it expires.
const MARGIN: Duration = Duration::from_secs(10);

/// The registry, the repository and the credentials of a token.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    host: String,
    name: String,
    who: Option<Digest>,
}

impl Key {
    pub(super) fn new(upstream: &Upstream, name: &str) -> Self {
        let who = upstream.credentials.as_ref().map(|credentials| {
            let text = format!("{}:{}", credentials.username, credentials.access_token.reveal());
            Digest::of(text.as_bytes())
        });
        Self {
            host: upstream.host.clone(),
            name: name.to_owned(),
            who,
        }
    }
}

#[derive(Default)]
pub(super) struct Tokens(Mutex<HashMap<Key, (HeaderValue, Instant)>>);

impl Tokens {
    pub(super) fn find(&self, key: &Key) -> Option<HeaderValue> {
        let tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (token, until) = tokens.get(key)?;
        (Instant::now() < *until).then(|| token.clone())
    }

    pub(super) fn keep(&self, key: Key, token: &HeaderValue, seconds: u64) {
        let life = Duration::from_secs(seconds.min(SECONDS_MAX)).saturating_sub(MARGIN);
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if tokens.len() >= TOKENS_MAX {
            tokens.clear();
        }
        tokens.insert(key, (token.clone(), Instant::now() + life));
    }
}

/// The answer of a token service.
#[derive(Deserialize)]
pub(super) struct Issued {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

impl Issued {
    /// The header with the token, and the token's lifetime.
    pub(super) fn header(self) -> Option<(HeaderValue, u64)> {
        let token = self
            .token
            .or(self.access_token)
            .filter(|token| !token.is_empty())?;
        let mut header = HeaderValue::try_from(format!("Bearer {token}")).ok()?;
        header.set_sensitive(true);
        Some((header, self.expires_in.unwrap_or(SECONDS_DEFAULT)))
    }
}
