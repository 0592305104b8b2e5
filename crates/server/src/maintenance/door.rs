//! The control socket of a running server, in its data directory, for the owner of the directory.
//!
//! A client sends a task as one line of JSON. It receives lines about the task, then the outcome. Closing the
//! connection stops the task.

use std::{
    fs, io,
    os::{fd::AsRawFd, unix::fs::PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

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

const NAME: &str = "control";
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

/// The socket, which is removed when this is dropped.
pub(crate) struct Door {
    path: PathBuf,
}

impl Door {
    /// Creates the socket in a data directory that this process has locked. An existing socket belongs to a
    /// process that has ended.
    pub(crate) fn open(directory: &Path) -> io::Result<(Door, UnixListener)> {
        let path = directory.join(NAME);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = through_short_path(directory, |path| UnixListener::bind(path))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        Ok((Door { path }, listener))
    }

    /// `None` if no server listens.
    pub(super) fn connect(directory: &Path) -> io::Result<Option<std::os::unix::net::UnixStream>> {
        use io::ErrorKind::{ConnectionRefused, NotFound};

        match through_short_path(directory, |path| std::os::unix::net::UnixStream::connect(path)) {
            Ok(stream) => Ok(Some(stream)),
            Err(error) if matches!(error.kind(), NotFound | ConnectionRefused) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Door {
    /// The process id of the server behind it.
    #[cfg(target_os = "linux")]
    pub(super) fn server(directory: &Path) -> Option<u32> {
        let stream = Door::connect(directory).ok()??;
        let credentials = rustix::net::sockopt::socket_peercred(&stream).ok()?;
        u32::try_from(credentials.pid.as_raw_pid()).ok()
    }

    /// Elsewhere the system is not asked.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn server(_: &Path) -> Option<u32> {
        None
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        // The next server removes a leftover socket.
        let _ = fs::remove_file(&self.path);
    }
}

/// The address of a socket is limited to about a hundred bytes; the path of a directory may be longer.
fn through_short_path<T>(directory: &Path, work: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    if cfg!(target_os = "linux") {
        let opened = fs::File::open(directory)?;
        let path = format!("/proc/self/fd/{}/{NAME}", opened.as_raw_fd());
        return work(Path::new(&path));
    }
    work(&directory.join(NAME))
}

pub(crate) async fn serve(listener: UnixListener, service: Arc<Service>) {
    let mut tasks = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                while tasks.try_join_next().is_some() {}
                if tasks.len() < TASKS_MAX {
                    tasks.spawn(answer(stream, Arc::clone(&service)));
                }
            }
            Err(_) => sleep(ACCEPT_PAUSE).await,
        }
    }
}

async fn answer(stream: UnixStream, service: Arc<Service>) {
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
    // The client may be gone.
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
