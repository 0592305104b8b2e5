//! The uncompressed bytes of a layer, counted against the budget of the image.

use std::cell::Cell;
use std::io::{self, BufRead as _, BufReader, Read};
use std::rc::Rc;

use flate2::bufread::MultiGzDecoder;

use crate::error::Carried;
use crate::limits::{Budget, LayerBytes};

const BUFFER_BYTES: usize = 64 << 10;
const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// 32 MiB: the largest window that `zstd` makes below its level 21.
const ZSTD_WINDOW_LOG_MAX: u32 = 25;

/// The compression is recognized by the bytes: media types are often wrong.
pub(crate) fn unpack<'a>(source: impl Read + 'a, budget: &'a Budget) -> io::Result<Unpacked<'a>> {
    let stored = Rc::new(Cell::new(0));
    let source = Stored {
        source,
        count: Rc::clone(&stored),
        budget,
    };
    let mut source = BufReader::with_capacity(BUFFER_BYTES, source);
    let head = source.fill_buf()?;
    let content: Box<dyn Read + 'a> = if head.starts_with(&GZIP) {
        Box::new(MultiGzDecoder::new(source))
    } else if head.starts_with(&ZSTD) {
        let mut decoder = zstd::Decoder::with_buffer(source)?;
        decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
        Box::new(decoder)
    } else {
        Box::new(source)
    };
    Ok(Unpacked {
        content,
        stored,
        given: 0,
        budget,
    })
}

/// Counts the stored bytes, and marks read errors of the store apart from faults of the archive.
struct Stored<'a, R> {
    source: R,
    count: Rc<Cell<u64>>,
    budget: &'a Budget,
}

impl<R: Read> Read for Stored<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // Checked here too, because many stored bytes may unpack to nothing.
        self.budget.clock()?;
        match self.source.read(buffer) {
            Ok(length) => {
                self.count.set(self.count.get() + length as u64);
                Ok(length)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => Err(Carried::Layer(error).into()),
        }
    }
}

pub(crate) struct Unpacked<'a> {
    content: Box<dyn Read + 'a>,
    stored: Rc<Cell<u64>>,
    given: u64,
    budget: &'a Budget,
}

impl Unpacked<'_> {
    pub(crate) fn unpacked_bytes(&self) -> u64 {
        self.given
    }
}

impl Read for Unpacked<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.content.read(buffer)?;
        self.given += length as u64;
        let layer = LayerBytes {
            stored: self.stored.get(),
            unpacked: self.given,
        };
        self.budget.unpacked(length as u64, layer)?;
        Ok(length)
    }
}
