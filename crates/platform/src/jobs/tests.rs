//! Jobs compared with their rows: which job runs when, and what a run leaves behind.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ecru_model::{Region, RegistryId, Scope, Timestamp};
use serde_json::json;
use tempfile::TempDir;

use super::finish::finish;
use super::next::{claim, idle_time};
use super::runs::RUNNING_MAX;
use super::*;
use crate::platform::tests::platform_on;
use crate::{Clock, ServiceError};

const NOW: i64 = 1_767_225_600_000;

/// Work that is scheduled at each start.
struct Cleaning;
/// Work with the usual number of runs.
struct Copying;
/// Work that runs once at a time.
struct Looking;

macro_rules! work {
    ($kind:ident, $name:literal, $($constants:tt)*) => {
        impl Work for $kind {
            type Service = ();
            type Error = ServiceError;
            type Subject = String;
            const NAME: &'static str = $name;
            $($constants)*

            async fn run(_: &Arc<()>, _: Job<String>, _: &Lease) -> Result<Outcome, ServiceError> {
                Ok(done())
            }
        }
    };
}

work!(Cleaning, "cleaning", const IS_STANDING: bool = true;);
work!(Copying, "copying",);
work!(Looking, "looking", const RUNNING_MAX: usize = 1;);

fn runner_on(directory: &Path) -> Arc<Runner> {
    let clock = Clock::default();
    clock.freeze(Timestamp::from_millis(NOW));
    let service = Arc::new(());
    let kinds = vec![
        Kind::of::<Cleaning>(&service),
        Kind::of::<Copying>(&service),
        Kind::of::<Looking>(&service),
    ];
    Runner::new(platform_on(directory, clock), kinds)
}

fn runner() -> (Arc<Runner>, TempDir) {
    let directory = TempDir::new().unwrap();
    (runner_on(directory.path()), directory)
}

fn scope(account: &str, region: &str) -> Scope {
    Scope {
        registry_id: RegistryId::parse(account).unwrap(),
        region: Region::parse(region).unwrap(),
    }
}

async fn add(runner: &Runner, subject: &'static str, due: i64) {
    add_kind(runner, Copying::NAME, subject, due).await;
}

async fn add_kind(runner: &Runner, kind: &'static str, subject: &'static str, due: i64) {
    let scope = scope("111122223333", "eu-west-1");
    let added = runner
        .platform
        .store
        .write(move |tx| schedule_named(tx, kind, &scope, &subject.to_owned(), Timestamp::from_millis(due)));
    added.await.unwrap();
}

/// The job that would run next if no run were under way.
async fn next(runner: &Arc<Runner>) -> Option<(JobRow, Lease)> {
    let mut place = Place::wait(runner).await.unwrap();
    claim(runner, &mut place).await.unwrap()
}

async fn subject(runner: &Arc<Runner>) -> Option<String> {
    next(runner).await.map(|(job, _)| job.job.subject)
}

async fn end(runner: &Runner, (job, lease): (JobRow, Lease), result: Result<Outcome, ServiceError>) -> Ended {
    finish(&runner.platform, &job, lease, result).await.unwrap().ended
}

async fn execute(runner: &Runner, sql: &'static str) {
    runner
        .platform
        .store
        .write(move |tx| tx.execute(sql, &[]))
        .await
        .unwrap();
}

fn done() -> Outcome {
    Outcome::Done(json!({}))
}

#[tokio::test]
async fn what_is_due_is_claimed_in_the_order_of_its_due_and_once() {
    let (runner, _directory) = runner();
    add(&runner, "later", NOW + 1).await;
    add(&runner, "second", NOW).await;
    add(&runner, "first", NOW - 1).await;
    assert_eq!(subject(&runner).await.as_deref(), Some("first"));
    assert_eq!(subject(&runner).await.as_deref(), Some("second"));
    assert_eq!(subject(&runner).await, None);
    runner.platform.clock.advance(1);
    assert_eq!(subject(&runner).await.as_deref(), Some("later"));
}

#[tokio::test]
async fn of_two_dues_the_earlier_wins() {
    let (runner, _directory) = runner();
    add(&runner, "one", NOW + 20).await;
    add(&runner, "one", NOW + 10).await;
    add(&runner, "one", NOW + 30).await;
    runner.platform.clock.advance(10);
    let claimed = next(&runner).await.unwrap();
    end(&runner, claimed, Ok(done())).await;
    runner.platform.clock.advance(100);
    assert_eq!(subject(&runner).await, None);
}

