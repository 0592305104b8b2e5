//! Where state lives: an account in a region.

use std::fmt;

use crate::{Region, RegistryId};

/// A registry: everything stored belongs to exactly one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope {
    pub registry_id: RegistryId,
    pub region: Region,
}

impl Scope {
    pub const fn new(registry_id: RegistryId, region: Region) -> Self {
        Self { registry_id, region }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.registry_id, self.region)
    }
}
