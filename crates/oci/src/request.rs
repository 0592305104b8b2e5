//! A request as the handlers see it: the caller, the base of addresses in answers, and the parsed headers and
//! query.

use ecru_model::{Digest, ImageTag, RepositoryName};
use ecru_registry::Context;
use ecru_registry::images::Reference;
use ecru_store::UploadId;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::query::Query;
use crate::refusal::Refusal;

/// The longest list of names that a request may ask for; a greater `n` is reduced to it.
pub(crate) const PAGE_MAX: u32 = 1000;
/// The page length of ECR if `n` is missing.
const PAGE_DEFAULT: u32 = 100;
const LAST_CHARACTERS_MAX: usize = 300;
/// The limit of the specification. Images stored through the JSON API may have tags of up to 300 characters.
const TAG_CHARACTERS_MAX: usize = 128;

pub(crate) struct Asked<'a> {
    pub(crate) ctx: &'a Context,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) query: &'a Query<'a>,
}

impl Asked<'_> {
    pub(crate) fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// An address below `/v2/`. It is absolute, with the scheme and authority that the client used, because
    /// some clients cannot resolve a relative `Location`.
    pub(crate) fn location(&self, below: &str) -> Result<HeaderValue, Refusal> {
        let address = format!("{}/v2/{below}", self.ctx.endpoint);
        HeaderValue::try_from(address).map_err(|_| Refusal::internal())
    }

    pub(crate) fn limit(&self) -> Result<u32, Refusal> {
        let Some(n) = self.query.find("n") else {
            return Ok(PAGE_DEFAULT);
        };
        if !n.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Refusal::unsupported("`n` must be a number"));
        }
        Ok(n.parse().unwrap_or(PAGE_MAX).min(PAGE_MAX))
    }

    /// The name after which a list continues. It need not exist, so only its form is checked.
    pub(crate) fn last(&self) -> Result<Option<&str>, Refusal> {
        let Some(last) = self.query.find("last") else {
            return Ok(None);
        };
        let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b'/');
        if last.len() > LAST_CHARACTERS_MAX || !last.bytes().all(known) {
            return Err(Refusal::unsupported("`last` must be a name"));
        }
        Ok(Some(last))
    }

    /// The digest names the content without an encoding, and nothing here decodes it.
    pub(crate) fn refuse_encoded(&self) -> Result<(), Refusal> {
        match self.headers.get(header::CONTENT_ENCODING) {
            None => Ok(()),
            Some(encoding) if encoding.as_bytes().eq_ignore_ascii_case(b"identity") => Ok(()),
            Some(_) => Err(Refusal::encoded()),
        }
    }

    /// Whether the client already has the content of this `ETag`.
    pub(crate) fn has(&self, etag: &str) -> bool {
        let Some(known) = self.header(header::IF_NONE_MATCH) else {
            return false;
        };
        known
            .split(',')
            .map(str::trim)
            .any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one) == etag)
    }
}

pub(crate) fn repository(name: &str) -> Result<RepositoryName, Refusal> {
    RepositoryName::parse(name).map_err(|_| Refusal::name_invalid("the repository name is not valid"))
}

pub(crate) fn digest(text: &str) -> Result<Digest, Refusal> {
    Digest::parse(text).map_err(|_| Refusal::digest_invalid())
}

/// No upload has an id of another form.
pub(crate) fn upload_id(text: &str) -> Result<UploadId, Refusal> {
    UploadId::parse(text).ok_or_else(Refusal::upload_unknown)
}

/// Only a digest contains a colon.
pub(crate) fn reference(text: &str) -> Result<Reference, Refusal> {
    if text.contains(':') {
        return digest(text).map(Reference::Digest);
    }
    ImageTag::parse(text)
        .map(Reference::Tag)
        .map_err(|_| Refusal::tag_invalid())
}

/// A tag that a push may use: the specification permits less here than ECR.
pub(crate) fn new_tag(text: &str) -> Result<ImageTag, Refusal> {
    let first = text.bytes().next();
    if text.len() > TAG_CHARACTERS_MAX || matches!(first, Some(b'.' | b'-')) {
        return Err(Refusal::tag_invalid());
    }
    ImageTag::parse(text).map_err(|_| Refusal::tag_invalid())
}
