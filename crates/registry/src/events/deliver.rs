//! Delivers events to a sink: each event at least once, those of a repository in order, for as long as it takes.

use std::sync::Arc;
use std::time::Duration;

use ecru_store::{Snapshot, StoreError, Value};

use super::list::read_after;
use super::sink::{EventSink, SinkError};
use super::{Envelope, RECORDED, newest};
use crate::{Error, Service};

const EVENTS_PER_READ: u32 = 100;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_mins(1);

/// Registers the sinks of this process. A new sink starts with future events; a known sink continues where it stopped.
pub async fn connect(service: &Service, sinks: &[Arc<dyn EventSink>]) -> Result<(), Error> {
    let keys = sinks.iter().map(|sink| sink.key().to_owned()).collect::<Vec<_>>();
    service
        .store
        .write(move |tx| {
            tx.execute("UPDATE sink_cursors SET active = 0", &[])?;
            let newest = newest(tx)?;
            for key in &keys {
                tx.execute(
                    "INSERT INTO sink_cursors (sink, sequence, active) VALUES (?1, ?2, 1)
                     ON CONFLICT (sink) DO UPDATE SET active = 1",
                    &[Value::Text(key), Value::Integer(newest)],
                )?;
            }
            Ok(())
        })
        .await
}

/// Runs until the process ends.
pub async fn deliver_to(service: Arc<Service>, sink: Arc<dyn EventSink>) {
    let mut recorded = service.store.watch(RECORDED);
    let mut failures = 0;
    loop {
        recorded.mark_unchanged();
        match deliver_waiting(&service, sink.as_ref(), &mut failures).await {
            Ok(()) => {
                // An error means that the store is closed, so there is nothing left to deliver.
                if recorded.changed().await.is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    sink = sink.label(),
                    "events cannot be read"
                );
                pause(&mut failures).await;
            }
        }
    }
}

/// Runs until the sink has every event.
async fn deliver_waiting(
    service: &Arc<Service>,
    sink: &dyn EventSink,
    failures: &mut u32,
) -> Result<(), Error> {
    loop {
        let mut reached = service.store.read(|at| cursor(at, sink)).await?;
        let mut waiting = read_after(service, reached, EVENTS_PER_READ).await?;
        if waiting.is_empty() {
            return Ok(());
        }
        while let Some(newest) = hand_over(service, sink, &mut waiting, failures).await? {
            reached = newest;
        }
        save_cursor(service, sink, reached).await?;
    }
}

/// Delivers the events that may go together, and returns the sequence of the last one. None when nothing is left.
async fn hand_over(
    service: &Service,
    sink: &dyn EventSink,
    waiting: &mut Vec<Envelope>,
    failures: &mut u32,
) -> Result<Option<i64>, Error> {
    let count = count_together(waiting, sink.events_max());
    let Some(last) = waiting
        .get(..count)
        .and_then(<[_]>::last)
        .map(|event| event.sequence)
    else {
        return Ok(None);
    };
    let before = waiting.first().map_or(last, |event| event.sequence) - 1;
    let mut batch = waiting.drain(..count).collect::<Vec<_>>();
    let mut saved = false;
    while !batch.is_empty() {
        match sink.deliver(&batch).await {
            Ok(refused) if refused.is_empty() => break,
            Ok(refused) => {
                warn(sink, batch.len(), &"the sink did not accept some of them".into());
                let mut place = 0;
                batch.retain(|_| {
                    place += 1;
                    refused.contains(&(place - 1))
                });
            }
            Err(error) => warn(sink, batch.len(), &error),
        }
        if !saved {
            save_cursor(service, sink, before).await?;
            saved = true;
        }
        pause(failures).await;
        // Events that were dropped or reset meanwhile are not sent.
        let oldest = service.store.read(oldest).await?;
        batch.retain(|event| oldest.is_some_and(|oldest| event.sequence >= oldest));
    }
    *failures = 0;
    Ok(Some(last))
}

/// How many of the first events may be delivered together: of one registry, and no two of one repository,
/// since the second must wait until the first is accepted.
fn count_together(waiting: &[Envelope], events_max: usize) -> usize {
    let alike = |event: &Envelope| waiting.first().is_some_and(|first| first.scope == event.scope);
    let mut repositories = Vec::new();
    waiting
        .iter()
        .take(events_max.max(1))
        .take_while(|event| {
            let fits = alike(event) && !repositories.contains(&event.repository.as_str());
            repositories.push(event.repository.as_str());
            fits
        })
        .count()
}

fn warn(sink: &dyn EventSink, events: usize, error: &SinkError) {
    tracing::warn!(
        error = error.as_ref() as &dyn std::error::Error,
        sink = sink.label(),
        events,
        "a sink did not accept events"
    );
}

/// Doubles with every failure.
async fn pause(failures: &mut u32) {
    let pause = FIRST_PAUSE.saturating_mul(1 << (*failures).min(16));
    *failures += 1;
    tokio::time::sleep(pause.min(PAUSE_MAX)).await;
}

fn oldest(at: &Snapshot<'_>) -> Result<Option<i64>, StoreError> {
    at.find(
        "SELECT sequence FROM outbox ORDER BY sequence LIMIT 1",
        &[],
        |row| row.integer(0),
    )
}

fn cursor(at: &Snapshot<'_>, sink: &dyn EventSink) -> Result<i64, StoreError> {
    let found = at.find(
        "SELECT sequence FROM sink_cursors WHERE sink = ?1",
        &[Value::Text(sink.key())],
        |row| row.integer(0),
    )?;
    Ok(found.unwrap_or(0))
}

async fn save_cursor(service: &Service, sink: &dyn EventSink, sequence: i64) -> Result<(), Error> {
    let key = sink.key().to_owned();
    service
        .store
        .write(move |tx| {
            tx.execute(
                "UPDATE sink_cursors SET sequence = ?2 WHERE sink = ?1 AND sequence < ?2",
                &[Value::Text(&key), Value::Integer(sequence)],
            )?;
            Ok(())
        })
        .await
}
