//! Runs a task on a data directory: in the server that uses the directory or, without a server, in this
//! process.

use std::{
    io::{self, BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::Path,
    thread,
    time::Duration,
};

use ecru_platform::Clock;
use ecru_store::{Options, Report, Store, StoreError};

use super::{Ended, Place, Task, run, serve::Line};
use crate::{advice, control_socket::ControlSocket, scanning};

/// A server that holds the lock but does not answer yet is starting or ending.
const ATTEMPTS: u32 = 50;
const PAUSE: Duration = Duration::from_millis(100);

/// Passes each line to `say` as it arrives.
pub(crate) fn ask(directory: &Path, task: &Task, say: &mut dyn FnMut(&str)) -> Ended {
    for attempt in 1..=ATTEMPTS {
        match ControlSocket::connect(directory) {
            Ok(Some(stream)) => return ask_server(&stream, task, say),
            Ok(None) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Ended::Failed(advice::on_control(&error)),
        }
        if !Store::is_in(directory) {
            return Ended::Failed(format!(
                "there is no registry in `{}`; name the directory of one with `--data-dir`",
                directory.display()
            ));
        }
        match open(directory) {
            Ok(store) => return do_here(&store, directory, task.clone(), say),
            Err(StoreError::InUse) if attempt < ATTEMPTS => thread::sleep(PAUSE),
            Err(error) => return Ended::Failed(advice::on_open(&error, directory)),
        }
    }
    Ended::Failed(advice::on_open(&StoreError::InUse, directory))
}

fn open(directory: &Path) -> Result<Store, StoreError> {
    Store::open(&Options {
        directory: directory.to_owned(),
        ephemeral: false,
    })
}

fn ask_server(stream: &UnixStream, task: &Task, say: &mut dyn FnMut(&str)) -> Ended {
    match talk(stream, task, say) {
        Ok(Some(ended)) => ended,
        Ok(None) => {
            Ended::Failed("the server ended before the task was complete; run the command again".to_owned())
        }
        Err(error) => Ended::Failed(advice::on_control(&error)),
    }
}

fn talk(mut stream: &UnixStream, task: &Task, say: &mut dyn FnMut(&str)) -> io::Result<Option<Ended>> {
    let mut text = serde_json::to_string(task)?;
    text.push('\n');
    stream.write_all(text.as_bytes())?;
    for line in BufReader::new(stream).lines() {
        match serde_json::from_str(&line?)? {
            Line::Said(line) => say(&line),
            Line::Ended(ended) => return Ok(Some(ended)),
        }
    }
    Ok(None)
}

fn do_here(store: &Store, directory: &Path, task: Task, say: &mut dyn FnMut(&str)) -> Ended {
    let scanner = match scanning::wire(directory, None) {
        Ok(scanner) => scanner,
        Err(error) => return Ended::Failed(format!("{error:#}")),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Ended::Failed(format!("cannot start worker threads: {error}")),
    };
    runtime.block_on(async {
        let (report, mut said) = Report::new();
        let working = {
            let (store, directory) = (store.clone(), directory.to_owned());
            tokio::spawn(async move {
                let (store, clock, scanner) = (&store, &Clock::default(), &scanner);
                run(
                    Place {
                        directory: &directory,
                        store,
                        clock,
                        scanner,
                    },
                    task,
                    &report,
                )
                .await
            })
        };
        while let Some(line) = said.recv().await {
            say(&line);
        }
        let ended = working.await;
        store.close().await;
        ended.unwrap_or_else(|_| Ended::Failed("the task panicked".to_owned()))
    })
}
