//! Rows that several rooms read: repositories, their resource tags, and the settings of registries.

pub(crate) mod encryption;
pub(crate) mod regions;
pub(crate) mod registry_settings;
pub(crate) mod repositories;
pub(crate) mod resource_tags;
pub(crate) mod tag_mutability;
