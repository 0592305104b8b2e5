//! Carries out the policy of a repository: now, after a push, and when the next image grows too old.

use std::sync::Arc;

use ecru_model::{RepositoryName, Scope, Timestamp};
use ecru_store::{Tx, Value};
use serde_json::{Value as Json, json};

use super::evaluate::{Candidate, Verdict, evaluate};
use super::inventory::{self, Inventory, Key};
use super::policy::{Action, Policy};
use super::{find, parse_stored, schedule_application};
use crate::clock::Moment;
use crate::images::{self, Deleted};
use crate::jobs::{Job, Lease, Outcome};
use crate::repositories::{self, Repository, stored};
use crate::{Error, Service};

/// An image has a few rows, its tags and links among them, so that a batch stays within about 200.
const IMAGES_PER_BATCH: usize = 25;
/// Each pass may set free what the one before was blocked by: indexes of indexes are rare.
const PASSES_MAX: usize = 8;
/// A policy is evaluated at least this often, so that what nobody announced is seen.
const INTERVAL_MILLISECONDS: i64 = 24 * 60 * 60 * 1000;

/// What is to be done with the images of a repository.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    blocked: usize,
    next_due: Option<Timestamp>,
}

/// What is to be done with one image, and how it looked when that was decided.
pub(super) struct Step {
    pub(super) key: Key,
    pub(super) candidate: Candidate,
    pub(super) rule: i32,
    pub(super) action: Action,
}

/// In the order of image ids.
pub(super) fn plan(policy: &Policy, inventory: Inventory, now: Timestamp) -> Plan {
    let mut acts = vec![None; inventory.keys.len()];
    let mut blocked = 0;
    let next_due = evaluate(
        policy,
        &inventory.candidates,
        now,
        &mut |finding| match finding.verdict {
            Verdict::Act(action) => {
                if let Some(act) = acts.get_mut(finding.image) {
                    *act = Some((finding.rule, action));
                }
            }
            Verdict::Blocked => blocked += 1,
            Verdict::Kept | Verdict::OutOfReach => {}
        },
    );
    let images = inventory.keys.into_iter().zip(inventory.candidates);
    let steps = images.zip(acts).filter_map(|((key, candidate), act)| {
        act.map(|(rule, action)| Step {
            key,
            candidate,
            rule,
            action,
        })
    });
    Plan {
        steps: steps.collect(),
        blocked,
        next_due,
    }
}

pub(crate) async fn run(service: &Arc<Service>, job: &Job, lease: &Lease) -> Result<Outcome, Error> {
    let name = stored(RepositoryName::parse(job.subject.as_str()))?;
    let mut application = Application {
        service,
        lease,
        scope: job.scope.clone(),
        name,
        done: Done::default(),
    };
    // A pull that is not written yet must not count as none.
    images::pulls::write(service).await?;
    for _ in 0..PASSES_MAX {
        let moment = service.clock.moment();
        let Some((policy, plan)) = application.read(moment.now).await? else {
            break;
        };
        let settled = application.carry_out(&policy, plan.steps, moment).await?;
        if settled || plan.blocked == 0 {
            application.end(policy, moment.now, plan.next_due).await?;
            break;
        }
    }
    Ok(Outcome::Done(application.done.summary()))
}

/// One run for one repository.
struct Application<'a> {
    service: &'a Service,
    lease: &'a Lease,
    scope: Scope,
    name: RepositoryName,
    done: Done,
}

#[derive(Clone, Copy, Default)]
struct Done {
    expired: usize,
    archived: usize,
    /// Images that had changed since they were looked at.
    left: usize,
}

impl Done {
    fn summary(self) -> Json {
        json!({ "expired": self.expired, "archived": self.archived })
    }
}

