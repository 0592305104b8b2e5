//! Who takes part: ecru, other registries and emulators, and the limits of the machine.

use std::fmt::{self, Display, Formatter};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Contestant {
    Ecru,
    /// The reference registry, as Debian ships it.
    Distribution,
    Zot,
    /// An emulator that holds everything in memory.
    Fakecloud,
    Moto,
    Nginx,
    /// Receives, hashes, writes and flushes, and does nothing else.
    Receiver,
    /// Appends records to one file, a flush for all that wait.
    Log,
    /// A file and a flush for each record.
    Files,
    Sha256,
    /// Writes one file and flushes it.
    Disk,
}

impl Contestant {
    pub(crate) const PEERS: [Self; 4] = [Self::Distribution, Self::Zot, Self::Fakecloud, Self::Moto];
    /// What serves the OCI protocol.
    pub(crate) const REGISTRIES: [Self; 4] = [Self::Ecru, Self::Distribution, Self::Zot, Self::Fakecloud];
    /// What serves the ECR API.
    pub(crate) const EMULATORS: [Self; 3] = [Self::Ecru, Self::Fakecloud, Self::Moto];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ecru => "ecru",
            Self::Distribution => "docker-registry",
            Self::Zot => "zot",
            Self::Fakecloud => "fakecloud",
            Self::Moto => "moto",
            Self::Nginx => "nginx",
            Self::Receiver => "floor",
            Self::Log => "log",
            Self::Files => "file + fsync",
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
