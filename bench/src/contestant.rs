//! The contestants: ecru, other registries and emulators, and the limits of the machine.

use std::fmt::{self, Display, Formatter};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Contestant {
    Ecru,
    /// Ecru with the request log that is on by default.
    EcruLogging,
    /// The reference registry, as Debian ships it.
    Distribution,
    Zot,
    /// An emulator that holds its data in memory.
    Fakecloud,
    /// The same emulator, set to keep its data on disk.
    FakecloudDisk,
    Moto,
    Nginx,
    /// Only receives, hashes, writes and flushes.
    Receiver,
    /// Appends records to one file. One flush serves all waiting writers.
    Log,
    /// Writes a file and flushes it for each record.
    Files,
    /// Writes each file under a temporary name, flushes and renames it, as a store must. No partial file ever
    /// has the final name.
    Placed,
    Sha256,
    /// Writes one file and flushes it.
    Disk,
}

impl Contestant {
    pub(crate) const PEERS: [Self; 5] = [
        Self::Distribution,
        Self::Zot,
        Self::Fakecloud,
        Self::FakecloudDisk,
        Self::Moto,
    ];
    /// The servers of the OCI protocol.
    pub(crate) const REGISTRIES: [Self; 5] = [
        Self::Ecru,
        Self::Distribution,
        Self::Zot,
        Self::Fakecloud,
        Self::FakecloudDisk,
    ];
    /// The servers of the ECR API.
    pub(crate) const EMULATORS: [Self; 4] = [Self::Ecru, Self::Fakecloud, Self::FakecloudDisk, Self::Moto];
    /// The servers whose idle state can be measured.
    pub(crate) const SERVERS: [Self; 7] = [
        Self::Ecru,
        Self::Distribution,
        Self::Zot,
        Self::Fakecloud,
        Self::FakecloudDisk,
        Self::Moto,
        Self::Nginx,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ecru => "ecru",
            Self::EcruLogging => "ecru with its log",
            Self::Distribution => "docker-registry",
            Self::Zot => "zot",
            Self::Fakecloud => "fakecloud",
            Self::FakecloudDisk => "fakecloud-disk",
            Self::Moto => "moto",
            Self::Nginx => "nginx",
            Self::Receiver => "floor",
            Self::Log => "log",
            Self::Files => "file + fsync",
            Self::Placed => "file put in place",
            Self::Sha256 => "sha256",
            Self::Disk => "write + fsync",
        }
    }

    /// Whether the contestant is another product rather than a limit.
    pub(crate) fn is_peer(self) -> bool {
        Self::PEERS.contains(&self)
    }
}

impl Display for Contestant {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
