//! Workers in this process: leases, failures, and a server that breaks connections off.

mod support;

use mini_jobs::connection::connect;
use mini_jobs::{Delivery, Options, Status};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;
use support::{Redis, soon, until, until_all};
use tokio::sync::Notify;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// Much longer than a busy machine keeps a worker from renewing it, and short enough to be waited for.
const LEASE: Duration = Duration::from_millis(900);

fn options() -> Options {
    Options { lease: LEASE, ..Options::default() }
}

async fn upper(delivery: Delivery) -> Result<String, String> {
    Ok(delivery.payload.to_uppercase())
}

#[tokio::test]
async fn jobs_are_done_and_their_results_are_there() {
    let redis = Redis::start().await;
    let queue = redis.queue().await;
    let first = queue.push("before anybody works").await.unwrap();
    assert_eq!(queue.status().await.unwrap(), Status { open: 1, ..Status::default() });
    let shutdown = CancellationToken::new();
    let working = tokio::spawn(redis.worker("worker", options()).run(upper, shutdown.clone()));
    let mut ids = vec![first.clone()];
    for n in 0..50 {
        ids.push(queue.push(&format!("job {n}")).await.unwrap());
    }
    until_all(&queue, 51).await;
    let results = queue.all_results().await.unwrap();
    assert_eq!(results[&first], "BEFORE ANYBODY WORKS");
    assert!(ids.iter().all(|id| results.contains_key(id)));
    assert!(queue.all_attempts().await.unwrap().values().all(|attempts| *attempts == 1));
    shutdown.cancel();
    assert_eq!(soon(working).await.unwrap().done, 51);
    redis.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_takes_longer_than_its_lease_is_not_taken_over() {
    let redis = Redis::start().await;
    let queue = redis.queue().await;
    let shutdown = CancellationToken::new();
    let slow = |delivery: Delivery| async move {
        sleep(4 * LEASE).await;
        upper(delivery).await
    };
    let working: Vec<_> = ["a", "b"]
        .map(|name| tokio::spawn(redis.worker(name, options()).run(slow, shutdown.clone())))
        .into_iter()
        .collect();
    let id = queue.push("slow").await.unwrap();
    until_all(&queue, 1).await;
    assert_eq!(queue.all_attempts().await.unwrap()[&id], 1);
    shutdown.cancel();
    for worker in working {
        soon(worker).await.unwrap();
    }
    redis.stop().await;
}

#[tokio::test]
async fn a_job_that_fails_or_panics_is_tried_again_and_given_up_in_the_end() {
    let redis = Redis::start().await;
    let queue = redis.queue().await;
    let shutdown = CancellationToken::new();
    let options = Options { lease: Duration::from_millis(100), most_attempts: 3, ..options() };
    let working = tokio::spawn(redis.worker("worker", options).run(
        async |delivery: Delivery| match delivery.payload.as_str() {
            "fails" => Err("as planned".to_owned()),
            "panics" => panic!("as planned"),
            "works at last" if delivery.attempt < 3 => Err("not yet".to_owned()),
            payload => Ok(payload.to_owned()),
        },
        shutdown.clone(),
    ));
    let mut ids = Vec::new();
    for payload in ["fails", "panics", "works at last", "works"] {
        ids.push(queue.push(payload).await.unwrap());
    }
    until_all(&queue, 4).await;
    let status = queue.status().await.unwrap();
    assert_eq!((status.done, status.dead, status.pending), (2, 2, 0));
    let attempts = queue.all_attempts().await.unwrap();
    assert_eq!(ids.iter().map(|id| attempts[id]).collect::<Vec<_>>(), [3, 3, 3, 1]);
    shutdown.cancel();
    let summary = soon(working).await.unwrap();
    assert_eq!((summary.done, summary.failed), (2, 8));
    redis.stop().await;
}

#[tokio::test]
async fn no_more_are_run_at_a_time_than_allowed() {
    let redis = Redis::start().await;
    let queue = redis.queue().await;
    for n in 0..30 {
        queue.push(&n.to_string()).await.unwrap();
    }
    let shutdown = CancellationToken::new();
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counted = {
        let most = most.clone();
        move |delivery| {
            let (now, most) = (now.clone(), most.clone());
            async move {
                most.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
                sleep(Duration::from_millis(3)).await;
                now.fetch_sub(1, SeqCst);
                upper(delivery).await
            }
        }
    };
    let options = Options { concurrency: 3, ..options() };
    let working = tokio::spawn(redis.worker("worker", options).run(counted, shutdown.clone()));
    until_all(&queue, 30).await;
    assert_eq!(most.load(SeqCst), 3);
    shutdown.cancel();
    soon(working).await.unwrap();
    redis.stop().await;
}

#[tokio::test]
async fn a_shutdown_waits_for_what_is_being_run_and_leaves_the_rest_to_others() {
    let redis = Redis::start().await;
    let queue = redis.queue().await;
    let (begun, gate) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let gated = {
        let (begun, gate) = (begun.clone(), gate.clone());
        move |delivery| {
            let (begun, gate) = (begun.clone(), gate.clone());
            async move {
                begun.notify_one();
                gate.notified().await;
                upper(delivery).await
            }
        }
    };
    let first = queue.push("first").await.unwrap();
    let shutdown = CancellationToken::new();
    let options = Options { concurrency: 1, ..options() };
    let working = tokio::spawn(redis.worker("old", options).run(gated, shutdown.clone()));
    soon(begun.notified()).await;
    let second = queue.push("second").await.unwrap();
    shutdown.cancel();
    sleep(2 * LEASE).await;
    assert!(!working.is_finished());
    let other = tokio::spawn(redis.worker("new", options).run(upper, CancellationToken::new()));
    until(async || queue.all_results().await.unwrap().contains_key(&second)).await;
    // The first was kept, all this time.
    assert_eq!(queue.owners().await.unwrap()[&first], "old");
    gate.notify_one();
    assert_eq!(soon(working).await.unwrap().done, 1);
    until_all(&queue, 2).await;
    assert_eq!(queue.all_attempts().await.unwrap()[&first], 1);
    other.abort();
    redis.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_whose_connections_are_broken_off_make_new_ones_and_lose_nothing() {
    let redis = Redis::start().await;
    let queue = redis.queue().await;
    let shutdown = CancellationToken::new();
    let short = |delivery: Delivery| async move {
        sleep(Duration::from_millis(5)).await;
        upper(delivery).await
    };
    let working = ["a", "b"].map(|name| {
        let options = Options { lease: Duration::from_millis(300), most_attempts: 100, ..options() };
        tokio::spawn(redis.worker(name, options).run(short, shutdown.clone()))
    });
    for n in 0..200 {
        queue.push(&format!("job {n}")).await.unwrap();
        if n % 50 == 25 {
            // Until there was one to be broken off.
            until(async || break_off_workers(&redis).await > 0).await;
        }
    }
    until_all(&queue, 200).await;
    assert_eq!(queue.status().await.unwrap().dead, 0);
    shutdown.cancel();
    for worker in working {
        soon(worker).await.unwrap();
    }
    redis.stop().await;
}

/// Of those connections that only workers have.
async fn break_off_workers(redis: &Redis) -> usize {
    let mut connection = connect(&redis.address()).await.unwrap();
    let all: String = redis::cmd("CLIENT").arg("LIST").query_async(&mut connection).await.unwrap();
    let mut broken = 0;
    for line in all.lines().filter(|line| line.contains("cmd=xreadgroup") || line.contains("cmd=exec")) {
        let id = line.split(' ').find_map(|field| field.strip_prefix("id=")).unwrap();
        let kill = redis::cmd("CLIENT").arg("KILL").arg("ID").arg(id).to_owned();
        broken += kill.query_async::<usize>(&mut connection).await.unwrap();
    }
    broken
}

#[tokio::test]
async fn what_is_no_queue_is_an_error() {
    let redis = Redis::start().await;
    let mut connection = connect(&redis.address()).await.unwrap();
    redis::cmd("SET").arg("jobs").arg("text").query_async::<()>(&mut connection).await.unwrap();
    let error = mini_jobs::Queue::open(&redis.address(), "jobs").await.err().unwrap();
    assert!(error.to_string().contains("WRONGTYPE"), "{error}");
    redis.stop().await;
    assert!(mini_jobs::Queue::open("127.0.0.1:1", "jobs").await.is_err());
}
