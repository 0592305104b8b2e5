//! Decides who may do what: every operation asks here, in the transaction that does its work.

mod action;
mod grammar;
mod registry_policy;

use std::sync::Arc;

use ecru_model::{ErrorCode, Region, RegistryId, RepositoryName, Scope, Tag, Timestamp};
use ecru_platform::ports::KeySource;
use ecru_policy::{
    Circumstances, Policy, Request, Verdict, add_circumstances, add_tags, evaluate, facts_of_caller,
    identities, is_root,
};
use ecru_store::{Snapshot, Store};

use crate::records::repositories::{self, Repository};
use crate::records::{regions, resource_tags};
use crate::{Caller, Context, Error};

pub(crate) use action::Holder;
use grammar::read_repository_policy;
pub(crate) use grammar::{parse_incoming, parse_stored};
use registry_policy::PolicyScope;

/// Actions that a caller wants to perform in a registry. The decision is made on a snapshot, so that no
/// policy changes between the decision and the work.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    pub(crate) scope: Scope,
    /// Whether a repository that is absent here may be found in another region of the account.
    any_region: bool,
    /// All of them must be allowed.
    actions: Vec<&'static str>,
    caller: Caller,
    circumstances: Circumstances,
    /// The address of the request carries the result of an earlier decision.
    granted: bool,
    /// Resource tags that the request sets, or the keys alone of tags that it removes.
    tags: Vec<(String, Option<String>)>,
    /// None for work without a key, such as tests of decisions.
    key_source: Option<Arc<dyn KeySource>>,
}

/// The actions that read or write what a repository's KMS key protects.
const WITH_KEY: [&str; 6] = [
    "BatchGetImage",
    "CompleteLayerUpload",
    "GetDownloadUrlForLayer",
    "InitiateLayerUpload",
    "PutImage",
    "UploadLayerPart",
];

/// The resource of an action.
#[derive(Debug, Clone, Copy)]
enum Resource<'a> {
    Repository(&'a RepositoryName),
    EveryRepository,
    Registry,
}

impl Access {
    pub(crate) fn new(
        caller: Caller,
        scope: Scope,
        action: &'static str,
        circumstances: Circumstances,
    ) -> Self {
        Self {
            scope,
            any_region: false,
            actions: vec![action],
            caller,
            circumstances,
            granted: false,
            tags: Vec::new(),
            key_source: None,
        }
    }

    /// The same request in one region of the same account.
    pub(crate) fn in_region(&self, region: Region) -> Self {
        let mut access = self.clone();
        (access.scope.region, access.any_region) = (region, false);
        access
    }

    /// The same request in the region where the repository is, or where it would be created.
    pub(crate) fn at_home_of(self, at: &Snapshot<'_>, name: &RepositoryName) -> Result<Self, Error> {
        if !self.any_region || repositories::find(at, &self.scope, name)?.is_some() {
            return Ok(self);
        }
        Ok(match regions::the_other_region(at, &self.scope, name)? {
            Some(region) => self.in_region(region),
            None => self,
        })
    }

    /// The same request, which needs permission for a further action.
    #[must_use]
    pub(crate) fn and(mut self, action: &'static str) -> Self {
        self.actions.push(action);
        self
    }

