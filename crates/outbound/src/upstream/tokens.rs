//! Tokens that registries gave, as long as they are of use.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use ecru_model::Digest;
use ecru_registry::pull_through_cache::Upstream;
use reqwest::header::HeaderValue;
use serde::Deserialize;

const TOKENS_MAX: usize = 256;
/// What a token that does not say it lives for, and the longest that one is kept.
const SECONDS_DEFAULT: u64 = 60;
const SECONDS_MAX: u64 = 300;
/// So much earlier it is no longer used.
const MARGIN: Duration = Duration::from_secs(10);

/// For which registry and repository, and for whom.
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

/// What a token service answers.
#[derive(Deserialize)]
pub(super) struct Issued {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

impl Issued {
    /// The header that shows the token, and how long it lives.
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
