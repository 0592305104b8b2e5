//! Where events go; what speaks to it stands outside this crate.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;

use super::Envelope;

pub type SinkError = Box<dyn Error + Send + Sync>;

/// The places, among the events that were handed over, of those that were not taken; or why none was.
pub type Delivery<'a> = Pin<Box<dyn Future<Output = Result<Vec<usize>, SinkError>> + Send + 'a>>;

pub trait EventSink: Send + Sync {
    /// What its place among the events is remembered by. Holds no secret.
    fn key(&self) -> &str;

    /// What people call it. Holds no secret.
    fn label(&self) -> &str;

    /// How many events it takes at once.
    fn events_max(&self) -> usize;

    /// Hands over events of one registry, no two of them of one repository. Ends within a bounded time.
    fn deliver<'a>(&'a self, events: &'a [Envelope]) -> Delivery<'a>;
}
