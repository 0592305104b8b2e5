//! The services that can be tested, each with its facts, its samples and its baseline.

use std::path::PathBuf;

use anyhow::Result;
use clap::ValueEnum;

use crate::{facts::Facts, samples::Samples};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Service {
    Ecr,
    Kms,
    Sts,
}

/// The committed files of a service.
struct Committed {
    name: &'static str,
    model: &'static str,
    overrides: &'static str,
    samples: &'static str,
    baseline: &'static str,
}

macro_rules! committed {
    ($name:literal) => {
        Committed {
            name: $name,
            model: include_str!(concat!("../../../models/", $name, "/model.json")),
            overrides: include_str!(concat!("../../../models/", $name, "/overrides.json")),
            samples: include_str!(concat!("../samples/", $name, ".json")),
            baseline: include_str!(concat!("../baseline/", $name, ".txt")),
        }
    };
}

const ECR: Committed = committed!("ecr");
const KMS: Committed = committed!("kms");
const STS: Committed = committed!("sts");

impl Service {
    fn committed(self) -> &'static Committed {
        match self {
            Self::Ecr => &ECR,
            Self::Kms => &KMS,
            Self::Sts => &STS,
        }
    }

    pub(crate) fn facts(self) -> Result<Facts> {
        let committed = self.committed();
        Facts::parse(committed.model, committed.overrides)
    }

    pub(crate) fn samples(self) -> Result<Samples> {
        Samples::parse(self.committed().samples)
    }

    pub(crate) fn baseline(self) -> &'static str {
        self.committed().baseline
    }

    pub(crate) fn baseline_path(self) -> PathBuf {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/baseline");
        PathBuf::from(folder)
            .join(self.committed().name)
            .with_extension("txt")
    }
}

#[cfg(test)]
mod tests {
    use crate::{facts::describes, services::Service};

    #[test]
    fn every_pattern_of_an_input_compiles() {
        let services = [Service::Ecr, Service::Kms, Service::Sts].map(Service::facts);
        for facts in services.map(Result::unwrap) {
            for name in facts.in_inputs().unwrap() {
                assert!(describes(facts.shape(name).unwrap(), "").is_ok(), "{name}");
            }
        }
    }
}
