//! A repository with the account and region that hold it.

use ecru_model::{Region, RegistryId, RepositoryName};
use ecru_registry::introspection::ScopedName;
use serde::{Deserialize, Serialize};

use crate::call::Call;
use crate::text::Text;

// Comments of documentation become descriptions in the document, also where the type is flattened into others.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "NamedRepository"))]
pub(crate) struct Named {
    registry_id: Text<RegistryId>,
    region: Text<Region>,
    repository_name: Text<RepositoryName>,
}

impl From<ScopedName> for Named {
    fn from(name: ScopedName) -> Self {
        Self {
            registry_id: Text(name.scope.registry_id),
            region: Text(name.scope.region),
            repository_name: Text(name.repository_name),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) struct OneRepository {
    /// The name of the repository.
    pub(crate) repository: Text<RepositoryName>,
    /// The account of the repository, by default the server's default account.
    pub(crate) registry_id: Option<Text<RegistryId>>,
    /// The region of the repository, by default us-east-1.
    pub(crate) region: Option<Text<Region>>,
}

impl OneRepository {
    pub(crate) fn scoped(self, call: Call<'_>) -> ScopedName {
        ScopedName {
            scope: call.scope(self.registry_id, self.region),
            repository_name: self.repository.0,
        }
    }
}
