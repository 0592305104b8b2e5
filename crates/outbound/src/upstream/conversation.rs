//! One request to a registry, with its authentication and every redirection on the way to the answer.

use std::sync::OnceLock;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ecru_registry::pull_through_cache::{Credentials, Upstream, UpstreamError};
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderValue, LOCATION, WWW_AUTHENTICATE};
use reqwest::{Client, Method, Response, StatusCode, Url, redirect};

use super::addresses::PublicOnly;
use super::challenge::Challenge;
use super::places::{Place, Places, Road};
use super::tokens::{Issued, Key, Tokens};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest time without a byte.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest time for an answer that is read whole.
pub(super) const WHOLE_TIMEOUT: Duration = Duration::from_mins(1);
const REDIRECTIONS_MAX: usize = 5;
const TOKEN_BYTES_MAX: usize = 1024 * 1024;

/// Registries whose tokens come from another host of the same operator.
const TOKEN_SERVICES: [(&str, &str); 2] = [
    ("registry-1.docker.io", "auth.docker.io"),
    ("registry.gitlab.com", "gitlab.com"),
];

pub(super) struct Conversations {
    pub(super) places: Places,
    tokens: Tokens,
    public: OnceLock<Client>,
    named: OnceLock<Client>,
    plain: OnceLock<Client>,
}

pub(super) struct Question<'a> {
    pub(super) method: Method,
    /// Below the registry's base.
    pub(super) path: String,
    pub(super) accept: Option<&'static str>,
    /// The repository, empty for the registry itself.
    pub(super) name: &'a str,
    /// The time limit for the whole answer, if there is one.
    pub(super) timeout: Option<Duration>,
}

/// A credential, and the only place that may receive it.
struct Leave {
    at: Place,
    header: HeaderValue,
}

impl Conversations {
    pub(super) fn new(places: Places) -> Self {
        Self {
            places,
            tokens: Tokens::default(),
            public: OnceLock::new(),
            named: OnceLock::new(),
            plain: OnceLock::new(),
        }
    }

    /// Returns the answer if its status is a success.
    pub(super) async fn ask(
        &self,
        upstream: &Upstream,
        question: &Question<'_>,
    ) -> Result<Response, UpstreamError> {
        let base = self.places.base(&upstream.host)?;
        let own = place_of(&base)?;
        let mut url = base.join(&question.path).map_err(|_| NO_ADDRESS)?;
        let key = Key::new(upstream, question.name);
        let mut leave = self.tokens.find(&key).map(|header| Leave {
            at: own.clone(),
            header,
        });
        for _ in 0..=REDIRECTIONS_MAX {
            let mut response = self.send(upstream, question, &url, leave.as_ref()).await?;
            if response.status() == StatusCode::UNAUTHORIZED {
                let doorkeeper = Doorkeeper {
                    conversations: self,
                    upstream,
                    own: &own,
                    key: &key,
                };
                leave = Some(doorkeeper.satisfy(&url, &response, question.name).await?);
                response = self.send(upstream, question, &url, leave.as_ref()).await?;
            }
            if !response.status().is_redirection() {
                return succeeded(response);
            }
            url = redirected(&url, &response)?;
        }
        Err(UpstreamError::Unusable("more than five redirections"))
    }

    async fn send(
        &self,
        upstream: &Upstream,
        question: &Question<'_>,
        url: &Url,
        leave: Option<&Leave>,
    ) -> Result<Response, UpstreamError> {
        let client = self.client(self.places.road(&upstream.host, url)?)?;
        let mut request = client.request(question.method.clone(), url.clone());
        if let Some(accept) = question.accept {
            request = request.header(ACCEPT, accept);
        }
        if let Some(timeout) = question.timeout {
            request = request.timeout(timeout);
        }
        let place = place_of(url)?;
        if let Some(leave) = leave.filter(|leave| leave.at == place) {
            request = request.header(AUTHORIZATION, leave.header.clone());
        }
        request.send().await.map_err(unavailable)
    }

