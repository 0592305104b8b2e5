//! The interface of event sinks; its implementations are outside this crate.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;

use super::Envelope;

pub type SinkError = Box<dyn Error + Send + Sync>;

/// The positions of the delivered events that the sink did not accept, or the reason why it accepted none.
pub type Delivery<'a> = Pin<Box<dyn Future<Output = Result<Vec<usize>, SinkError>> + Send + 'a>>;

pub trait EventSink: Send + Sync {
    /// The name under which the store remembers its position in the events. Contains no secret.
    fn key(&self) -> &str;

    /// A name for people. Contains no secret.
    fn label(&self) -> &str;

    /// The maximum number of events in one delivery.
    fn events_max(&self) -> usize;

    /// Delivers events of one registry, no two of one repository. Returns within a bounded time.
    fn deliver<'a>(&'a self, events: &'a [Envelope]) -> Delivery<'a>;
}
