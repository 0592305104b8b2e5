//! Runs tasks in the server for clients of its control socket.
//!
//! A client sends a task as one line of JSON. It receives lines about the task, then the outcome. Closing the
//! connection stops the task.

use std::{path::PathBuf, sync::Arc, time::Duration};

use ecru_registry::Service;
use ecru_store::Report;
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{
        UnixListener, UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{Ended, Place, Task, run};

const TASK_BYTES_MAX: u64 = 64 * 1024;
const TASK_PATIENCE: Duration = Duration::from_secs(10);
const LINE_PATIENCE: Duration = Duration::from_mins(1);
const TASKS_MAX: usize = 8;
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A line to the client.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    Said(String),
    Ended(Ended),
}

pub(crate) async fn serve(listener: UnixListener, service: Arc<Service>, directory: PathBuf) {
    let mut tasks = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                while tasks.try_join_next().is_some() {}
                if tasks.len() < TASKS_MAX {
                    tasks.spawn(answer(stream, Arc::clone(&service), directory.clone()));
                }
            }
            Err(_) => sleep(ACCEPT_PAUSE).await,
        }
    }
}

async fn answer(stream: UnixStream, service: Arc<Service>, directory: PathBuf) {
    let (reading, mut writing) = stream.into_split();
    let mut reading = BufReader::new(reading);
    let Some(task) = receive(&mut reading).await else {
        return;
    };
    tracing::info!(?task, "maintenance begins");
    let (report, mut said) = Report::new();
    // The scanner is set before the first task can arrive.
    let Some(scanner) = &service.ports.scanner else {
        return;
    };
    let place = Place {
        directory: &directory,
        store: &service.store,
        clock: &service.clock,
        scanner,
    };
    let mut working = Box::pin(run(place, task, &report));
    let ended = loop {
        let line = tokio::select! {
            biased;
            Some(line) = said.recv() => line,
            ended = &mut working => break ended,
            () = hung_up(&mut reading) => return,
        };
        if send(&mut writing, &Line::Said(line)).await.is_none() {
            return;
        }
    };
    tracing::info!(outcome = ended.text(), "maintenance has ended");
    while let Ok(line) = said.try_recv() {
        if send(&mut writing, &Line::Said(line)).await.is_none() {
            return;
        }
    }
    // The client may have disconnected.
    let _ = send(&mut writing, &Line::Ended(ended)).await;
}

async fn receive(reading: &mut BufReader<OwnedReadHalf>) -> Option<Task> {
    let mut line = String::new();
    let mut bounded = reading.take(TASK_BYTES_MAX);
    timeout(TASK_PATIENCE, bounded.read_line(&mut line))
        .await
        .ok()?
        .ok()?;
    serde_json::from_str(&line).ok()
}

/// `None` once the client no longer accepts lines.
async fn send(writing: &mut OwnedWriteHalf, line: &Line) -> Option<()> {
    let mut text = serde_json::to_string(line).ok()?;
    text.push('\n');
    timeout(LINE_PATIENCE, writing.write_all(text.as_bytes()))
        .await
        .ok()?
        .ok()
}

/// A client sends nothing after the task, so any readable input means that it has closed the connection.
async fn hung_up(reading: &mut BufReader<OwnedReadHalf>) {
    let _ = reading.fill_buf().await;
}
