//! The services of a server over one store, and what is done for all of them.

use std::sync::Arc;

use ecru_aws::{ErrorNames, Mounted, Wire, json, query};
use ecru_model::RegistryId;
use ecru_platform::component::{self, Component};
use ecru_platform::jobs::Runner;
use ecru_platform::{Opening, Platform};
use ecru_registry::{Configuration, Ecr, Ports, Service};
use ecru_store::StoreError;
use ecru_sts::{Sts, StsComponent};

/// Every service that the server has.
#[derive(Clone)]
pub struct Services {
    pub platform: Arc<Platform>,
    pub ecr: Arc<Service>,
    pub runner: Arc<Runner>,
    components: Vec<Arc<dyn Component>>,
}

impl Services {
    /// Opens the data directory, and blocks meanwhile.
    pub fn open(opening: Opening, configuration: Configuration, ports: Ports) -> Result<Self, StoreError> {
        let (platform, stored) = Platform::open(opening, Service::read)?;
        let ecr = Service::new(Arc::clone(&platform), stored, configuration, ports);
        let components = components(&platform, &ecr);
        let kinds = components.iter().map(Arc::clone).flat_map(Component::kinds);
        let runner = Runner::new(Arc::clone(&platform), kinds.collect());
        Ok(Self {
            platform,
            ecr,
            runner,
            components,
        })
    }

    /// The AWS APIs of all services.
    pub fn aws(&self, error_names: ErrorNames) -> Wire {
        Wire::new(self.mounts(), Arc::clone(&self.platform), error_names)
    }

    fn mounts(&self) -> Vec<Arc<dyn Mounted>> {
        vec![
            json(Ecr(Arc::clone(&self.ecr))),
            query(Sts(Arc::clone(&self.platform))),
        ]
    }

    /// Resets one service or all of them, for one account or for all accounts. Returns false for an unknown service.
    pub async fn reset(&self, name: Option<&str>, account: Option<RegistryId>) -> Result<bool, StoreError> {
        let named = |component: &Arc<dyn Component>| name.is_none_or(|name| component.name() == name);
        let components = self
            .components
            .iter()
            .filter(|component| named(component))
            .cloned()
            .collect::<Vec<_>>();
        if components.is_empty() {
            return Ok(false);
        }
        let with_clock = account.is_none();
        component::reset(&self.platform, components, account, with_clock).await?;
        Ok(true)
    }

    /// The names of all services.
    pub fn names(&self) -> Vec<&'static str> {
        self.components.iter().map(|component| component.name()).collect()
    }
}

fn components(platform: &Arc<Platform>, ecr: &Arc<Service>) -> Vec<Arc<dyn Component>> {
    vec![Arc::clone(ecr) as _, Arc::new(StsComponent(Arc::clone(platform)))]
}
