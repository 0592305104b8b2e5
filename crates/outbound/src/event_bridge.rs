//! EventBridge's `PutEvents`, in AWS JSON 1.1, for every compatible receiver.

use ecru_model::Scope;
use ecru_registry::events::{Delivery, Envelope, EventSink};
use reqwest::Url;
use reqwest::header::AUTHORIZATION;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::ClientError;
use crate::client::{Target, send};

/// The maximum of `PutEvents`.
const ENTRIES_MAX: usize = 10;
const MEDIA_TYPE: &str = "application/x-amz-json-1.1";
const OPERATION: &str = "AWSEvents.PutEvents";

pub struct EventBridge {
    target: Target,
    key: String,
}

impl EventBridge {
    pub fn new(url: Url) -> Result<Self, ClientError> {
        let target = Target::new(url)?;
        let key = target.key("put-events");
        Ok(Self { target, key })
    }

    /// Returns the positions of the events that were not accepted.
    async fn put(&self, events: &[Envelope]) -> Result<Vec<usize>, ClientError> {
        let Some(first) = events.first() else {
            return Ok(Vec::new());
        };
        let request = self
            .target
            .post(MEDIA_TYPE, entries(events).to_string())
            .header("X-Amz-Target", OPERATION)
            .header(AUTHORIZATION, authorization(&first.scope, first.time.as_millis()));
        let answer = send(request).await?;
        let answer = serde_json::from_slice::<Answer>(&answer).map_err(ClientError::Unreadable)?;
        Ok(answer.refused(events.len()))
    }
}

impl EventSink for EventBridge {
    fn key(&self) -> &str {
        &self.key
    }

    fn label(&self) -> &str {
        self.target.label()
    }

    fn events_max(&self) -> usize {
        ENTRIES_MAX
    }

    fn deliver<'a>(&'a self, events: &'a [Envelope]) -> Delivery<'a> {
        Box::pin(async move { Ok(self.put(events).await?) })
    }
}

fn entries(events: &[Envelope]) -> Value {
    let entries = events.iter().map(|event| {
        json!({
            "Time": event.time.as_millis() / 1_000,
            "Source": event.source,
            "DetailType": event.detail_type,
            "Resources": event.resources,
            "Detail": event.detail.to_string(),
        })
    });
    json!({ "Entries": entries.collect::<Vec<_>>() })
}

/// A header in the form of SigV4. From it the receiver learns the account and region, as from a client whose
/// access key is an account id. The signature proves nothing, and real AWS refuses it.
fn authorization(scope: &Scope, time_milliseconds: i64) -> String {
    let Scope { registry_id, region } = scope;
    let date = jiff::Timestamp::from_millisecond(time_milliseconds)
        .map(|time| time.strftime("%Y%m%d").to_string())
        .unwrap_or_default();
    let signature = "0".repeat(64);
    format!(
        "AWS4-HMAC-SHA256 Credential={registry_id}/{date}/{region}/events/aws4_request, SignedHeaders=host, \
         Signature={signature}"
    )
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(default)]
    failed_entry_count: u64,
    #[serde(default)]
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    error_code: Option<String>,
}

impl Answer {
    /// If the answer does not say which events failed, all of them did.
    fn refused(&self, sent: usize) -> Vec<usize> {
        if self.failed_entry_count == 0 {
            return Vec::new();
        }
        let failed = |place: &usize| {
            self.entries
                .get(*place)
                .is_none_or(|entry| entry.error_code.is_some())
        };
        let refused = (0..sent).filter(failed).collect::<Vec<_>>();
        if refused.is_empty() {
            return (0..sent).collect();
        }
        refused
    }
}

#[cfg(test)]
mod tests {
    use ecru_model::{Region, RegistryId};

    use super::*;

    #[track_caller]
    fn check(answer: &str, refused: &[usize]) {
        let answer = serde_json::from_str::<Answer>(answer).unwrap();
        assert_eq!(answer.refused(3), refused);
    }

    #[test]
    fn entries_with_an_error_code_were_not_taken() {
        check("{}", &[]);
        check(r#"{"FailedEntryCount":0,"Entries":[{"EventId":"a"}]}"#, &[]);
        check(
            r#"{"FailedEntryCount":2,"Entries":[{"ErrorCode":"InternalFailure","ErrorMessage":"x"},{"EventId":"a"},{"ErrorCode":"y"}]}"#,
            &[0, 2],
        );
        check(r#"{"FailedEntryCount":1,"Entries":[{"EventId":"a"}]}"#, &[1, 2]);
        check(r#"{"FailedEntryCount":1,"Entries":[{},{},{}]}"#, &[0, 1, 2]);
    }

    #[test]
    fn the_signature_names_account_region_and_day() {
        let scope = Scope {
            registry_id: RegistryId::parse("111122223333").unwrap(),
            region: Region::parse("eu-west-1").unwrap(),
        };
        let authorization = authorization(&scope, 1_767_225_600_500);
        assert!(
            authorization.contains("Credential=111122223333/20260101/eu-west-1/events/aws4_request"),
            "{authorization}"
        );
    }
}
