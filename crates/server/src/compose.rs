//! The services of a server over one store, and the tasks that concern all of them.

use std::sync::Arc;

use ecru_aws::{ErrorNames, Mounted, Wire, json, query};
use ecru_control::Control;
use ecru_kms::{Kms, MasterKeySource};
use ecru_platform::component::Component;
use ecru_platform::jobs::Runner;
use ecru_platform::{Opening, Platform};
use ecru_registry::{Configuration, Ecr, Ports, Service};
use ecru_store::StoreError;
use ecru_sts::Sts;

/// All services of the server.
#[derive(Clone)]
pub struct Services {
    pub platform: Arc<Platform>,
    pub ecr: Arc<Service>,
    pub kms: Arc<ecru_kms::Service>,
    pub runner: Arc<Runner>,
    pub control: Control,
}

impl Services {
    /// Opens the data directory. Blocks meanwhile.
    pub fn open(
        mut opening: Opening,
        configuration: Configuration,
        mut ports: Ports,
        master_key: MasterKeySource,
    ) -> Result<Self, StoreError> {
        opening.migrations.push(ecru_kms::MIGRATIONS);
        ports.key_source = Arc::new(ecru_kms::Keys);
        let (platform, stored) = Platform::open(opening, Service::read)?;
        let ecr = Service::new(Arc::clone(&platform), stored, configuration, ports);
        let kms = ecru_kms::Service::new(Arc::clone(&platform), master_key);
        let components = components(&platform, &ecr, &kms);
        let kinds = components.iter().map(Arc::clone).flat_map(Component::kinds);
        let runner = Runner::new(Arc::clone(&platform), kinds.collect());
        Ok(Self {
            control: Control {
                platform: Arc::clone(&platform),
                ecr: Arc::clone(&ecr),
                runner: Arc::clone(&runner),
                components,
            },
            platform,
            ecr,
            kms,
            runner,
        })
    }

    /// The AWS APIs of all services.
    pub fn aws(&self, error_names: ErrorNames) -> Wire {
        Wire::new(self.mounts(), Arc::clone(&self.platform), error_names)
    }

    fn mounts(&self) -> Vec<Arc<dyn Mounted>> {
        vec![
            json(Ecr(Arc::clone(&self.ecr))),
            json(Kms(Arc::clone(&self.kms))),
            query(Sts(Arc::clone(&self.platform))),
        ]
    }
}

fn components(
    platform: &Arc<Platform>,
    ecr: &Arc<Service>,
    kms: &Arc<ecru_kms::Service>,
) -> Vec<Arc<dyn Component>> {
    vec![
        Arc::clone(ecr) as _,
        Arc::new(Sts(Arc::clone(platform))),
        Arc::clone(kms) as _,
    ]
}