impl Application<'_> {
    /// None when there is no policy any more.
    async fn read(&self, now: Timestamp) -> Result<Option<(String, Plan)>, Error> {
        let (scope, name) = (self.scope.clone(), self.name.clone());
        self.service
            .store
            .read_many(move |at| {
                let Some(repository) = repositories::find(at, &scope, &name)? else {
                    return Ok(None);
                };
                let Some(policy) = find(at, &repository)? else {
                    return Ok(None);
                };
                let rules = parse_stored(&policy.text)?;
                let inventory = inventory::inventory(at, &repository)?;
                Ok(Some((policy.text, plan(&rules, inventory, now))))
            })
            .await
    }

    /// Whether nothing was to be done.
    async fn carry_out(&mut self, policy: &str, steps: Vec<Step>, moment: Moment) -> Result<bool, Error> {
        let settled = steps.is_empty();
        let steps = Arc::new(steps);
        let policy: Arc<str> = Arc::from(policy);
        for first in (0..steps.len()).step_by(IMAGES_PER_BATCH) {
            let (steps, policy, lease) = (Arc::clone(&steps), Arc::clone(&policy), self.lease.clone());
            let (scope, name) = (self.scope.clone(), self.name.clone());
            let done = self
                .service
                .store
                .write(move |tx| {
                    lease.check(tx)?;
                    let Some(repository) = repositories::find(tx, &scope, &name)? else {
                        return Ok(Done::default());
                    };
                    // What another policy says is decided by the run that it has asked for.
                    if find(tx, &repository)?.is_none_or(|current| *current.text != *policy) {
                        return Ok(Done::default());
                    }
                    let mut done = Done::default();
                    for step in steps.iter().skip(first).take(IMAGES_PER_BATCH) {
                        act(tx, &repository, step, moment, &mut done)?;
                    }
                    Ok::<_, Error>(done)
                })
                .await?;
            self.done.expired += done.expired;
            self.done.archived += done.archived;
            self.done.left += done.left;
        }
        Ok(settled)
    }

    /// Records the evaluation, and has the next one made when an image grows too old.
    async fn end(&self, policy: String, now: Timestamp, next_due: Option<Timestamp>) -> Result<(), Error> {
        let (scope, name, lease) = (self.scope.clone(), self.name.clone(), self.lease.clone());
        let latest = Timestamp::from_millis(now.as_millis().saturating_add(INTERVAL_MILLISECONDS));
        let next = match next_due {
            // An image that had changed in between is looked at again.
            _ if self.done.left > 0 => now,
            Some(due) => due.min(latest),
            None => latest,
        };
        self.service
            .store
            .write(move |tx| {
                lease.check(tx)?;
                let Some(repository) = repositories::find(tx, &scope, &name)? else {
                    return Ok(());
                };
                let evaluated = tx.execute(
                    "UPDATE lifecycle_policies SET last_evaluated_at = ?3 WHERE repository_id = ?1 AND policy = ?2",
                    &[
                        Value::Integer(repository.id),
                        Value::Text(&policy),
                        Value::Integer(now.as_millis()),
                    ],
                )?;
                if evaluated > 0 {
                    schedule_application(tx, &repository, next)?;
                }
                Ok::<_, Error>(())
            })
            .await
    }
}

/// Looks at an image again, and leaves it alone unless it is as it was.
fn act(
    tx: &Tx<'_>,
    repository: &Repository,
    step: &Step,
    moment: Moment,
    done: &mut Done,
) -> Result<(), Error> {
    let now = inventory::find(tx, repository, step.key.id)?;
    let Some(image) = images::find(tx, repository, &step.key.digest)? else {
        return Ok(());
    };
    if now.as_ref() != Some(&step.candidate) || image.id != step.key.id {
        done.left += 1;
        return Ok(());
    }
    match step.action {
        Action::Expire => match images::delete_image(tx, repository, &image, moment)? {
            Deleted::Done { .. } => done.expired += 1,
            Deleted::ReferencedBy(_) => {}
        },
        Action::Archive => {
            images::archive(tx, repository, &image, moment.now)?;
            done.archived += 1;
        }
    }
    Ok(())
}
