//! Lifecycle policies: what they say, what they would do, and doing it.

mod apply;
mod delete_lifecycle_policy;
mod evaluate;
mod explain;

mod get_lifecycle_policy;
mod get_lifecycle_policy_preview;
mod grammar;
mod inventory;
mod policy;
mod preview;
mod put_lifecycle_policy;
mod start_lifecycle_policy_preview;
mod tag_matcher;

use ecru_model::{ErrorCode, LifecyclePolicyText, Timestamp};
use ecru_store::{Snapshot, StoreError, Tx, Value};

use crate::Error;
use crate::jobs::{Kind, NewJob, schedule};
use crate::repositories::{Repository, stored};

pub(crate) use apply::run as apply;
pub use delete_lifecycle_policy::delete_lifecycle_policy;

pub use explain::{ExplainedImage, ExplainedRule, Explanation, explain};
pub use get_lifecycle_policy::get_lifecycle_policy;
pub use get_lifecycle_policy_preview::get_lifecycle_policy_preview;
pub(crate) use preview::run as preview;
pub use put_lifecycle_policy::put_lifecycle_policy;
pub use start_lifecycle_policy_preview::start_lifecycle_policy_preview;

use policy::Policy;

/// A policy as it is stored: in the form in which ECR returns it.
struct StoredPolicy {
    text: String,
    last_evaluated_at: Timestamp,
}

impl StoredPolicy {
    fn text(&self) -> Result<LifecyclePolicyText, StoreError> {
        stored(LifecyclePolicyText::parse(self.text.as_str()))
    }
}

fn find(at: &Snapshot<'_>, repository: &Repository) -> Result<Option<StoredPolicy>, StoreError> {
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

fn load(at: &Snapshot<'_>, repository: &Repository) -> Result<StoredPolicy, Error> {
    find(at, repository)?.ok_or_else(|| not_found(repository))
}

/// The text of a policy that comes in, in the form in which it is stored, if it is one.
pub(crate) fn accept(text: &str) -> Result<String, Error> {
    if !crate::unique_members::are_unique(text) {
        return Err(invalid(&grammar::not_mapped()));
    }
    accept_stored(text)
}

/// As `accept`, for answers that repeat the text as it was given, white space and all. Rules out of order are the
/// exception: they come back by their priorities everywhere.
pub(crate) fn accept_as_given(text: &str) -> Result<String, Error> {
    let ordered = accept(text)?;
    Ok(if grammar::is_in_order(text) {
        text.to_owned()
    } else {
        ordered
    })
}

/// As `accept`, for the text of a template, which may be older than the rules for what comes in.
pub(crate) fn accept_stored(text: &str) -> Result<String, Error> {
    let policy = grammar::parse(text).map_err(|violation| invalid(&violation))?;
    Ok(policy.minified())
}

fn invalid(violation: &str) -> Error {
    // The sentence closes the quote itself, where ECR closes it.
    Error::new(
        ErrorCode::InvalidParameterException,
        format!(
            "Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint: 'Lifecycle policy validation \
             failure: {violation}"
        ),
    )
}

/// Puts an accepted policy in the place of the one that stands, to be applied at once.
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

/// A push or a restore may make other images go.
pub(crate) fn images_changed(tx: &Tx<'_>, repository: &Repository, now: Timestamp) -> Result<(), StoreError> {
    let policy = tx.find(
        "SELECT 1 FROM lifecycle_policies WHERE repository_id = ?1",
        &[Value::Integer(repository.id)],
        |row| row.integer(0),
    )?;
    match policy {
        Some(_) => schedule_application(tx, repository, now),
        None => Ok(()),
    }
}

fn schedule_application(tx: &Tx<'_>, repository: &Repository, due: Timestamp) -> Result<(), StoreError> {
    schedule(
        tx,
        &NewJob {
            kind: Kind::Lifecycle,
            scope: &repository.scope,
            subject: repository.name.as_str(),
            due,
        },
    )
}

/// A policy that was accepted before it was stored.
fn parse_stored(text: &str) -> Result<Policy, StoreError> {
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
