//! Jobs compared with their rows: which job runs when, and what a run leaves behind.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ecru_model::{Region, RegistryId, Scope, Timestamp};
use ecru_store::Options;
use serde_json::json;
use tempfile::TempDir;

use super::finish::finish;
use super::next::{claim, idle_time};
use super::*;
use crate::state::runs::RUNNING_MAX;
use crate::work::KINDS;
use crate::{Clock, Configuration, Error, Random, RepositoryUriShape};

const NOW: i64 = 1_767_225_600_000;

fn service_on(directory: &Path) -> Arc<Service> {
    let options = Options {
        directory: directory.to_owned(),
        ephemeral: true,
    };
    let clock = Clock::default();
    clock.freeze(Timestamp::from_millis(NOW));
    let configuration = Configuration {
        default_account: RegistryId::parse("000000000000").unwrap(),
        dev_users: true,
        public_endpoint: None,
        repository_uri: RepositoryUriShape::Request,
        events_kept: Duration::from_hours(168),
        organization_id: crate::OrganizationId::default(),
        pace: crate::Pace::Fast,
        uploads_at_once: 16,
        quotas: crate::quotas::Quotas::default(),
    };
    Service::open(
        &options,
        clock,
        Random::default(),
        configuration,
        crate::Ports::default(),
    )
    .unwrap()
}

pub(crate) fn service() -> (Arc<Service>, TempDir) {
    let directory = TempDir::new().unwrap();
    (service_on(directory.path()), directory)
}

pub(crate) fn scope(account: &str, region: &str) -> Scope {
    Scope {
        registry_id: RegistryId::parse(account).unwrap(),
        region: Region::parse(region).unwrap(),
    }
}

async fn add(service: &Service, subject: &'static str, due: i64) {
    add_kind(service, REPOSITORY_REMOVAL, subject, due).await;
}

async fn add_kind(service: &Service, kind: &'static str, subject: &'static str, due: i64) {
    let scope = scope("111122223333", "eu-west-1");
    let added = service
        .store
        .write(move |tx| schedule_named(tx, kind, &scope, &subject.to_owned(), Timestamp::from_millis(due)));
    added.await.unwrap();
}

/// The job that would run next if no run were under way.
async fn next(service: &Arc<Service>) -> Option<(JobRow, Lease)> {
    let mut place = Place::wait(service).await.unwrap();
    claim(service, KINDS, &mut place).await.unwrap()
}

async fn subject(service: &Arc<Service>) -> Option<String> {
    next(service).await.map(|(job, _)| job.job.subject)
}

async fn end(service: &Service, (job, lease): (JobRow, Lease), result: Result<Outcome, Error>) -> Ended {
    finish(service, &job, lease, result).await.unwrap().ended
}

async fn execute(service: &Service, sql: &'static str) {
    service.store.write(move |tx| tx.execute(sql, &[])).await.unwrap();
}

fn done() -> Outcome {
    Outcome::Done(json!({}))
}

#[tokio::test]
async fn what_is_due_is_claimed_in_the_order_of_its_due_and_once() {
    let (service, _directory) = service();
    add(&service, "later", NOW + 1).await;
    add(&service, "second", NOW).await;
    add(&service, "first", NOW - 1).await;
    assert_eq!(subject(&service).await.as_deref(), Some("first"));
    assert_eq!(subject(&service).await.as_deref(), Some("second"));
    assert_eq!(subject(&service).await, None);
    service.clock.advance(1);
    assert_eq!(subject(&service).await.as_deref(), Some("later"));
}

#[tokio::test]
async fn of_two_dues_the_earlier_wins() {
    let (service, _directory) = service();
    add(&service, "one", NOW + 20).await;
    add(&service, "one", NOW + 10).await;
    add(&service, "one", NOW + 30).await;
    service.clock.advance(10);
    let claimed = next(&service).await.unwrap();
    end(&service, claimed, Ok(done())).await;
    service.clock.advance(100);
    assert_eq!(subject(&service).await, None);
}

