//! A Redis server for each test, at a socket in a folder of its own.

// Each test file is a crate of its own, and none uses all of it.
#![allow(dead_code)]

use mini_jobs::{Options, Queue, Worker};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

/// After this long a test has failed. A machine that is busy with other things needs some.
pub(crate) const SOON: Duration = Duration::from_secs(60);

pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    timeout(SOON, future).await.expect("this takes too long")
}

pub(crate) struct Redis {
    folder: PathBuf,
    process: Child,
}

impl Redis {
    pub(crate) async fn start() -> Redis {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let name = format!("mini-jobs-{}-{}", std::process::id(), NUMBER.fetch_add(1, Relaxed));
        let folder = std::env::temp_dir().join(name);
        tokio::fs::create_dir(&folder).await.unwrap();
        let mut command = Command::new("redis-server");
        command.args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket", "redis.sock"]);
        command.current_dir(&folder).stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
        let process = command.spawn().expect("redis-server is there: apt-get install redis-server");
        let redis = Redis { folder, process };
        soon(async {
            while UnixStream::connect(redis.address()).await.is_err() {
                sleep(Duration::from_millis(2)).await;
            }
        })
        .await;
        redis
    }

    pub(crate) fn address(&self) -> String {
        self.folder.join("redis.sock").to_str().unwrap().to_owned()
    }

    pub(crate) async fn queue(&self) -> Queue {
        soon(Queue::open(&self.address(), "jobs")).await.unwrap()
    }

    pub(crate) fn worker(&self, name: &str, options: Options) -> Worker {
        Worker { address: self.address(), queue: "jobs".to_owned(), name: name.to_owned(), options }
    }

    pub(crate) async fn stop(mut self) {
        soon(self.process.kill()).await.unwrap();
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // What is left is in the system's folder for such things.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

pub(crate) async fn until<F: Future<Output = bool>>(condition: impl Fn() -> F) {
    soon(async {
        while !condition().await {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// Until so many jobs have a result or were given up, and none is open.
pub(crate) async fn until_all(queue: &Queue, jobs: usize) {
    until(async || {
        let status = queue.status().await.unwrap();
        status.done + status.dead == jobs && status.open == 0
    })
    .await;
}
