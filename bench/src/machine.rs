//! Describes the machine of a run in one line.

use std::fs;
use std::path::Path;
use std::thread;

use anyhow::{Result, ensure};

pub(crate) fn describe(directory: &Path) -> String {
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processors
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown processor", |(_, name)| name);
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory_kib = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next())
        .and_then(|text| text.parse::<u64>().ok())
        .unwrap_or_default();
    format!(
        "{cores} cores ({model}), {} GiB, Linux {}, {}",
        memory_kib >> 20,
        kernel.trim(),
        file_system(directory)
    )
}

/// Fails for a directory in memory, where writes look faster than on a disk.
pub(crate) fn refuse_memory(directory: &Path) -> Result<()> {
    let kind = file_system(directory);
    ensure!(
        !matches!(kind.as_str(), "tmpfs" | "ramfs"),
        "{} is in memory: choose another --directory",
        directory.display()
    );
    Ok(())
}

/// The type of the file system that is mounted nearest to the directory.
fn file_system(directory: &Path) -> String {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let mut found = ("unknown file system", 0);
    for line in mounts.lines() {
        let mut fields = line.split(' ').skip(1);
        if let (Some(place), Some(kind)) = (fields.next(), fields.next())
            && directory.starts_with(place)
            && place.len() >= found.1
        {
            found = (kind, place.len());
        }
    }
    found.0.to_owned()
}
