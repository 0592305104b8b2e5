//! Hashes or writes one large content.

use std::fs::{self, File};
use std::path::Path;
use std::time::Instant;

use anyhow::Result;

use crate::load::Content;

/// Returns seconds.
pub(crate) fn hash(content: &Content) -> f64 {
    let began = Instant::now();
    std::hint::black_box(content.digest());
    began.elapsed().as_secs_f64()
}

/// Returns seconds, including one flush at the end.
pub(crate) fn write(content: &Content, path: &Path) -> Result<f64> {
    let began = Instant::now();
    let mut file = File::create(path)?;
    content.write_to(&mut file)?;
    file.sync_all()?;
    let seconds = began.elapsed().as_secs_f64();
    fs::remove_file(path)?;
    Ok(seconds)
}