    /// The same request, which sets resource tags.
    #[must_use]
    pub(crate) fn giving<'a>(mut self, tags: impl IntoIterator<Item = (&'a String, &'a String)>) -> Self {
        let given = tags
            .into_iter()
            .map(|(key, value)| (key.clone(), Some(value.clone())));
        self.tags = given.collect();
        self
    }

    /// The same request, which removes resource tags.
    #[must_use]
    pub(crate) fn taking(mut self, keys: &[String]) -> Self {
        self.tags = keys.iter().map(|key| (key.clone(), None)).collect();
        self
    }

    /// The time of the request.
    pub(crate) fn now(&self) -> Timestamp {
        self.circumstances.now
    }

    /// Loads a repository on which the caller may perform the actions. Callers without permission cannot tell
    /// whether it exists.
    pub(crate) fn repository(&self, at: &Snapshot<'_>, name: &RepositoryName) -> Result<Repository, Error> {
        self.find_repository(at, name)?
            .ok_or_else(|| repositories::not_found(&self.scope, name))
    }

    /// As `repository`. The flag is true if no policy was involved: then the answer holds for every caller of
    /// the account until a row changes.
    pub(crate) fn repository_for_all(
        &self,
        at: &Snapshot<'_>,
        name: &RepositoryName,
    ) -> Result<(Repository, bool), Error> {
        let (repository, is_ruled) = self.find(at, name)?;
        let repository = repository.ok_or_else(|| repositories::not_found(&self.scope, name))?;
        Ok((repository, !is_ruled))
    }

    /// Returns the error for an invalid input. ECR looks for the repository before it checks the input, so an
    /// absent repository is reported first.
    pub(crate) async fn refuse_after_lookup(
        &self,
        store: &Store,
        name: &RepositoryName,
        refusal: Error,
    ) -> Error {
        match store.read(|at| self.repository(at, name)).await {
            Ok(_) => refusal,
            Err(error) => error,
        }
    }

    /// Whether the caller may do everything that no policy mentions.
    pub(crate) fn is_at_home(&self) -> bool {
        self.caller.registry_id == self.scope.registry_id
    }

    /// As `repository`, for callers that accept an absent repository.
    pub(crate) fn find_repository(
        &self,
        at: &Snapshot<'_>,
        name: &RepositoryName,
    ) -> Result<Option<Repository>, Error> {
        Ok(self.find(at, name)?.0)
    }

    /// The flag is true if a policy was involved.
    fn find(&self, at: &Snapshot<'_>, name: &RepositoryName) -> Result<(Option<Repository>, bool), Error> {
        let resource = Resource::Repository(name);
        let Some(ruled) = repositories::find_ruled(at, &self.scope, name)? else {
            if self.any_region
                && let Some(region) = regions::the_other_region(at, &self.scope, name)?
            {
                return self.in_region(region).find(at, name);
            }
            let registry_policy = registry_policy::find_policy(at, &self.scope)?;
            let is_ruled = registry_policy.is_some();
            self.decide(resource, None, registry_policy.as_ref(), || Ok(Vec::new()))?;
            return Ok((None, is_ruled));
        };
        let policy = ruled.policy.as_deref().map(read_repository_policy).transpose()?;
        let registry_policy = ruled
            .registry_policy
            .map(|text| registry_policy::read_policy(at, &self.scope, &text))
            .transpose()?;
        let is_ruled = policy.is_some() || registry_policy.is_some();
        let tags = || Ok(resource_tags::list(at, ruled.repository.id)?);
        self.decide(resource, policy.as_ref(), registry_policy.as_ref(), tags)?;
        if let Some(keys) = &self.key_source
            && self.actions.iter().any(|action| WITH_KEY.contains(action))
        {
            let repository = &ruled.repository;
            repository
                .encryption
                .check_usable(at, keys.as_ref(), &repository.scope)?;
        }
        Ok((Some(ruled.repository), is_ruled))
    }

    /// Whether the caller could do this if the repository had another policy.
    pub(crate) fn under_policy(
        &self,
        at: &Snapshot<'_>,
        repository: &Repository,
        policy: &Policy,
    ) -> Result<(), Error> {
        let tags = || Ok(resource_tags::list(at, repository.id)?);
        let registry_policy = registry_policy::find_policy(at, &self.scope)?;
        self.decide(
            Resource::Repository(&repository.name),
            Some(policy),
            registry_policy.as_ref(),
            tags,
        )
    }

    /// For actions on all repositories of a registry.
    pub(crate) fn every_repository(&self, at: &Snapshot<'_>) -> Result<(), Error> {
        let registry_policy = registry_policy::find_policy(at, &self.scope)?;
        self.decide(Resource::EveryRepository, None, registry_policy.as_ref(), || {
            Ok(Vec::new())
        })
    }

    /// For actions on a registry itself.
    pub(crate) fn registry(&self, at: &Snapshot<'_>) -> Result<(), Error> {
        let registry_policy = registry_policy::find_policy(at, &self.scope)?;
        self.decide(Resource::Registry, None, registry_policy.as_ref(), || {
            Ok(Vec::new())
        })
    }

    fn decide(
        &self,
        resource: Resource<'_>,
        repository_policy: Option<&Policy>,
        registry_policy: Option<&(Policy, PolicyScope)>,
        tags: impl FnOnce() -> Result<Vec<Tag>, Error>,
    ) -> Result<(), Error> {
        if self.granted {
            return Ok(());
        }
        let at_home = self.is_at_home();
        if at_home && repository_policy.is_none() && registry_policy.is_none() {
            return Ok(());
        }
        let mut request = self.request(resource, &tags()?);
        for action in &self.actions {
            if self.is_exempt(action) {
                continue;
            }
            request.action = format!("ecr:{}", action.to_ascii_lowercase());
            let registry_policy = registry_policy.and_then(|(policy, reach)| {
                let reaches = *reach == PolicyScope::V2 || action::is_of_scope_v1(action);
                reaches.then_some(policy)
            });
            match evaluate(repository_policy.into_iter().chain(registry_policy), &request) {
                Verdict::Denied => return Err(self.denied(action, resource, EXPLICIT_DENY)),
                Verdict::Silent if !at_home => return Err(self.denied(action, resource, NO_ALLOW)),
                Verdict::Silent | Verdict::Allowed => {}
            }
        }
        Ok(())
    }

    /// [unknown] A registry policy that denies everything to everyone must not be permanent: the account
    /// itself can always read, replace and delete it.
    fn is_exempt(&self, action: &str) -> bool {
        let at_home = self.is_at_home();
        let on_policy = matches!(
            action,
            "GetRegistryPolicy" | "PutRegistryPolicy" | "DeleteRegistryPolicy"
        );
        at_home && on_policy && is_root(&self.caller)
    }

    fn request(&self, resource: Resource<'_>, tags: &[Tag]) -> Request {
        let mut facts = facts_of_caller(&self.caller, &self.circumstances.organization_id);
        add_circumstances(&mut facts, &self.scope, &self.circumstances);
        let of_repository = tags.iter().map(|tag| (tag.key.as_str(), tag.value.as_str()));
        add_tags(&mut facts, ("ecr", of_repository), &self.tags);
        Request {
            identities: identities(&self.caller),
            action: String::new(),
            resource: self.arn(resource),
            facts,
        }
    }

    fn arn(&self, resource: Resource<'_>) -> String {
        match resource {
            Resource::Repository(name) => self.scope.repository_arn(name),
            Resource::EveryRepository => self.scope.arn("ecr", "repository/", "*"),
            Resource::Registry => "*".to_owned(),
        }
    }

    fn denied(&self, action: &str, resource: Resource<'_>, why: &str) -> Error {
        Error::new(
            ErrorCode::AccessDeniedException,
            format!(
                "User: {} is not authorized to perform: ecr:{action} on resource: {} {}",
                self.caller.name(),
                self.arn(resource),
                why.replace("{action}", action),
            ),
        )
    }
}

const NO_ALLOW: &str = "because no resource-based policy allows the ecr:{action} action";
const EXPLICIT_DENY: &str = "with an explicit deny in a resource-based policy";

impl Context {
    /// The actions of this request in the registry that it names, else in its default registry.
    pub(crate) fn access(&self, action: &'static str, registry_id: Option<&RegistryId>) -> Access {
        let scope = match registry_id {
            Some(id) => Scope {
                registry_id: id.clone(),
                region: self.scope.region.clone(),
            },
            None => self.scope.clone(),
        };
        let circumstances = Circumstances {
            now: self.clock.now(),
            source: self.source,
            organization_id: self.configuration.organization_id.clone(),
        };
        let mut access = Access::new(self.caller.clone(), scope, action, circumstances);
        (access.any_region, access.granted) = (self.any_region, self.granted);
        access.key_source = Some(Arc::clone(&self.ports.key_source));
        access
    }
}
