//! Bodies that compete for memory, with a clock that tests move.

use std::future::pending;

use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use super::arrival::PACE_BYTES_PER_SECOND;
use super::*;

impl BodyBudget {
    fn is_unused(&self) -> bool {
        let queue = self.0.queue();
        self.0.taken.load(SeqCst) == 0
            && self.0.waiting.load(SeqCst) == 0
            && queue.waiters.is_empty()
            && !queue.has_leader
    }
}

async fn held(budget: &BodyBudget, bytes: usize) -> HeldBody {
    let mut body = budget.body();
    body.grow_to(bytes).await.unwrap();
    body
}

/// Takes the whole shared part, and leads.
async fn crowd(budget: &BodyBudget) -> (HeldBody, HeldBody) {
    (
        held(budget, LARGE_SHARED_BYTES - READ_AHEAD_BYTES).await,
        held(budget, 10 * MEBIBYTE).await,
    )
}

#[tokio::test(start_paused = true)]
async fn a_body_that_finds_no_memory_is_refused_after_half_a_minute() {
    let budget = BodyBudget::default();
    let crowded = crowd(&budget).await;
    let begun = Instant::now();
    let mut body = budget.body();
    assert_eq!(body.grow_to(MEBIBYTE).await, Err(BodyRefused::Crowded));
    assert_eq!(begun.elapsed().as_secs(), 30);
    drop((crowded, body));
    assert!(budget.is_unused());
}

#[tokio::test(start_paused = true)]
async fn memory_goes_to_those_who_waited_longest() {
    let budget = BodyBudget::default();
    let (first, leader) = crowd(&budget).await;
    let mut tasks = JoinSet::new();
    for number in 0..2 {
        let budget = budget.clone();
        tasks.spawn(async move {
            sleep(Duration::from_millis(number)).await;
            (number, held(&budget, 20 * MEBIBYTE).await)
        });
    }
    sleep(Duration::from_secs(1)).await;
    drop(first);
    let (number, second) = tasks.join_next().await.unwrap().unwrap();
    assert_eq!(number, 0);
    assert!(timeout(Duration::from_secs(20), tasks.join_next()).await.is_err());
    drop(leader);
    let (number, third) = tasks.join_next().await.unwrap().unwrap();
    assert_eq!(number, 1);
    drop((second, third));
    assert!(budget.is_unused());
}

