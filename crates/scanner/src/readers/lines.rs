//! The lines of a file, each of bounded length, without the whole file in memory.

use std::io::{self, BufRead, BufReader, Read};
use std::ops::ControlFlow;

use crate::error::Carried;

const LINE_BYTES_MAX: u64 = 64 << 10;

/// Visits each line without its end, until the visitor breaks. A line that is too long is split.
pub(super) fn for_each_line(
    content: &mut dyn Read,
    mut visit: impl FnMut(&str) -> Result<ControlFlow<()>, Carried>,
) -> io::Result<()> {
    let mut content = BufReader::new(content);
    let mut line = Vec::new();
    loop {
        line.clear();
        if (&mut content).take(LINE_BYTES_MAX).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&line);
        if visit(text.trim_end_matches(['\n', '\r']))?.is_break() {
            return Ok(());
        }
    }
}
