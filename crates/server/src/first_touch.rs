//! The first read of a file before it is sent. If the bytes are not in memory, a thread of the blocking pool
//! waits for the disk, and the kernel is advised to read ahead.

use std::{fs::File, io, os::unix::fs::FileExt};

/// The length to read ahead from the first byte. After it, the kernel's own read-ahead takes over.
#[cfg(target_os = "linux")]
const AHEAD_BYTES: u64 = 4 * 1024 * 1024;

pub(crate) async fn touch(file: File, first: u64) -> io::Result<File> {
    if is_in_memory(&file, first) {
        return Ok(file);
    }
    let touched = tokio::task::spawn_blocking(move || {
        advise(&file, first);
        file.read_at(&mut [0], first)?;
        Ok(file)
    });
    touched.await.map_err(io::Error::other)?
}

#[cfg(target_os = "linux")]
fn is_in_memory(file: &File, position: u64) -> bool {
    use rustix::io::{ReadWriteFlags, preadv2};
    let mut byte = [0];
    preadv2(
        file,
        &mut [io::IoSliceMut::new(&mut byte)],
        position,
        ReadWriteFlags::NOWAIT,
    )
    .is_ok()
}

#[cfg(not(target_os = "linux"))]
fn is_in_memory(_: &File, _: u64) -> bool {
    false
}

/// Ignored advice costs only speed.
#[cfg(target_os = "linux")]
fn advise(file: &File, position: u64) {
    use rustix::fs::{Advice, fadvise};
    let _ = fadvise(file, 0, None, Advice::Sequential);
    let _ = fadvise(
        file,
        position,
        std::num::NonZeroU64::new(AHEAD_BYTES),
        Advice::WillNeed,
    );
}

#[cfg(not(target_os = "linux"))]
fn advise(_: &File, _: u64) {}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[tokio::test]
    async fn a_file_is_given_back_whether_its_bytes_are_in_memory_or_not() {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(&vec![7; 100_000]).expect("its content");
        file.sync_all().expect("a sync");
        // Drops the pages from memory if the file system takes the advice.
        #[cfg(target_os = "linux")]
        let _ = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
        for _ in 0..2 {
            file = touch(file, 50_000).await.expect("a file");
        }
        let mut byte = [0];
        assert_eq!(file.read_at(&mut byte, 99_999).expect("a read"), 1);
        assert_eq!(byte, [7]);
    }
}
