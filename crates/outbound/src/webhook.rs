//! A webhook: receives each event in a request of its own, in the form that EventBridge delivers to a target.

use ecru_registry::events::{Delivery, Envelope, EventSink};
use reqwest::Url;

use crate::ClientError;
use crate::client::{Target, send};

pub struct Webhook {
    target: Target,
    key: String,
}

impl Webhook {
    pub fn new(url: Url) -> Result<Self, ClientError> {
        let target = Target::new(url)?;
        let key = target.key("webhook");
        Ok(Self { target, key })
    }

    async fn post(&self, event: &Envelope) -> Result<(), ClientError> {
        let request = self.target.post("application/json", event.to_json().to_string());
        send(request).await.map(drop)
    }
}

impl EventSink for Webhook {
    fn key(&self) -> &str {
        &self.key
    }

    fn label(&self) -> &str {
        self.target.label()
    }

    fn events_max(&self) -> usize {
        1
    }

    fn deliver<'a>(&'a self, events: &'a [Envelope]) -> Delivery<'a> {
        Box::pin(async move {
            for event in events {
                self.post(event).await?;
            }
            Ok(Vec::new())
        })
    }
}
