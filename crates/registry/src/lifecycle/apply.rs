//! Applies the policy of a repository: at once, after a push, and when the next image grows too old.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use ecru_model::{RepositoryName, Scope, Timestamp};
use ecru_platform::jobs::{Job, Lease, Outcome, Work};
use ecru_store::{Snapshot, StoreError, Tx, Value};
use serde_json::{Value as Json, json};

use super::evaluate::Candidate;
use super::evaluate::Census;
use super::evaluate::Rules;
use super::evaluate::Verdict;
use super::inventory;
use crate::context::StoreRules;
use crate::lifecycle_policy::policy::{Action, Policy};
use crate::lifecycle_policy::{APPLICATION, find, parse_stored, schedule_application};
use crate::records::repositories::{self, Repository};
use crate::stored_images::{self, Deleted};
use crate::subjects::RepositorySubject;
use crate::{Error, Service};

/// An image has a few rows, its tags and links among them, so that a batch stays within about 200 rows.
const IMAGES_PER_BATCH: usize = 25;
/// Each pass may unblock images for the next one; indexes of indexes are rare.
const PASSES_MAX: usize = 8;
/// A policy is evaluated at least this often, to catch changes that no event announced.
const INTERVAL_MILLISECONDS: i64 = 24 * 60 * 60 * 1000;

/// The actions on the images of a repository, in the order of their ids. Each image takes only sixteen bytes,
/// because the plan lives as long as the work.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    print: Print,
    /// The priority and the action of each rule, in the order of priorities.
    acts: Vec<(i32, Action)>,
    blocked: usize,
    next_due: Option<Timestamp>,
}

/// An image on which a rule acts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    pub(super) image_id: i64,
    /// A hash of the image at the time of the decision; the lowest bits hold the position of the rule.
    mark: u64,
}

const PLACE_BITS: u32 = 8;

/// Distinguishes images by a hash of 56 bits.
#[derive(Default, Clone)]
struct Print(RandomState);

impl Print {
    fn of(&self, candidate: &Candidate) -> u64 {
        self.0.hash_one(candidate) >> PLACE_BITS
    }
}

impl Plan {
    /// The priority and the action of the rule, unless the image has changed since the decision.
    pub(super) fn still_acts(&self, step: Step, candidate: &Candidate) -> Option<(i32, Action)> {
        let place = usize::try_from(step.mark & ((1 << PLACE_BITS) - 1)).ok()?;
        let same = step.mark >> PLACE_BITS == self.print.of(candidate);
        self.acts.get(place).copied().filter(|_| same)
    }
}

/// Decides everything on one state of the repository, of which only a part is in memory at a time.
pub(super) fn plan(
    at: &Snapshot<'_>,
    repository: &Repository,
    policy: &Policy,
    now: Timestamp,
) -> Result<Plan, StoreError> {
    let rules = Rules::new(policy, now);
    let mut census = Census::default();
    if rules.count() {
        inventory::each(at, repository, &mut |_, candidate| census.note(&rules, candidate))?;
    }
    let bounds = census.bounds(&rules);

    let mut plan = Plan {
        acts: rules.acts(),
        ..Plan::default()
    };
    inventory::each(at, repository, &mut |key, candidate| {
        let mut acts = None;
        let rank = |place| bounds.rank(place, candidate.sequence);
        let due = rules.judge(candidate, &rank, &mut |finding| match finding.verdict {
            Verdict::Act(_) => acts = Some(rules.place_of(finding.rule)),
            Verdict::Blocked => plan.blocked += 1,
            Verdict::Kept | Verdict::OutOfReach => {}
        });
        plan.next_due = plan.next_due.into_iter().chain(due).min();
        if let Some(place) = acts.and_then(|place| u64::try_from(place).ok()) {
            plan.steps.push(Step {
                image_id: key.id,
                mark: plan.print.of(candidate) << PLACE_BITS | place,
            });
        }
    })?;
    Ok(plan)
}

/// The job that applies the lifecycle policy of a repository.
pub(crate) struct Lifecycle;

impl Work for Lifecycle {
    type Service = Service;
    type Error = Error;
    const NAME: &'static str = APPLICATION;
    type Subject = RepositorySubject;