#[tokio::test(start_paused = true)]
async fn bodies_that_each_hold_a_part_and_want_more_all_end() {
    let budget = BodyBudget::default();
    let mut tasks = JoinSet::new();
    for _ in 0..40 {
        let budget = budget.clone();
        tasks.spawn(async move {
            let mut body = budget.body();
            for mebibytes in 1..=9 {
                body.grow_to(mebibytes * MEBIBYTE).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    assert!(budget.is_unused());
}

#[tokio::test(start_paused = true)]
async fn small_bodies_pass_large_ones_that_wait() {
    let budget = BodyBudget::default();
    let _crowded = crowd(&budget).await;
    let waiting = tokio::spawn({
        let budget = budget.clone();
        async move { held(&budget, MEBIBYTE).await }
    });
    tokio::task::yield_now().await;
    assert_eq!(budget.0.waiting.load(SeqCst), 1);
    for _ in 0..SMALL_LANE_BYTES / SMALL_BYTES {
        let body = held(&budget, SMALL_BYTES).await;
        std::mem::forget(body);
    }
    let mut beyond = budget.body();
    assert!(timeout(Duration::from_secs(1), beyond.grow_to(1)).await.is_err());
    waiting.abort();
}

#[tokio::test(start_paused = true)]
async fn a_silent_body_has_a_minute_alone_and_five_seconds_while_others_wait() {
    let budget = BodyBudget::default();
    let begun = Instant::now();
    let mut alone = held(&budget, 1).await;
    assert_eq!(alone.next(pending::<()>()).await, Err(BodyRefused::Silent));
    assert_eq!(begun.elapsed().as_secs(), 60);

    drop(alone);
    let (mut silent, mut leader) = crowd(&budget).await;
    let begun = Instant::now();
    let waiting = tokio::spawn(async move { held(&budget, MEBIBYTE).await });
    let slow = async {
        let refused = silent.next(pending::<()>()).await;
        drop(silent);
        refused
    };
    assert_eq!(slow.await, Err(BodyRefused::Slow));
    assert!((5..=7).contains(&begun.elapsed().as_secs()));
    waiting.await.unwrap();
    // No body waits any more.
    assert_eq!(leader.next(pending::<()>()).await, Err(BodyRefused::Silent));
}

#[tokio::test(start_paused = true)]
async fn only_a_body_below_the_least_pace_is_ended_while_others_wait() {
    for (bytes_a_second, outcome) in [
        (PACE_BYTES_PER_SECOND, Ok(())),
        (PACE_BYTES_PER_SECOND / 2, Err(BodyRefused::Slow)),
    ] {
        let budget = BodyBudget::default();
        let (_silent, mut leader) = crowd(&budget).await;
        let waiting = tokio::spawn(async move { held(&budget, MEBIBYTE).await });
        tokio::task::yield_now().await;
        let mut ended = Ok(());
        for _ in 0..25 {
            ended = leader.next(sleep(Duration::from_secs(1))).await;
            leader.arrived(bytes_a_second);
            if ended.is_err() {
                break;
            }
        }
        assert_eq!(ended, outcome, "{bytes_a_second}");
        waiting.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn those_that_have_to_lead_do_so_one_after_the_other_and_hinder_no_others() {
    let budget = BodyBudget::default();
    let leading = |bytes| {
        let mut body = budget.body();
        async move {
            body.lead();
            body.grow_to(bytes).await.map(|()| body)
        }
    };
    let first = leading(MEBIBYTE).await.unwrap();
    let mut second = Box::pin(leading(MEBIBYTE));
    assert!(timeout(Duration::from_secs(1), &mut second).await.is_err());
    let begun = Instant::now();
    let other = held(&budget, 20 * MEBIBYTE).await;
    assert_eq!(begun.elapsed(), Duration::ZERO);
    drop(first);
    drop((second.await.unwrap(), other));
    assert!(budget.is_unused());
}

#[tokio::test(start_paused = true)]
async fn those_who_leave_the_queue_leave_nothing_behind() {
    let budget = BodyBudget::default();
    let crowded = crowd(&budget).await;
    for bytes in [1, MEBIBYTE] {
        let mut body = held(&budget, 1).await;
        let left = timeout(Duration::from_secs(1), body.grow_to(bytes + SMALL_BYTES)).await;
        assert!(left.is_err());
    }
    let mut tasks = JoinSet::new();
    for _ in 0..10 {
        let budget = budget.clone();
        tasks.spawn(async move { held(&budget, MEBIBYTE).await });
    }
    tokio::task::yield_now().await;
    // Granted, then dropped before any waiter could see it.
    drop(crowded);
    tasks.shutdown().await;
    assert!(budget.is_unused());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn never_more_than_the_budget_is_held_and_all_of_it_is_given_back() {
    let budget = BodyBudget::default();
    let held_bytes = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for number in 0..200_usize {
        let (budget, held_bytes) = (budget.clone(), Arc::clone(&held_bytes));
        tasks.spawn(async move {
            let mut body = budget.body();
            let mut before = 0;
            for turn in 0..20 {
                let more = (number * 7919 + turn * 104_729) % (MEBIBYTE / 2);
                body.grow_to(body.held() + more).await.unwrap();
                let now = held_bytes.fetch_add(body.held() - before, SeqCst) + body.held() - before;
                assert!(now <= BUDGET_BYTES);
                before = body.held();
                tokio::task::yield_now().await;
            }
            held_bytes.fetch_sub(before, SeqCst);
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    assert!(budget.is_unused());
}
