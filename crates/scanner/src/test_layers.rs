//! Layers for the tests of this crate.

use std::io::Write as _;

/// Writes an archive entry by entry, byte by byte as the format says.
pub(crate) struct TarBuilder(Vec<u8>);

impl TarBuilder {
    pub(crate) fn new() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn file(mut self, path: &str, content: &[u8]) -> Self {
        self.0.extend(entry(path, b'0', content));
        self
    }

    pub(crate) fn directory(mut self, path: &str) -> Self {
        self.0.extend(entry(path, b'5', b""));
        self
    }

    pub(crate) fn link(mut self, path: &str, to: &str) -> Self {
        let mut header = entry(path, b'2', b"");
        header[157..157 + to.len()].copy_from_slice(to.as_bytes());
        seal(&mut header);
        self.0.extend(header);
        self
    }

    pub(crate) fn build(mut self) -> Vec<u8> {
        self.0.extend([0; 1024]);
        self.0
    }

    pub(crate) fn gzip(self) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(&self.build()).unwrap();
        encoder.finish().unwrap()
    }
}

fn entry(path: &str, kind: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; 512];
    bytes[..path.len()].copy_from_slice(path.as_bytes());
    bytes[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
    bytes[156] = kind;
    bytes[257..263].copy_from_slice(b"ustar\0");
    seal(&mut bytes);
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn seal(header: &mut [u8]) {
    header[148..156].fill(b' ');
    let sum: u32 = header[..512].iter().map(|byte| u32::from(*byte)).sum();
    header[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
}

/// An archive of one file whose name is longer than a header holds, in the way of GNU (`L`) or POSIX (`x`).
pub(crate) fn long_entry(kind: u8, path: &str, content: &[u8]) -> Vec<u8> {
    let record = format!(" path={path}\n");
    // The length counts its own digits, which are three.
    let extension = if kind == b'L' {
        format!("{path}\0")
    } else {
        format!("{}{record}", record.len() + 3)
    };
    [
        entry("long", kind, extension.as_bytes()),
        entry("short", b'0', content),
        vec![0; 1024],
    ]
    .concat()
}
