//! How much of an image is looked at, and how much of that is used up.

use std::time::{Duration, Instant};

use crate::error::{Carried, Limit};

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub layer_bytes_max: u64,
    pub image_bytes_max: u64,
    pub entries_max: u64,
    pub packages_max: usize,
    pub duration_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            layer_bytes_max: 1 << 30,
            image_bytes_max: 4 << 30,
            entries_max: 100_000,
            packages_max: 50_000,
            duration_max: Duration::from_mins(1),
        }
    }
}

/// How many bytes one stored byte may unpack to.
const RATIO_MAX: u64 = 200;
/// The padding of small archives packs better than any file.
const RATIO_FREE_BYTES: u64 = 16 << 20;

/// What is left for one image.
#[derive(Debug)]
pub(crate) struct Budget {
    limits: Limits,
    image_bytes: u64,
    entries: u64,
    packages: usize,
    began: Instant,
}

impl Budget {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            image_bytes: 0,
            entries: 0,
            packages: 0,
            began: Instant::now(),
        }
    }

    /// Counts bytes unpacked from a layer of which so many came out of so many before.
    pub(crate) fn unpacked(&mut self, bytes: u64, layer: LayerBytes) -> Result<(), Carried> {
        self.image_bytes = self.image_bytes.saturating_add(bytes);
        let limit = if layer.unpacked > self.limits.layer_bytes_max {
            Limit::LayerSize
        } else if self.image_bytes > self.limits.image_bytes_max {
            Limit::ImageSize
        } else if layer.unpacked > RATIO_FREE_BYTES.max(layer.stored.saturating_mul(RATIO_MAX)) {
            Limit::Ratio
        } else if self.began.elapsed() > self.limits.duration_max {
            Limit::Time
        } else {
            return Ok(());
        };
        Err(Carried::Limit(limit))
    }

    pub(crate) fn entries(&mut self, count: u64) -> Result<(), Carried> {
        self.entries = self.entries.saturating_add(count);
        if self.entries > self.limits.entries_max {
            return Err(Carried::Limit(Limit::Entries));
        }
        Ok(())
    }

    pub(crate) fn packages(&mut self, count: usize) -> Result<(), Carried> {
        self.packages = self.packages.saturating_add(count);
        if self.packages > self.limits.packages_max {
            return Err(Carried::Limit(Limit::Packages));
        }
        Ok(())
    }
}

/// How far the unpacking of a layer has come.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LayerBytes {
    pub(crate) stored: u64,
    pub(crate) unpacked: u64,
}
