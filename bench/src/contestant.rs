//! Who takes part: ecru, other registries and emulators, and the limits of the machine.

use std::fmt::{self, Display, Formatter};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Contestant {
    Ecru,
    /// The same with the log of requests that it has by default.
    EcruLogging,
    /// The reference registry, as Debian ships it.
    Distribution,
    Zot,
    /// An emulator that holds everything in memory.
    Fakecloud,
    /// The same, told to keep what it has on disk.
    FakecloudDisk,
    Moto,
    Nginx,
    /// Receives, hashes, writes and flushes, and does nothing else.
    Receiver,
    /// Appends records to one file, a flush for all that wait.
    Log,
    /// A file and a flush for each record.
    Files,
    /// The same, as a store must do it: under another name first, so that no half file ever has the name.
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
    /// What serves the OCI protocol.
    pub(crate) const REGISTRIES: [Self; 5] = [
        Self::Ecru,
        Self::Distribution,
        Self::Zot,
        Self::Fakecloud,
        Self::FakecloudDisk,
    ];
    /// What serves the ECR API.
    pub(crate) const EMULATORS: [Self; 4] = [Self::Ecru, Self::Fakecloud, Self::FakecloudDisk, Self::Moto];
    /// What can be started, and left alone.
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

    /// Whether it is another product, and not a limit.
    pub(crate) fn is_peer(self) -> bool {
        Self::PEERS.contains(&self)
    }
}

impl Display for Contestant {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}
