//! The rows of repositories, and the error sentences about them.

use ecru_model as model;
use ecru_model::{EncryptionType, ErrorCode, ImageTagMutability, RepositoryName, Scope, Timestamp};
use ecru_platform::Page;
use ecru_platform::paging::{Filling, Room};
use ecru_store::{Row, Snapshot, StoreError, Tx, Value, stored};

use super::encryption::Encryption;
use super::registry_settings::REGISTRY_POLICY;
use super::tag_mutability;
use crate::Error;
use crate::quotas::{Held, Quota};

pub(crate) const HELD: Held = Held {
    quota: Quota::RepositoriesPerRegistry,
    things: "repositories",
    counter: "repositories",
};

/// A repository as it is stored.
#[derive(Debug, Clone)]
pub(crate) struct Repository {
    pub(crate) id: i64,
    pub(crate) scope: Scope,
    pub(crate) name: RepositoryName,
    pub(crate) created_at: Timestamp,
    pub(crate) tag_mutability: ImageTagMutability,
    pub(crate) exclusion_filters: Vec<String>,
    pub(crate) scan_on_push: bool,
    pub(crate) encryption: Encryption,
}

impl Repository {
    pub(crate) fn arn(&self) -> String {
        self.scope.repository_arn(&self.name)
    }

    pub(crate) fn text_bytes(&self) -> usize {
        let filters = self.exclusion_filters.iter().map(String::len).sum::<usize>();
        let key = self.encryption.kms_key.as_ref().map_or(0, String::len);
        // The name is also part of the ARN and of the URI.
        3 * self.name.as_str().len() + filters + key
    }

    fn from_row(row: &Row<'_>, scope: &Scope) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.integer(0)?,
            scope: scope.clone(),
            name: stored(RepositoryName::parse(row.text(1)?))?,
            created_at: Timestamp::from_millis(row.integer(2)?),
            tag_mutability: stored(ImageTagMutability::parse(row.text(3)?))?,
            exclusion_filters: match row.optional_text(4)? {
                Some(filters) => filters.split('\n').map(str::to_owned).collect(),
                None => Vec::new(),
            },
            scan_on_push: row.boolean(5)?,
            encryption: Encryption {
                kind: stored(EncryptionType::parse(row.text(6)?))?,
                kms_key: row.optional_text(7)?.map(str::to_owned),
            },
        })
    }
}

const FIND: &str =
    "SELECT id, name, created_at, tag_mutability, exclusion_filters, scan_on_push, encryption_type, kms_key
     FROM repositories WHERE account = ?1 AND region = ?2 AND name = ?3 AND deleted = 0";

/// Includes the policies that decide about access, so that the decision needs no statement of its own.
const FIND_RULED: &str =
    "SELECT id, name, created_at, tag_mutability, exclusion_filters, scan_on_push, encryption_type, kms_key, policy,
         (SELECT value FROM registry_settings WHERE account = ?1 AND region = ?2 AND name = ?4)
     FROM repositories WHERE account = ?1 AND region = ?2 AND name = ?3 AND deleted = 0";

const LIST: &str = "SELECT id, name, created_at, tag_mutability, exclusion_filters, scan_on_push, encryption_type, kms_key
     FROM repositories WHERE account = ?1 AND region = ?2 AND name > ?3 AND deleted = 0 ORDER BY name LIMIT ?4";

/// For work without a caller; work for a caller uses `Access::repository`.
pub(crate) fn find(
    at: &Snapshot<'_>,
    scope: &Scope,
    name: &RepositoryName,
) -> Result<Option<Repository>, StoreError> {
    let key = [scope.registry_id.as_str(), scope.region.as_str(), name.as_str()].map(Value::Text);
    at.find(FIND, &key, |row| Repository::from_row(row, scope))
}

/// A repository, its policy and the policy of its registry.
pub(crate) struct Ruled {
    pub(crate) repository: Repository,
    pub(crate) policy: Option<String>,
    pub(crate) registry_policy: Option<String>,
}

pub(crate) fn find_ruled(
    at: &Snapshot<'_>,
    scope: &Scope,
    name: &RepositoryName,
) -> Result<Option<Ruled>, StoreError> {
    let key = [
        scope.registry_id.as_str(),
        scope.region.as_str(),
        name.as_str(),
        REGISTRY_POLICY,
    ];
    at.find(FIND_RULED, &key.map(Value::Text), |row| {
        Ok(Ruled {
            repository: Repository::from_row(row, scope)?,
            policy: row.optional_text(8)?.map(str::to_owned),
            registry_policy: row.optional_text(9)?.map(str::to_owned),
        })
    })
}