#[tokio::test]
async fn what_is_scheduled_during_a_run_is_run_after_it() {
    for outcome in [
        Outcome::Done(json!({})),
        Outcome::Again(Timestamp::from_millis(NOW + 1_000)),
        Outcome::Later(json!({}), Duration::from_hours(1)),
    ] {
        let (runner, _directory) = runner();
        add(&runner, "one", NOW).await;
        let claimed = next(&runner).await.unwrap();
        add(&runner, "one", NOW + 20).await;
        add(&runner, "one", NOW).await;
        assert_eq!(subject(&runner).await, None, "a run is under way");
        end(&runner, claimed, Ok(outcome.clone())).await;
        assert_eq!(subject(&runner).await.as_deref(), Some("one"), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_job_that_asks_for_it_runs_again_at_its_time() {
    let (runner, _directory) = runner();
    add(&runner, "one", NOW).await;
    let claimed = next(&runner).await.unwrap();
    let at = Timestamp::from_millis(NOW + 1_000);
    assert_eq!(
        end(&runner, claimed, Ok(Outcome::Again(at))).await,
        Ended::Again(at)
    );
    runner.platform.clock.advance(999);
    assert_eq!(subject(&runner).await, None);
    runner.platform.clock.advance(1);
    let (job, _) = next(&runner).await.unwrap();
    assert_eq!(job.job.attempts, 1);
}

#[tokio::test]
async fn a_failed_run_is_tried_again_after_a_pause_of_machine_time() {
    let (runner, _directory) = runner();
    add(&runner, "one", NOW).await;
    for attempt in 1..4 {
        let claimed = next(&runner).await.unwrap();
        assert_eq!(claimed.0.job.attempts, attempt);
        let failed = end(&runner, claimed, Err(ServiceError::internal("the disk is away"))).await;
        assert_eq!(failed, Ended::Failed("the disk is away".to_owned()));
        // Nothing shortens the pause: neither the clock that users see, nor another reason to run.
        runner.platform.clock.advance(1_000_000_000);
        add(&runner, "one", NOW).await;
        assert_eq!(subject(&runner).await, None);
        assert!(idle_time(&runner).await.unwrap().unwrap() <= Duration::from_secs(1 << attempt));
        execute(&runner, "UPDATE jobs SET not_before = 0").await;
    }
    let claimed = next(&runner).await.unwrap();
    end(&runner, claimed, Ok(done())).await;
    assert_eq!(idle_time(&runner).await.unwrap(), None);
}

#[tokio::test]
async fn a_run_whose_lease_ran_out_comes_to_nothing() {
    let (runner, _directory) = runner();
    add(&runner, "one", NOW).await;
    let (job, lease) = next(&runner).await.unwrap();
    execute(&runner, "UPDATE jobs SET lease_until = 1").await;
    let second = next(&runner).await.unwrap();
    assert_eq!(second.0.job.attempts, 2);

    let late = lease.clone();
    let write = runner.platform.store.write(move |tx| {
        late.check(tx)?;
        tx.execute("DELETE FROM jobs", &[])?;
        Ok::<_, LeaseError>(())
    });
    assert!(write.await.is_err());
    assert_eq!(end(&runner, (job, lease), Ok(done())).await, Ended::Superseded);
    assert_eq!(end(&runner, second, Ok(done())).await, Ended::Done(json!({})));
}

#[tokio::test]
async fn a_run_that_a_crash_cut_off_is_begun_again_at_the_next_start() {
    let (runner, directory) = runner();
    add(&runner, "one", NOW).await;
    let (_, lease) = next(&runner).await.unwrap();
    runner.platform.store.close().await;
    drop((runner, lease));

    let runner = runner_on(directory.path());
    assert_eq!(subject(&runner).await, None);
    background::begin(&runner).await.unwrap();
    let mut subjects = Vec::new();
    while let Some(subject) = subject(&runner).await {
        subjects.push(subject);
    }
    assert_eq!(subjects, ["", "one"], "standing work, and what was cut off");
}

#[tokio::test]
async fn a_frozen_clock_is_not_waited_for() {
    let (runner, _directory) = runner();
    add(&runner, "one", NOW + 5_000).await;
    assert_eq!(idle_time(&runner).await.unwrap(), None);
    runner.platform.clock.reset();
    let due = runner.platform.clock.now().as_millis() + 5_000;
    add(&runner, "two", due).await;
    execute(&runner, "DELETE FROM jobs WHERE subject = 'one'").await;
    assert!(idle_time(&runner).await.unwrap().unwrap() <= Duration::from_secs(5));
}

#[tokio::test]
async fn what_is_due_is_run_although_it_waits_after_a_failure() {
    let (runner, _directory) = runner();
    add(&runner, "one", NOW).await;
    add(&runner, "not yet", NOW + 1).await;
    let claimed = next(&runner).await.unwrap();
    end(&runner, claimed, Err(ServiceError::internal("the disk is away"))).await;

    let ran = run_due(&runner).await.unwrap();
    let told = ran.iter().map(|ran| (ran.kind.as_str(), ran.subject.as_str()));
    let told = told.collect::<Vec<_>>();
    assert!(told.contains(&("copying", "one")), "{told:?}");
    assert!(told.contains(&("cleaning", "")), "{told:?}");
    assert!(!told.contains(&("copying", "not yet")), "{told:?}");
}

const OF_ACCOUNTS: &[&str] = &["other"];

#[tokio::test]
async fn jobs_of_an_account_go_with_it() {
    let (runner, _directory) = runner();
    execute(
        &runner,
        "INSERT INTO jobs (kind, account, region, subject, due) VALUES ('other', '111122223333', 'eu-west-1', '', 1),
             ('other', '444455556666', 'eu-west-1', '', 1), ('cleaning', '444455556666', 'eu-west-1', '', 1)",
    )
    .await;
    let count = async || {
        let counted = runner
            .platform
            .store
            .read(|at| at.find("SELECT count(*) FROM jobs", &[], |row| row.integer(0)))
            .await;
        counted.unwrap().unwrap()
    };
    runner
        .platform
        .store
        .write(|tx| forget(tx, Some("111122223333"), OF_ACCOUNTS))
        .await
        .unwrap();
    assert_eq!(count().await, 2);
    runner
        .platform
        .store
        .write(|tx| forget(tx, None, OF_ACCOUNTS))
        .await
        .unwrap();
    assert_eq!(count().await, 1);
}

/// Claims a job in its own place.
async fn begin(runner: &Arc<Runner>) -> Option<(JobRow, Lease, Place)> {
    let mut place = Place::try_take(runner)?;
    let (job, lease) = claim(runner, &mut place).await.unwrap()?;
    Some((job, lease, place))
}

#[tokio::test]
async fn no_kind_of_work_holds_all_places() {
    for kind in [Cleaning::NAME, Copying::NAME, Looking::NAME] {
        let (runner, _directory) = runner();
        for subject in ["one", "two", "three", "four"] {
            add_kind(&runner, kind, subject, NOW - 10).await;
        }
        let mut running = Vec::new();
        while let Some(run) = begin(&runner).await {
            running.push(run);
        }
        let expected = if kind == Looking::NAME { 1 } else { RUNNING_MAX - 1 };
        assert_eq!(running.len(), expected, "{kind:?}");
        // The loop looks for work again only when a run ends or other work arrives.
        assert_eq!(idle_time(&runner).await.unwrap(), None, "{kind:?}");

        let other = if kind == Copying::NAME {
            Looking::NAME
        } else {
            Copying::NAME
        };
        add_kind(&runner, other, "other", NOW).await;
        assert_eq!(
            idle_time(&runner).await.unwrap(),
            Some(Duration::ZERO),
            "{kind:?}"
        );
        let (job, _, place) = begin(&runner).await.unwrap();
        assert_eq!(
            (job.kind.as_str(), job.job.subject.as_str()),
            (other, "other"),
            "{kind:?}"
        );
        drop(place);

        let (first, lease, place) = running.remove(0);
        end(&runner, (first, lease), Ok(done())).await;
        drop(place);
        let (next, ..) = begin(&runner).await.unwrap();
        assert_eq!(next.kind, kind, "the next of its kind follows");
    }
}
