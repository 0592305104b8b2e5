//! Errors that end a command, each in one sentence with the next step to take.

use std::{
    fmt,
    io::{self, ErrorKind},
    net::SocketAddr,
    path::Path,
};

use ecru_model::whole;
use ecru_store::{BackupError, StoreError};

use crate::control_socket::ControlSocket;

const ANOTHER_DIRECTORY: &str = "choose another directory with `--data-dir`";

/// The context of an error whose remedy is another `--listen`.
#[derive(Debug)]
pub(crate) struct CannotListen(pub(crate) SocketAddr);

impl fmt::Display for CannotListen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot listen on {}", self.0)
    }
}

/// The message for a server that did not start, or that ended because of an error.
pub(crate) fn on_start(error: &anyhow::Error, data: Option<&Path>) -> String {
    let step = if error.is::<CannotListen>() {
        error.root_cause().downcast_ref::<io::Error>().and_then(listening)
    } else {
        let store = error.chain().find_map(|cause| cause.downcast_ref::<StoreError>());
        store.and_then(|error| opening(error, data))
    };
    joined(format!("{error:#}"), step)
}

/// The message for a data directory that a command cannot open without a server.
pub(crate) fn on_open(error: &StoreError, data: &Path) -> String {
    joined(whole(error), opening(error, Some(data)))
}

pub(crate) fn on_backup(error: &BackupError) -> String {
    let step = match error {
        BackupError::NotOurs => Some("name an empty directory, or one that does not exist yet"),
        BackupError::Busy => Some("wait until the other command has ended"),
        BackupError::NoRoom { .. } => Some("free some space, or name a directory on another disk"),
        BackupError::Store(StoreError::Io { source, .. }) => match source.kind() {
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem | ErrorKind::NotADirectory => {
                Some("name a directory that the user who runs the server can write to")
            }
            ErrorKind::StorageFull => Some("free some space, or name a directory on another disk"),
            _ => None,
        },
        _ => None,
    };
    joined(whole(error), step.map(str::to_owned))
}

pub(crate) fn on_restore(error: &BackupError, data: &Path) -> String {
    let step = match error {
        BackupError::NoBackup | BackupError::NotOurs => {
            Some("name the directory that `ecru backup` wrote to".to_owned())
        }
        BackupError::Changed(_) => Some("restore another backup, or run `ecru backup` again".to_owned()),
        BackupError::NoRoom { .. } => Some(format!("free some space, or {ANOTHER_DIRECTORY}")),
        BackupError::Busy => Some("wait until the other command has ended".to_owned()),
        BackupError::NotEmpty => Some("choose an empty one with `--data-dir`".to_owned()),
        BackupError::Store(error) => opening(error, Some(data)),
        BackupError::Unfinished | BackupError::NoSnapshots => None,
    };
    joined(whole(error), step)
}

/// The message for a control socket that sends no valid response.
pub(crate) fn on_control(error: &io::Error) -> String {
    let step = match error.kind() {
        ErrorKind::PermissionDenied => "run this command as the user who runs the server",
        _ => "run the command again",
    };
    format!("cannot reach the running server: {error}; {step}")
}

fn joined(problem: String, step: Option<String>) -> String {
    match step {
        Some(step) => format!("{problem}; {step}"),
        None => problem,
    }
}

fn listening(error: &io::Error) -> Option<String> {
    Some(match error.kind() {
        ErrorKind::AddrInUse => {
            "choose another port with `--listen`, such as `--listen 127.0.0.1:0` for any free port"
                .to_owned()
        }
        ErrorKind::AddrNotAvailable => {
            "choose an address of this machine with `--listen`, such as `--listen 0.0.0.0:4566` for all of them"
                .to_owned()
        }
        ErrorKind::PermissionDenied => "choose a port from 1024 up with `--listen`".to_owned(),
        _ => return None,
    })
}

/// The next step. `None` if the error already names it.
fn opening(error: &StoreError, data: Option<&Path>) -> Option<String> {
    Some(match error {
        StoreError::InUse => match data.and_then(ControlSocket::server) {
            Some(process) => format!("stop that server with `kill {process}`, or {ANOTHER_DIRECTORY}"),
            None => format!("stop that process, or {ANOTHER_DIRECTORY}"),
        },
        StoreError::Newer { .. } => format!("run the newer `ecru` that wrote it, or {ANOTHER_DIRECTORY}"),
        StoreError::Damaged { .. } | StoreError::Statement(_) => {
            "restore a backup into an empty directory with `ecru restore`".to_owned()
        }
        StoreError::Irregular { .. } => ANOTHER_DIRECTORY.to_owned(),
        StoreError::Io { source, .. } => match source.kind() {
            ErrorKind::PermissionDenied
            | ErrorKind::ReadOnlyFilesystem
            | ErrorKind::NotADirectory
            | ErrorKind::AlreadyExists => {
                "choose a directory that you can write to with `--data-dir`".to_owned()
            }
            ErrorKind::StorageFull => format!("free some space, or {ANOTHER_DIRECTORY}"),
            _ => return None,
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn a_start_that_failed_says_which_flag_helps() {
        for (kind, words) in [
            (
                ErrorKind::AddrInUse,
                "address in use; choose another port with `--listen`",
            ),
            (ErrorKind::AddrNotAvailable, "; choose an address of this machine"),
            (ErrorKind::PermissionDenied, "; choose a port from 1024 up"),
        ] {
            let address = SocketAddr::from(([127, 0, 0, 1], 80));
            let error = Err::<(), _>(io::Error::from(kind)).context(CannotListen(address));
            let sentence = on_start(&error.expect_err("an error"), None);
            assert!(
                sentence.starts_with("cannot listen on 127.0.0.1:80: "),
                "{sentence}"
            );
            assert!(sentence.contains(words), "{sentence}");
        }

        let denied = StoreError::Io {
            action: "create the data directory",
            source: ErrorKind::PermissionDenied.into(),
        };
        let newer = StoreError::Newer { found: 9, known: 8 };
        for (error, words) in [
            (
                denied,
                "permission denied; choose a directory that you can write to",
            ),
            (newer, "; run the newer `ecru` that wrote it"),
            (StoreError::InUse, "; stop that process"),
            (StoreError::damaged("it is cut off"), "`ecru restore`"),
        ] {
            let error = Err::<(), _>(error).context("cannot open the data in `d`");
            let sentence = on_start(&error.expect_err("an error"), None);
            assert!(sentence.contains(words), "{sentence}");
        }
        assert_eq!(on_start(&anyhow::anyhow!("no threads"), None), "no threads");
    }
}
