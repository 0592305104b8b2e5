//! The committed facts themselves, for whoever makes requests out of the service model.

/// Operations, shapes and constraints as the service publishes them.
pub const MODEL: &str = include_str!("../ecr-model.json");
/// What is known beside the model, each fact with its source.
pub const OVERRIDES: &str = include_str!("../overrides.json");
