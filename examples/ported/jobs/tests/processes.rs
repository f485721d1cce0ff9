//! Workers in processes of their own, some of which are killed.

mod support;

use mini_jobs::Queue;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::HashMap;
use std::os::unix::process::ExitStatusExt;
use std::process::{Output, Stdio};
use support::{Redis, soon, until, until_all};
use tokio::process::{Child, Command};

/// In milliseconds. A worker that is killed is missed after so long, and one that a busy machine keeps waiting should not be.
const LEASE: &str = "2000";

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mini-jobs"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

fn worker(redis: &Redis, name: &str) -> Child {
    program().args(["worker", &redis.address(), "jobs", name, LEASE]).spawn().unwrap()
}

/// Their ids, with the numbers to be squared.
async fn push(queue: &Queue, numbers: std::ops::Range<i64>, millis: u64) -> HashMap<String, i64> {
    let mut jobs = HashMap::new();
    for number in numbers {
        let id = queue.push(&format!(r#"{{"number":{number},"millis":{millis}}}"#)).await.unwrap();
        jobs.insert(id, number);
    }
    jobs
}

async fn assert_all_done(queue: &Queue, jobs: &HashMap<String, i64>) {
    until_all(queue, jobs.len()).await;
    let (results, attempts) = (queue.all_results().await.unwrap(), queue.all_attempts().await.unwrap());
    assert_eq!(results.len(), jobs.len());
    for (id, number) in jobs {
        assert_eq!(results[id], (number * number).to_string());
        assert!(attempts[id] >= 1);
    }
    let status = queue.status().await.unwrap();
    assert_eq!((status.pending, status.dead), (0, 0));
}

async fn end_well(worker: Child) -> Output {
    let pid = Pid::from_raw(worker.id().expect("it runs").cast_signed()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    let output = soon(worker.wait_with_output()).await.unwrap();
    assert!(output.status.success(), "{output:?}");
    output
}

#[tokio::test]
async fn a_worker_that_is_killed_in_the_middle_of_a_job_loses_none() {
    let redis = Redis::start().await;
    let queue = redis.queue().await;
    let mut workers: HashMap<String, Child> = HashMap::new();
    for n in 0..4 {
        let name = format!("worker-{n}");
        workers.insert(name.clone(), worker(&redis, &name));
    }
    // A long job, so that its worker is in the middle of it.
    let mut jobs = push(&queue, 1000..1001, 3000).await;
    let long = jobs.keys().next().unwrap().clone();
    jobs.extend(push(&queue, 0..200, 10).await);
    until(async || queue.all_attempts().await.unwrap().contains_key(&long)).await;
    let owner = queue.owners().await.unwrap()[&long].clone();
    let mut killed = workers.remove(&owner).unwrap();
    killed.start_kill().unwrap();
    let status = soon(killed.wait()).await.unwrap();
    assert_eq!(status.signal(), Some(9));
    assert!(!queue.all_results().await.unwrap().contains_key(&long), "it was killed before it was done");

    assert_all_done(&queue, &jobs).await;
    assert!(queue.all_attempts().await.unwrap()[&long] >= 2);
    for worker in workers.into_values() {
        let said = String::from_utf8(end_well(worker).await.stdout).unwrap();
        assert!(said.contains(" jobs done, "), "{said}");
    }
    redis.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_that_are_killed_again_and_again_lose_none() {
    let redis = Redis::start().await;
    let queue = redis.queue().await;
    let mut workers: Vec<Child> = (0..3).map(|n| worker(&redis, &format!("first-{n}"))).collect();
    let mut jobs = HashMap::new();
    for round in 0..5 {
        jobs.extend(push(&queue, 100 * round..100 * (round + 1), 20).await);
        // Whoever has something to do.
        until(async || !queue.owners().await.unwrap().is_empty()).await;
        let mut killed = workers.remove(0);
        soon(killed.kill()).await.unwrap();
        workers.push(worker(&redis, &format!("next-{round}")));
    }
    assert_all_done(&queue, &jobs).await;
    for worker in workers {
        end_well(worker).await;
    }
    redis.stop().await;
}

#[tokio::test]
async fn the_program_pushes_and_tells_the_status() {
    let redis = Redis::start().await;
    let run = async |arguments: &[&str]| {
        let output = soon(program().args(arguments).output()).await.unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    };
    let address = redis.address();
    let (pushed, ids) = run(&["push", &address, "jobs", "0", "3", "-4"]).await;
    assert!(pushed);
    assert_eq!(ids.lines().count(), 2);
    let (_, status) = run(&["status", &address, "jobs"]).await;
    assert_eq!(status, "Status { open: 2, pending: 0, done: 0, dead: 0 }\n");
    let (failed, _) = run(&["what"]).await;
    assert!(!failed);
    redis.stop().await;
}
