//! The key file of a data directory: private, made once, and durable before it is used.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ecru_store::open_regular;
use zeroize::Zeroizing;

use super::MasterKey;

/// The name of the key file in the data directory and in a backup.
pub const KEY_FILE: &str = "kms-master-key";
const UNFINISHED: &str = "kms-master-key.part";
const FILE_BYTES_MAX: u64 = 1024;

/// Reads the key file of a directory. Does not follow a link. Returns `None` if the file does not exist.
pub(super) fn read(directory: &Path) -> io::Result<Option<MasterKey>> {
    match open_regular(&directory.join(KEY_FILE)).and_then(read_from) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

/// Reads a file that the user named, which may be a link.
pub(super) fn read_file(path: &Path) -> io::Result<MasterKey> {
    read_from(File::open(path)?)
}

fn read_from(file: File) -> io::Result<MasterKey> {
    let mut content = Zeroizing::new(Vec::new());
    file.take(FILE_BYTES_MAX).read_to_end(&mut content)?;
    let key = MasterKey::parse(&content);
    key.map_err(|invalid| io::Error::new(io::ErrorKind::InvalidData, invalid))
}

pub(super) fn make(directory: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut text = Zeroizing::new(STANDARD.encode(bytes));
    text.push('\n');
    write(directory, text.as_bytes())
}

/// Copies the key file of one directory into another. Returns false if the first directory has no key file.
pub fn copy_key_file(from: &Path, to: &Path) -> io::Result<bool> {
    let mut content = Zeroizing::new(Vec::new());
    match open_regular(&from.join(KEY_FILE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        other => other?.take(FILE_BYTES_MAX).read_to_end(&mut content)?,
    };
    MasterKey::parse(&content).map_err(|invalid| io::Error::new(io::ErrorKind::InvalidData, invalid))?;
    write(to, &content)?;
    Ok(true)
}

/// Writes the file beside its place and renames it, so that a crash leaves a whole file or none.
fn write(directory: &Path, content: &[u8]) -> io::Result<()> {
    let unfinished = directory.join(UNFINISHED);
    // From a process that ended before it renamed the file.
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&unfinished)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&unfinished, directory.join(KEY_FILE))?;
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn the_file_is_private_and_a_half_written_one_is_replaced() {
        let directory = TempDir::new().unwrap();
        fs::write(directory.path().join(UNFINISHED), "half").unwrap();
        make(directory.path(), &[7; 32]).unwrap();
        let path = directory.path().join(KEY_FILE);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(read(directory.path()).unwrap().is_some());
        assert!(!directory.path().join(UNFINISHED).exists());
    }

    #[test]
    fn a_copy_holds_the_same_key() {
        let (from, to) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        assert!(!copy_key_file(from.path(), to.path()).unwrap());
        make(from.path(), &[7; 32]).unwrap();
        for _ in 0..2 {
            assert!(copy_key_file(from.path(), to.path()).unwrap());
        }
        let ids = [from, to].map(|directory| read(directory.path()).unwrap().unwrap().id);
        assert_eq!(ids[0], ids[1]);
    }

    #[test]
    fn a_link_in_a_directory_is_not_followed_but_a_named_file_may_be_one() {
        let (outside, directory, to) = (
            TempDir::new().unwrap(),
            TempDir::new().unwrap(),
            TempDir::new().unwrap(),
        );
        make(outside.path(), &[7; 32]).unwrap();
        let link = directory.path().join(KEY_FILE);
        std::os::unix::fs::symlink(outside.path().join(KEY_FILE), &link).unwrap();
        assert!(read(directory.path()).is_err());
        assert!(copy_key_file(directory.path(), to.path()).is_err());
        assert!(!to.path().join(KEY_FILE).exists());
        assert!(MasterKey::read(&link).is_ok());
    }

    #[test]
    fn a_file_without_a_key_is_an_error() {
        let directory = TempDir::new().unwrap();
        assert!(read(directory.path()).unwrap().is_none());
        fs::write(directory.path().join(KEY_FILE), "nothing").unwrap();
        assert!(read(directory.path()).is_err());
    }
}
