//! A bare HTTP receiver: reads a body, hashes it, writes it to a file, flushes, and answers 201.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc;
use std::thread;

use anyhow::{Context, Result, anyhow};
use sha2::{Digest, Sha256};

const BUFFER_BYTES: usize = 1 << 20;
/// A flush starts after this number of bytes, so that the last one has little left to write.
const FLUSH_BYTES: u64 = 64 << 20;

/// Serves until the process is killed. It takes one connection at a time, because one push is measured at a
/// time.
pub(crate) fn receive(listen: SocketAddr, directory: &Path) -> Result<()> {
    let listener = TcpListener::bind(listen)?;
    for (number, stream) in listener.incoming().enumerate() {
        // An error on one connection must not end the others.
        drop(serve(stream?, &directory.join(number.to_string())));
    }
    Ok(())
}

fn serve(stream: TcpStream, path: &Path) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut answers = stream.try_clone()?;
    let mut reader = BufReader::with_capacity(BUFFER_BYTES, stream);
    while let Some(size_bytes) = read_head(&mut reader)? {
        let status = match size_bytes {
            0 => "200 OK",
            size_bytes => {
                store(&mut reader, size_bytes, path)?;
                "201 Created"
            }
        };
        write!(answers, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n")?;
    }
    Ok(())
}

/// The length of the body. `None` if the connection has ended.
fn read_head(reader: &mut impl BufRead) -> Result<Option<u64>> {
    let mut size_bytes = 0;
    let mut line = String::new();
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        if line.trim().is_empty() {
            return Ok(Some(size_bytes));
        }
        if let Some(value) = line.strip_prefix("Content-Length:") {
            size_bytes = value.trim().parse()?;
        }
    }
}

fn store(reader: &mut impl Read, size_bytes: u64, path: &Path) -> Result<()> {
    let mut file = File::create(path)?;
    let early = file.try_clone()?;
    let (flush, flushes) = mpsc::channel();
    let background = thread::spawn(move || flushes.into_iter().try_for_each(|()| early.sync_data()));

    let mut hash = Sha256::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut left_bytes = size_bytes;
    let mut unflushed_bytes = 0;
    while left_bytes > 0 {
        let room = usize::try_from(left_bytes)?.min(buffer.len());
        let room = buffer.get_mut(..room).context("the buffer is too short")?;
        let count = reader.read(room)?;
        if count == 0 {
            return Err(anyhow!("the body was cut off"));
        }
        let bytes = room
            .get(..count)
            .context("more bytes were read than the buffer holds")?;
        hash.update(bytes);
        file.write_all(bytes)?;
        left_bytes -= count as u64;
        unflushed_bytes += count as u64;
        if unflushed_bytes >= FLUSH_BYTES {
            unflushed_bytes = 0;
            flush.send(())?;
        }
    }
    std::hint::black_box(hash.finalize());
    drop(flush);
    background
        .join()
        .map_err(|_| anyhow!("the flushing thread panicked"))??;
    file.sync_all()?;
    Ok(File::open(path.parent().context("no directory")?)?.sync_all()?)
}
