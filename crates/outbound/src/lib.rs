//! HTTP to other servers: implements the outbound ports of the registry. No other crate has an HTTP client.

mod archives;
mod client;
mod event_bridge;
mod upstream;
mod webhook;

pub use archives::{Answer, ArchiveLimits, Archives, Coming, FetchError, Held};
pub use client::ClientError;
pub use event_bridge::EventBridge;
pub use reqwest::Url;
pub use upstream::{OtherRegistries, parse_host, parse_redirection};
pub use webhook::Webhook;