/// As `find`, but a missing repository is an error.
pub(crate) fn load(at: &Snapshot<'_>, scope: &Scope, name: &RepositoryName) -> Result<Repository, Error> {
    find(at, scope, name)?.ok_or_else(|| not_found(scope, name))
}

/// A page of repositories in the order of their names, from the one after `after`.
pub(crate) fn list(
    at: &Snapshot<'_>,
    scope: &Scope,
    after: &str,
    room: &Room,
) -> Result<Page<Repository, String>, StoreError> {
    let parameters = [
        Value::Text(scope.registry_id.as_str()),
        Value::Text(scope.region.as_str()),
        Value::Text(after),
        Value::Integer(i64::from(room.rows()) + 1),
    ];
    let mut filling = Filling::new(room);
    at.each(LIST, &parameters, &mut |row| {
        let repository = Repository::from_row(row, scope)?;
        Ok(filling.push(repository.text_bytes(), repository))
    })?;
    Ok(filling.page_by(|last| last.name.as_str().to_owned()))
}

pub(crate) fn insert(tx: &Tx<'_>, repository: &Repository) -> Result<i64, StoreError> {
    let filters = repository.exclusion_filters.join("\n");
    let parameters = [
        Value::Text(repository.scope.registry_id.as_str()),
        Value::Text(repository.scope.region.as_str()),
        Value::Text(repository.name.as_str()),
        Value::Integer(repository.created_at.as_millis()),
        Value::Text(repository.tag_mutability.as_str()),
        if filters.is_empty() {
            Value::Null
        } else {
            Value::Text(&filters)
        },
        Value::from(repository.scan_on_push),
        Value::Text(repository.encryption.kind.as_str()),
        Value::from(repository.encryption.kms_key.as_deref()),
    ];
    let id = tx
        .returning(
            "INSERT INTO repositories (account, region, name, created_at, tag_mutability, exclusion_filters,
                 scan_on_push, encryption_type, kms_key)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) RETURNING id",
            &parameters,
            |row| row.integer(0),
        )?
        .ok_or_else(|| StoreError::damaged("an inserted repository has no row"))?;
    tx.execute(
        "INSERT INTO repository_counters (repository_id, images, push_sequence) VALUES (?1, 0, 0)",
        &[Value::Integer(id)],
    )?;
    Ok(id)
}

/// Saves the columns that can change after creation.
pub(crate) fn save(tx: &Tx<'_>, repository: &Repository) -> Result<(), StoreError> {
    let filters = repository.exclusion_filters.join("\n");
    tx.execute(
        "UPDATE repositories SET tag_mutability = ?2, exclusion_filters = ?3, scan_on_push = ?4 WHERE id = ?1",
        &[
            Value::Integer(repository.id),
            Value::Text(repository.tag_mutability.as_str()),
            if filters.is_empty() { Value::Null } else { Value::Text(&filters) },
            Value::from(repository.scan_on_push),
        ],
    )?;
    Ok(())
}

pub(crate) fn describe_filters(filters: &[String]) -> Option<Vec<model::ImageTagMutabilityExclusionFilter>> {
    let described = filters
        .iter()
        .filter_map(|filter| {
            Some(model::ImageTagMutabilityExclusionFilter {
                filter_type: model::ImageTagMutabilityExclusionFilterType::Wildcard,
                filter: model::ImageTagMutabilityExclusionFilterValue::parse(filter).ok()?,
            })
        })
        .collect::<Vec<_>>();
    (!described.is_empty()).then_some(described)
}

/// The filters of a request in their stored form, checked against the setting of the same request.
pub(crate) fn accept_filters(
    setting: ImageTagMutability,
    filters: Option<Vec<model::ImageTagMutabilityExclusionFilter>>,
) -> Result<Vec<String>, Error> {
    let filters = filters.map(|filters| {
        filters
            .into_iter()
            .map(|filter| filter.filter.as_str().to_owned())
            .collect::<Vec<_>>()
    });
    tag_mutability::check_filters(setting, filters.as_deref())?;
    Ok(filters.unwrap_or_default())
}

pub(crate) fn not_found(scope: &Scope, name: &RepositoryName) -> Error {
    Error::new(
        ErrorCode::RepositoryNotFoundException,
        format!(
            "The repository with name '{name}' does not exist in the registry with id '{}'",
            scope.registry_id
        ),
    )
}