#[tokio::test]
async fn what_is_scheduled_during_a_run_is_run_after_it() {
    for outcome in [
        Outcome::Done(json!({})),
        Outcome::Again(Timestamp::from_millis(NOW + 1_000)),
        Outcome::Later(json!({}), Duration::from_hours(1)),
    ] {
        let (service, _directory) = service();
        add(&service, "one", NOW).await;
        let claimed = next(&service).await.unwrap();
        add(&service, "one", NOW + 20).await;
        add(&service, "one", NOW).await;
        assert_eq!(subject(&service).await, None, "a run is under way");
        end(&service, claimed, Ok(outcome.clone())).await;
        assert_eq!(subject(&service).await.as_deref(), Some("one"), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_job_that_asks_for_it_runs_again_at_its_time() {
    let (service, _directory) = service();
    add(&service, "one", NOW).await;
    let claimed = next(&service).await.unwrap();
    let at = Timestamp::from_millis(NOW + 1_000);
    assert_eq!(
        end(&service, claimed, Ok(Outcome::Again(at))).await,
        Ended::Again(at)
    );
    service.clock.advance(999);
    assert_eq!(subject(&service).await, None);
    service.clock.advance(1);
    let (job, _) = next(&service).await.unwrap();
    assert_eq!(job.job.attempts, 1);
}

#[tokio::test]
async fn a_failed_run_is_tried_again_after_a_pause_of_machine_time() {
    let (service, _directory) = service();
    add(&service, "one", NOW).await;
    for attempt in 1..4 {
        let claimed = next(&service).await.unwrap();
        assert_eq!(claimed.0.job.attempts, attempt);
        let failed = end(&service, claimed, Err(Error::server("the disk is away"))).await;
        assert_eq!(failed, Ended::Failed("the disk is away".to_owned()));
        // Nothing shortens the pause: neither the clock that users see, nor another reason to run.
        service.clock.advance(1_000_000_000);
        add(&service, "one", NOW).await;
        assert_eq!(subject(&service).await, None);
        assert!(idle_time(&service).unwrap().unwrap() <= Duration::from_secs(1 << attempt));
        execute(&service, "UPDATE jobs SET not_before = 0").await;
    }
    let claimed = next(&service).await.unwrap();
    end(&service, claimed, Ok(done())).await;
    assert_eq!(idle_time(&service).unwrap(), None);
}

#[tokio::test]
async fn a_run_whose_lease_ran_out_comes_to_nothing() {
    let (service, _directory) = service();
    add(&service, "one", NOW).await;
    let (job, lease) = next(&service).await.unwrap();
    execute(&service, "UPDATE jobs SET lease_until = 1").await;
    let second = next(&service).await.unwrap();
    assert_eq!(second.0.job.attempts, 2);

    let late = lease.clone();
    let write = service.store.write(move |tx| {
        late.check(tx)?;
        tx.execute("DELETE FROM jobs", &[])?;
        Ok::<_, Error>(())
    });
    assert!(write.await.is_err());
    assert_eq!(end(&service, (job, lease), Ok(done())).await, Ended::Superseded);
    assert_eq!(end(&service, second, Ok(done())).await, Ended::Done(json!({})));
}

#[tokio::test]
async fn a_run_that_a_crash_cut_off_is_begun_again_at_the_next_start() {
    let (service, directory) = service();
    add(&service, "one", NOW).await;
    let (_, lease) = next(&service).await.unwrap();
    service.store.close().await;
    drop((service, lease));

    let service = service_on(directory.path());
    assert_eq!(subject(&service).await, None);
    background::begin(&service).await.unwrap();
    let mut subjects = Vec::new();
    while let Some(subject) = subject(&service).await {
        subjects.push(subject);
    }
    assert_eq!(subjects, ["", "one"], "housekeeping, and what was cut off");
}

#[tokio::test]
async fn a_frozen_clock_is_not_waited_for() {
    let (service, _directory) = service();
    add(&service, "one", NOW + 5_000).await;
    assert_eq!(idle_time(&service).unwrap(), None);
    service.clock.reset();
    let due = service.clock.now().as_millis() + 5_000;
    add(&service, "two", due).await;
    execute(&service, "DELETE FROM jobs WHERE subject = 'one'").await;
    assert!(idle_time(&service).unwrap().unwrap() <= Duration::from_secs(5));
}

#[tokio::test]
async fn what_is_due_is_run_although_it_waits_after_a_failure() {
    let (service, _directory) = service();
    add(&service, "one", NOW).await;
    add(&service, "not yet", NOW + 1).await;
    let claimed = next(&service).await.unwrap();
    end(&service, claimed, Err(Error::server("the disk is away"))).await;

    let ran = run_due(&service, KINDS).await.unwrap();
    let told = ran.iter().map(|ran| (ran.kind.as_str(), ran.subject.as_str()));
    let told = told.collect::<Vec<_>>();
    assert!(told.contains(&("repository-removal", "one")), "{told:?}");
    assert!(told.contains(&("housekeeping", "")), "{told:?}");
    assert!(!told.contains(&("repository-removal", "not yet")), "{told:?}");
}

#[tokio::test]
async fn jobs_of_an_account_go_with_it() {
    let (service, _directory) = service();
    execute(
        &service,
        "INSERT INTO jobs (kind, account, region, subject, due) VALUES ('other', '111122223333', 'eu-west-1', '', 1),
             ('other', '444455556666', 'eu-west-1', '', 1), ('housekeeping', '444455556666', 'eu-west-1', '', 1)",
    )
    .await;
    let count = || {
        let counted = service
            .store
            .read(|at| at.find("SELECT count(*) FROM jobs", &[], |row| row.integer(0)));
        counted.unwrap().unwrap()
    };
    service
        .store
        .write(|tx| forget(tx, Some("111122223333")))
        .await
        .unwrap();
    assert_eq!(count(), 2);
    service.store.write(|tx| forget(tx, None)).await.unwrap();
    assert_eq!(count(), 1);
}

/// Claims a job in its own place.
async fn begin(service: &Arc<Service>) -> Option<(JobRow, Lease, Place)> {
    let mut place = Place::try_take(service)?;
    let (job, lease) = claim(service, KINDS, &mut place).await.unwrap()?;
    Some((job, lease, place))
}

#[tokio::test]
async fn no_kind_of_work_holds_all_places() {
    for kind in KINDS.iter().map(|kind| kind.name) {
        let (service, _directory) = service();
        for subject in ["one", "two", "three", "four"] {
            add_kind(&service, kind, subject, NOW - 10).await;
        }
        let mut running = Vec::new();
        while let Some(run) = begin(&service).await {
            running.push(run);
        }
        let expected = if kind == "image-scan" { 1 } else { RUNNING_MAX - 1 };
        assert_eq!(running.len(), expected, "{kind:?}");
        // The loop looks for work again only when a run ends or other work arrives.
        assert_eq!(idle_time(&service).unwrap(), None, "{kind:?}");

        let other = if kind == "lifecycle" {
            "referrers"
        } else {
            "lifecycle"
        };
        add_kind(&service, other, "other", NOW).await;
        assert_eq!(idle_time(&service).unwrap(), Some(Duration::ZERO), "{kind:?}");
        let (job, _, place) = begin(&service).await.unwrap();
        assert_eq!(
            (job.kind.as_str(), job.job.subject.as_str()),
            (other, "other"),
            "{kind:?}"
        );
        drop(place);

        let (first, lease, place) = running.remove(0);
        end(&service, (first, lease), Ok(done())).await;
        drop(place);
        let (next, ..) = begin(&service).await.unwrap();
        assert_eq!(next.kind, kind, "the next of its kind follows");
    }
}
