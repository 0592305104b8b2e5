//! The control socket of a running server, in its data directory, for the owner of the directory.

use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

const NAME: &str = "control";

/// The socket, which is removed when this is dropped.
pub(crate) struct ControlSocket {
    path: PathBuf,
}

impl ControlSocket {
    /// Creates the socket in a data directory that this process has locked. An existing socket belongs to a
    /// process that has ended.
    pub(crate) fn open(directory: &Path) -> io::Result<(ControlSocket, UnixListener)> {
        let path = directory.join(NAME);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = through_short_path(directory, |path| UnixListener::bind(path))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
        Ok((ControlSocket { path }, listener))
    }

    /// Connects to the server. `None` if no server listens.
    pub(crate) fn connect(directory: &Path) -> io::Result<Option<std::os::unix::net::UnixStream>> {
        use io::ErrorKind::{ConnectionRefused, NotFound};

        match through_short_path(directory, |path| std::os::unix::net::UnixStream::connect(path)) {
            Ok(stream) => Ok(Some(stream)),
            Err(error) if matches!(error.kind(), NotFound | ConnectionRefused) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl ControlSocket {
    /// The process ID of the server that listens.
    #[cfg(target_os = "linux")]
    pub(crate) fn server(directory: &Path) -> Option<u32> {
        let stream = ControlSocket::connect(directory).ok()??;
        let credentials = rustix::net::sockopt::socket_peercred(&stream).ok()?;
        u32::try_from(credentials.pid.as_raw_pid()).ok()
    }

    /// Other systems do not report the process.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn server(_: &Path) -> Option<u32> {
        None
    }
}

impl Drop for ControlSocket {
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