    async fn run(
        service: &Arc<Service>,
        job: Job<RepositorySubject>,
        lease: &Lease,
    ) -> Result<Outcome, Error> {
        run(service, job, lease).await
    }
}

async fn run(service: &Arc<Service>, job: Job<RepositorySubject>, lease: &Lease) -> Result<Outcome, Error> {
    let RepositorySubject(name) = job.subject;
    let mut application = Application {
        service,
        lease,
        scope: job.scope,
        name,
        done: Done::default(),
    };
    // A pull that is not written yet must count.
    stored_images::pulls::write(service).await?;
    for _ in 0..PASSES_MAX {
        let store_rules = service.store_rules();
        let Some((policy, plan)) = application.read(store_rules.at.now).await? else {
            break;
        };
        let plan = Arc::new(plan);
        application.carry_out(&policy, &plan, &store_rules).await?;
        if plan.steps.is_empty() || plan.blocked == 0 {
            application.end(policy, store_rules.at.now, plan.next_due).await?;
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
    /// Images that had changed since the decision.
    left: usize,
}

impl Done {
    fn summary(self) -> Json {
        json!({ "expired": self.expired, "archived": self.archived })
    }
}

impl Application<'_> {
    /// None if the policy was removed.
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
                let plan = plan(at, &repository, &rules, now)?;
                Ok(Some((policy.text, plan)))
            })
            .await
    }

    async fn carry_out(
        &mut self,
        policy: &str,
        plan: &Arc<Plan>,
        store_rules: &StoreRules,
    ) -> Result<(), Error> {
        let policy: Arc<str> = Arc::from(policy);
        for first in (0..plan.steps.len()).step_by(IMAGES_PER_BATCH) {
            let (plan, policy, lease) = (Arc::clone(plan), Arc::clone(&policy), self.lease.clone());
            let (scope, name, store_rules) = (self.scope.clone(), self.name.clone(), store_rules.clone());
            let done = self
                .service
                .store
                .write(move |tx| {
                    lease.check(tx)?;
                    let Some(repository) = repositories::find(tx, &scope, &name)? else {
                        return Ok(Done::default());
                    };
                    // A new policy has scheduled a run of its own.
                    if find(tx, &repository)?.is_none_or(|current| *current.text != *policy) {
                        return Ok(Done::default());
                    }
                    let mut done = Done::default();
                    for step in plan.steps.iter().skip(first).take(IMAGES_PER_BATCH) {
                        act(tx, &repository, (&plan, *step), &store_rules, &mut done)?;
                    }
                    Ok::<_, Error>(done)
                })
                .await?;
            self.done.expired += done.expired;
            self.done.archived += done.archived;
            self.done.left += done.left;
        }
        Ok(())
    }

    /// Records the evaluation, and schedules the next one for when an image grows too old.
    async fn end(&self, policy: String, now: Timestamp, next_due: Option<Timestamp>) -> Result<(), Error> {
        let (scope, name, lease) = (self.scope.clone(), self.name.clone(), self.lease.clone());
        let latest = Timestamp::from_millis(now.as_millis().saturating_add(INTERVAL_MILLISECONDS));
        let next = match next_due {
            // An image that changed in between is evaluated again.
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

/// Reads an image again, and acts on it only if it is unchanged.
fn act(
    tx: &Tx<'_>,
    repository: &Repository,
    (plan, step): (&Plan, Step),
    store_rules: &StoreRules,
    done: &mut Done,
) -> Result<(), Error> {
    let Some((key, candidate)) = inventory::find(tx, repository, step.image_id)? else {
        return Ok(());
    };
    let Some((_, action)) = plan.still_acts(step, &candidate) else {
        done.left += 1;
        return Ok(());
    };
    let Some(image) = stored_images::find(tx, repository, &key.digest)? else {
        return Ok(());
    };
    match action {
        Action::Expire => match stored_images::delete_image(tx, repository, &image, store_rules)? {
            Deleted::Done { .. } => done.expired += 1,
            Deleted::ReferencedBy(_) => {}
        },
        Action::Archive => {
            stored_images::archive(tx, repository, &image, store_rules.at.now)?;
            done.archived += 1;
        }
    }
    Ok(())
}
