//! Flag values with a grammar: parses each, and explains an invalid one.

use std::str::FromStr;

use ecru_model::RegistryId;
use ecru_outbound::Url;
use tracing_subscriber::filter::{LevelFilter, Targets};

pub(super) fn parse_account_id(text: &str) -> Result<RegistryId, &'static str> {
    RegistryId::parse(text).map_err(|_| "an account id is 12 digits")
}

pub(super) fn parse_sink(text: &str) -> Result<Url, &'static str> {
    const HINT: &str = "an address is `http://` or `https://`, a host, and optionally port and path";
    let url = Url::parse(text).map_err(|_| HINT)?;
    let known = matches!(url.scheme(), "http" | "https") && url.has_host();
    known.then_some(url).ok_or(HINT)
}

pub(super) fn parse_log_level(text: &str) -> Result<Targets, &'static str> {
    const HINT: &str = "a level is error, warn, info, debug or trace";
    // Without this check, a single word that is not a level would count as a module.
    let level = |part: &str| part.rsplit_once('=').map_or(part, |(_, level)| level).to_owned();
    if text
        .split(',')
        .any(|part| LevelFilter::from_str(&level(part)).is_err())
    {
        return Err(HINT);
    }
    Targets::from_str(text).map_err(|_| HINT)
}
