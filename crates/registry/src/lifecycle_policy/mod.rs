//! Lifecycle policies: their grammar, and the row that a repository has for its policy.

pub(crate) mod grammar;
pub(crate) mod policy;
pub(crate) mod tag_matcher;

use ecru_model::{ErrorCode, LifecyclePolicyText, Timestamp};
use ecru_platform::jobs::schedule_named;
use ecru_store::{Snapshot, StoreError, Tx, Value, stored};

use crate::Error;
use crate::records::repositories::Repository;
use crate::subjects::RepositorySubject;

use policy::Policy;

/// The job that applies the policy of a repository.
pub(crate) const APPLICATION: &str = "lifecycle";

/// A policy as it is stored: in the form in which ECR returns it.
pub(crate) struct StoredPolicy {
    pub(crate) text: String,
    pub(crate) last_evaluated_at: Timestamp,
}

impl StoredPolicy {
    pub(crate) fn text(&self) -> Result<LifecyclePolicyText, StoreError> {
        stored(LifecyclePolicyText::parse(self.text.as_str()))
    }
}

pub(crate) fn find(at: &Snapshot<'_>, repository: &Repository) -> Result<Option<StoredPolicy>, StoreError> {
    at.find(
        "SELECT policy, last_evaluated_at FROM lifecycle_policies WHERE repository_id = ?1",
        &[Value::Integer(repository.id)],
        |row| {
            Ok(StoredPolicy {
                text: row.text(0)?.to_owned(),
                last_evaluated_at: Timestamp::from_millis(row.integer(1)?),
            })
        },
    )
}

pub(crate) fn load(at: &Snapshot<'_>, repository: &Repository) -> Result<StoredPolicy, Error> {
    find(at, repository)?.ok_or_else(|| not_found(repository))
}

/// Checks the text of an incoming policy, and returns its stored form.
pub(crate) fn accept(text: &str) -> Result<String, Error> {
    if !ecru_policy::are_unique(text) {
        return Err(invalid(&grammar::not_mapped()));
    }
    accept_stored(text)
}

/// As `accept`, for answers that repeat the text as sent, with its white space. Rules out of order are the
/// exception: they are always returned by their priorities.
pub(crate) fn accept_as_given(text: &str) -> Result<String, Error> {
    let ordered = accept(text)?;
    Ok(if grammar::is_in_order(text) {
        text.to_owned()
    } else {
        ordered
    })
}

/// As `accept`, for the text of a template, which may be older than the rules for incoming texts.
pub(crate) fn accept_stored(text: &str) -> Result<String, Error> {
    let policy = grammar::parse(text).map_err(|violation| invalid(&violation))?;
    Ok(policy.minified())
}

fn invalid(violation: &str) -> Error {
    // The violation closes the quote itself, where ECR closes it.
    Error::new(
        ErrorCode::InvalidParameterException,
        format!(
            "Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint: 'Lifecycle policy validation \
             failure: {violation}"
        ),
    )
}

/// Replaces the policy with an accepted one, which is applied at once.
pub(crate) fn save(
    tx: &Tx<'_>,
    repository: &Repository,
    policy: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO lifecycle_policies (repository_id, policy, last_evaluated_at) VALUES (?1, ?2, 0)
         ON CONFLICT (repository_id) DO UPDATE SET policy = excluded.policy, last_evaluated_at = 0",
        &[Value::Integer(repository.id), Value::Text(policy)],
    )?;
    schedule_application(tx, repository, now)
}

pub(crate) fn schedule_application(
    tx: &Tx<'_>,
    repository: &Repository,
    due: Timestamp,
) -> Result<(), StoreError> {
    let subject = RepositorySubject(repository.name.clone());
    schedule_named(tx, APPLICATION, &repository.scope, &subject, due)
}

/// Parses a policy that was accepted before it was stored.
pub(crate) fn parse_stored(text: &str) -> Result<Policy, StoreError> {
    stored(grammar::parse(text))
}

fn not_found(repository: &Repository) -> Error {
    Error::new(
        ErrorCode::LifecyclePolicyNotFoundException,
        format!(
            "Lifecycle policy does not exist for the repository with name '{}' in the registry with id '{}'",
            repository.name, repository.scope.registry_id
        ),
    )
}