    /// Created on first use: plain HTTP needs no certificates, and a small container has none.
    fn client(&self, road: Road) -> Result<&Client, UpstreamError> {
        let (slot, builder) = match road {
            Road::Public => (&self.public, Client::builder().dns_resolver(PublicOnly)),
            Road::Named => (&self.named, Client::builder()),
            Road::Plain => (&self.plain, Client::builder().tls_certs_only([])),
        };
        if let Some(client) = slot.get() {
            return Ok(client);
        }
        let client = builder
            .user_agent(concat!("ecru/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .build()
            .map_err(unavailable)?;
        Ok(slot.get_or_init(|| client))
    }
}

/// Answers the authentication challenges of one request.
struct Doorkeeper<'a> {
    conversations: &'a Conversations,
    upstream: &'a Upstream,
    own: &'a Place,
    key: &'a Key,
}

impl Doorkeeper<'_> {
    async fn satisfy(&self, url: &Url, response: &Response, name: &str) -> Result<Leave, UpstreamError> {
        let headers = response.headers().get_all(WWW_AUTHENTICATE).iter();
        let challenge = Challenge::of(headers.filter_map(|value| value.to_str().ok()));
        let at = place_of(url)?;
        // Only the upstream itself receives its credentials.
        let credentials = self.upstream.credentials.as_ref().filter(|_| at == *self.own);
        match challenge.ok_or(UpstreamError::Denied)? {
            Challenge::Basic => {
                let header = basic(credentials.ok_or(UpstreamError::Denied)?, &at)?;
                Ok(Leave { at, header })
            }
            Challenge::Bearer {
                realm,
                service,
                scope,
            } => {
                let scope = scope.or_else(|| (!name.is_empty()).then(|| format!("repository:{name}:pull")));
                let mut realm = Url::parse(&realm).map_err(|_| NO_ADDRESS)?;
                let wanted = [("service", service), ("scope", scope)];
                for (name, value) in wanted {
                    if let Some(value) = value {
                        realm.query_pairs_mut().append_pair(name, &value);
                    }
                }
                let (header, seconds) = self.token(&realm, credentials).await?;
                if at == *self.own {
                    self.conversations.tokens.keep(self.key.clone(), &header, seconds);
                }
                Ok(Leave { at, header })
            }
        }
    }

    /// Credentials are sent only to the token service of this registry.
    async fn token(
        &self,
        realm: &Url,
        credentials: Option<&Credentials>,
    ) -> Result<(HeaderValue, u64), UpstreamError> {
        let at = place_of(realm)?;
        let leave = match credentials.filter(|_| self.makes_tokens(&at)) {
            Some(credentials) => Some(Leave {
                header: basic(credentials, &at)?,
                at,
            }),
            None => None,
        };
        let question = Question {
            method: Method::GET,
            path: String::new(),
            accept: None,
            name: "",
            timeout: Some(WHOLE_TIMEOUT),
        };
        let response = self
            .conversations
            .send(self.upstream, &question, realm, leave.as_ref())
            .await?;
        let answer = gather(succeeded(response)?, TOKEN_BYTES_MAX).await?;
        let issued = serde_json::from_slice::<Issued>(&answer)
            .ok()
            .and_then(Issued::header);
        issued.ok_or(UpstreamError::Unusable("an invalid token"))
    }

    fn makes_tokens(&self, at: &Place) -> bool {
        let host = self.upstream.host.as_str();
        at == self.own
            || self.own.is_https_of(host)
                && TOKEN_SERVICES
                    .iter()
                    .any(|(registry, service)| *registry == host && at.is_https_of(service))
    }
}

const NO_ADDRESS: UpstreamError = UpstreamError::Unusable("an invalid address");

fn place_of(url: &Url) -> Result<Place, UpstreamError> {
    Place::of(url).ok_or(NO_ADDRESS)
}

fn basic(credentials: &Credentials, at: &Place) -> Result<HeaderValue, UpstreamError> {
    if !at.keeps_secrets() {
        return Err(UpstreamError::Forbidden(
            "credentials do not go over a network without HTTPS",
        ));
    }
    let text = format!("{}:{}", credentials.username, credentials.access_token.reveal());
    let header = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(text)));
    let mut header = header.map_err(|_| UpstreamError::Denied)?;
    header.set_sensitive(true);
    Ok(header)
}

fn redirected(from: &Url, response: &Response) -> Result<Url, UpstreamError> {
    let location = response
        .headers()
        .get(LOCATION)
        .and_then(|value| value.to_str().ok());
    from.join(location.ok_or(NO_ADDRESS)?).map_err(|_| NO_ADDRESS)
}

fn succeeded(response: Response) -> Result<Response, UpstreamError> {
    match response.status() {
        StatusCode::OK => Ok(response),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(UpstreamError::Denied),
        StatusCode::NOT_FOUND => Err(UpstreamError::NotFound),
        StatusCode::TOO_MANY_REQUESTS => Err(UpstreamError::TooManyRequests),
        status => Err(UpstreamError::Failed(status.as_u16())),
    }
}

/// Reads a whole answer, unless it is longer than `bytes_max`.
pub(super) async fn gather(mut response: Response, bytes_max: usize) -> Result<Vec<u8>, UpstreamError> {
    let mut gathered = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(unavailable)? {
        if gathered.len() + piece.len() > bytes_max {
            return Err(UpstreamError::Unusable("an answer that is too long"));
        }
        gathered.extend_from_slice(&piece);
    }
    Ok(gathered)
}

/// The error omits the address: a signed address is a secret.
fn unavailable(error: reqwest::Error) -> UpstreamError {
    UpstreamError::Unavailable(Box::new(error.without_url()))
}
