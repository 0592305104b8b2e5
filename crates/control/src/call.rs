//! What the functions of the control API work with.

use std::sync::Arc;

use ecru_model::{Region, RegistryId, Scope};
use ecru_platform::Platform;
use ecru_platform::component::{self, Component};
use ecru_platform::jobs::Runner;
use ecru_registry::{Endpoint, Service};
use ecru_store::StoreError;

use crate::text::Text;

/// The services that the API inspects and sets.
#[derive(Clone)]
pub struct Control {
    pub platform: Arc<Platform>,
    pub ecr: Arc<Service>,
    pub runner: Arc<Runner>,
    pub components: Vec<Arc<dyn Component>>,
}

/// A request to a route.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) control: &'a Control,
    pub(crate) endpoint: &'a Endpoint,
}

impl Call<'_> {
    /// The default account and us-east-1, unless the request names others.
    pub(crate) fn scope(&self, registry_id: Option<Text<RegistryId>>, region: Option<Text<Region>>) -> Scope {
        let default = || self.control.platform.default_account.clone();
        Scope {
            registry_id: registry_id.map_or_else(default, |Text(registry_id)| registry_id),
            region: region.map_or_else(Region::default, |Text(region)| region),
        }
    }
}

impl Control {
    /// Resets one service or all of them, for one account or for all accounts. Returns false for an unknown service.
    pub async fn reset(&self, name: Option<&str>, account: Option<RegistryId>) -> Result<bool, StoreError> {
        let named = |component: &&Arc<dyn Component>| name.is_none_or(|name| component.name() == name);
        let components = self.components.iter().filter(named).cloned().collect::<Vec<_>>();
        if components.is_empty() {
            return Ok(false);
        }
        let with_clock = account.is_none();
        component::reset(&self.platform, components, account, with_clock).await?;
        Ok(true)
    }

    /// The names of all services.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.components.iter().map(|component| component.name()).collect()
    }
}
