//! Scanning of images for vulnerabilities.

mod get_registry_scanning_configuration;

pub use get_registry_scanning_configuration::get_registry_scanning_configuration;
