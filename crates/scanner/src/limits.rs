//! The limits of a scan, and the amounts that it has used.

use std::cell::Cell;
use std::time::{Duration, Instant};

use crate::error::{Carried, Limit};
use crate::package::Package;

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub layer_bytes_max: u64,
    pub image_bytes_max: u64,
    pub entries_max: u64,
    pub packages_max: u64,
    /// Memory for packages and their paths, until the scan ends.
    pub kept_bytes_max: u64,
    pub findings_max: usize,
    pub findings_bytes_max: u64,
    pub duration_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            layer_bytes_max: 1 << 30,
            image_bytes_max: 4 << 30,
            entries_max: 100_000,
            packages_max: 50_000,
            kept_bytes_max: 16 << 20,
            findings_max: 20_000,
            findings_bytes_max: 40 << 20,
            duration_max: Duration::from_mins(1),
        }
    }
}

/// The number of bytes that one stored byte may unpack to.
const RATIO_MAX: u64 = 200;
/// No ratio applies up to this size: the padding of small archives compresses better than any file.
const RATIO_FREE_BYTES: u64 = 16 << 20;

/// The remaining budget for one image. Memory for the image's data is counted here before it is allocated,
/// and every loop over the data checks the time.
#[derive(Debug)]
pub(crate) struct Budget {
    limits: Limits,
    spent: Cell<Spent>,
    /// The first limit that was exceeded. The scan has then failed, however the reader handles the error.
    exceeded: Cell<Option<Limit>>,
    began: Instant,
}

/// The amounts that a scan has used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spent {
    pub(crate) image_bytes: u64,
    pub(crate) entries: u64,
    pub(crate) packages: u64,
    pub(crate) kept_bytes: u64,
    pub(crate) database_bytes: u64,
    pub(crate) findings_bytes: u64,
    pub(crate) clock_checks: u64,
}

impl Budget {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            spent: Cell::default(),
            exceeded: Cell::default(),
            began: Instant::now(),
        }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    #[cfg(test)]
    pub(crate) fn spent(&self) -> Spent {
        self.spent.get()
    }

    fn spend(&self, change: impl FnOnce(&mut Spent)) -> Spent {
        let mut spent = self.spent.get();
        change(&mut spent);
        self.spent.set(spent);
        spent
    }

    /// Makes every later check fail with the limit that was exceeded first.
    pub(crate) fn exceed(&self, limit: Limit) -> Carried {
        let first = self.exceeded.get().unwrap_or(limit);
        self.exceeded.set(Some(first));
        Carried::Limit(first)
    }

    fn within(&self, fits: bool, limit: Limit) -> Result<(), Carried> {
        if fits { Ok(()) } else { Err(self.exceed(limit)) }
    }

    /// Fails if a limit was exceeded.
    pub(crate) fn check(&self) -> Result<(), Carried> {
        self.exceeded
            .get()
            .map_or(Ok(()), |limit| Err(Carried::Limit(limit)))
    }

    /// Fails if the scan takes too long, or if a limit was exceeded.
    pub(crate) fn clock(&self) -> Result<(), Carried> {
        self.check()?;
        self.spend(|spent| spent.clock_checks += 1);
        self.within(self.began.elapsed() <= self.limits.duration_max, Limit::Time)
    }

    /// Counts bytes unpacked from a layer, given the progress of its unpacking.
    pub(crate) fn unpacked(&self, bytes: u64, layer: LayerBytes) -> Result<(), Carried> {
        let spent = self.spend(|spent| spent.image_bytes = spent.image_bytes.saturating_add(bytes));
        self.within(layer.unpacked <= self.limits.layer_bytes_max, Limit::LayerSize)?;
        self.within(spent.image_bytes <= self.limits.image_bytes_max, Limit::ImageSize)?;
        let plausible = RATIO_FREE_BYTES.max(layer.stored.saturating_mul(RATIO_MAX));
        self.within(layer.unpacked <= plausible, Limit::Ratio)?;
        self.clock()
    }

    pub(crate) fn entries(&self, count: u64) -> Result<(), Carried> {
        let spent = self.spend(|spent| spent.entries = spent.entries.saturating_add(count));
        self.within(spent.entries <= self.limits.entries_max, Limit::Entries)
    }

    /// Counts a package before it is kept.
    pub(crate) fn package(&self, package: &Package) -> Result<(), Carried> {
        self.clock()?;
        let spent = self.spend(|spent| spent.packages += 1);
        self.within(spent.packages <= self.limits.packages_max, Limit::Packages)?;
        self.keep(package.kept_bytes())
    }

    /// Releases the memory of a counted package.
    pub(crate) fn release(&self, package: &Package) {
        self.spend(|spent| {
            spent.packages = spent.packages.saturating_sub(1);
            spent.kept_bytes = spent.kept_bytes.saturating_sub(package.kept_bytes());
        });
    }

    /// Counts bytes before they are kept until the scan ends.
    pub(crate) fn keep(&self, bytes: u64) -> Result<(), Carried> {
        let spent = self.spend(|spent| spent.kept_bytes = spent.kept_bytes.saturating_add(bytes));
        self.within(spent.kept_bytes <= self.limits.kept_bytes_max, Limit::KeptBytes)
    }

    /// Counts bytes read from a database, of which `left` may still be read.
    pub(crate) fn read_database(&self, bytes: u64, left: &Cell<u64>) -> Result<(), Carried> {
        self.clock()?;
        let after = left.get().checked_sub(bytes);
        self.within(after.is_some(), Limit::Database)?;
        left.set(after.unwrap_or(0));
        self.spend(|spent| spent.database_bytes = spent.database_bytes.saturating_add(bytes));
        Ok(())
    }

    /// Counts a finding before it is made.
    pub(crate) fn finding(&self, bytes: u64) -> Result<(), Carried> {
        self.clock()?;
        let spent = self.spend(|spent| spent.findings_bytes = spent.findings_bytes.saturating_add(bytes));
        self.within(
            spent.findings_bytes <= self.limits.findings_bytes_max,
            Limit::Findings,
        )
    }
}

/// The progress of unpacking a layer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LayerBytes {
    pub(crate) stored: u64,
    pub(crate) unpacked: u64,
}
