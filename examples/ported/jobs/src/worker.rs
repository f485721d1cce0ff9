//! A worker: takes jobs, runs some at a time, renews their leases.

use crate::queue::{Delivery, Queue};
use redis::RedisResult;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::select;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{AbortHandle, JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// How long a server may have nothing to say before it is asked again; so long a shutdown may have to wait.
const WAIT: Duration = Duration::from_millis(200);
/// The pause before a server that has gone is looked for again doubles from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What can be chosen.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How many jobs are run at a time.
    pub concurrency: usize,
    /// After so long others may take a job whose worker is not heard of. All workers of a queue should agree.
    pub lease: Duration,
    /// A job that was given to somebody so often is given up.
    pub most_attempts: usize,
    /// How long a shutdown waits for jobs that are being run. Others take over what is left.
    pub grace: Duration,
}

impl Default for Options {
    fn default() -> Options {
        let (lease, grace) = (Duration::from_secs(10), Duration::from_secs(30));
        Options { concurrency: 8, lease, most_attempts: 5, grace }
    }
}

/// What a worker has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Jobs that were run, and have a result.
    pub done: usize,
    /// Attempts that failed, or panicked, or were given up because the lease was lost.
    pub failed: usize,
}

/// A worker, that has not begun.
#[derive(Clone, Debug)]
pub struct Worker {
    /// Where the server is.
    pub address: String,
    /// The queue's name.
    pub queue: String,
    /// Its own, which no other worker may have at the same time.
    pub name: String,
    /// What can be chosen.
    pub options: Options,
}

impl Worker {
    /// Takes and runs jobs until `shutdown`, then lets those end that are being run. `job` does one, and returns the result, or an error: then it is tried
    /// again when its lease is over. A server that has gone is looked for until it is there.
    pub async fn run<J, F>(self, job: J, shutdown: CancellationToken) -> Summary
    where
        J: Fn(Delivery) -> F + Send + Sync + 'static,
        F: Future<Output = Result<String, String>> + Send + 'static,
    {
        let mut running = Running::new(self.options.concurrency);
        let (job, mut pause) = (Arc::new(job), FIRST_PAUSE);
        while !shutdown.is_cancelled() {
            let began = Instant::now();
            match self.work(&job, &mut running, &shutdown).await {
                Ok(()) => break,
                Err(error) => eprintln!("{}: {error}; again in {pause:?}", self.name),
            }
            if began.elapsed() > LONGEST_PAUSE {
                pause = FIRST_PAUSE;
            }
            select! {
                () = sleep(pause) => {}
                () = shutdown.cancelled() => {}
            }
            pause = (2 * pause).min(LONGEST_PAUSE);
        }
        // What ends only now still counts; what does not is dropped here, and others take it over.
        let _ = timeout(self.options.grace, running.all_ended()).await;
        running.summary
    }

    /// Until the shutdown, or an error of the connection.
    async fn work<J, F>(&self, job: &Arc<J>, running: &mut Running, shutdown: &CancellationToken) -> RedisResult<()>
    where
        J: Fn(Delivery) -> F + Send + Sync + 'static,
        F: Future<Output = Result<String, String>> + Send + 'static,
    {
        let queue = Queue::open(&self.address, &self.queue).await?;
        let leases = running.leases.clone();
        let mut renewing = std::pin::pin!(self.renew(&queue, leases));
        let mut looked = None;
        loop {
            let permit = select! {
                () = shutdown.cancelled() => break,
                never = &mut renewing => return never,
                permit = running.permits.clone().acquire_owned() => permit.expect("it is never closed"),
                ended = running.next_ended() => { running.note(ended); continue }
            };
            let most = 1 + running.permits.available_permits();
            let is_time = looked.is_none_or(|looked: Instant| looked.elapsed() >= self.options.lease / 2);
            let taking = async {
                if is_time {
                    queue.take_over(&self.name, most, self.options.lease).await
                } else {
                    queue.take(&self.name, most, WAIT).await
                }
            };
            // Not given up for the shutdown: what it has taken would be lost until the lease is over.
            let taken = select! {
                taken = taking => taken?,
                never = &mut renewing => return never,
            };
            if is_time {
                looked = Some(Instant::now());
            }
            let mut permit = Some(permit);
            for delivery in taken {
                if running.leases.held().contains_key(&delivery.id) {
                    // This worker was so slow that it has taken over its own job, which goes on.
                    continue;
                }
                // As many as were asked for, so there is one for each.
                let permit = match permit.take() {
                    Some(permit) => permit,
                    None => running.permits.clone().acquire_owned().await.expect("it is never closed"),
                };
                if delivery.attempt > self.options.most_attempts {
                    queue.give_up(&delivery).await?;
                } else {
                    running.start(queue.clone(), delivery, job.clone(), permit);
                }
            }
        }
        // Leases are kept while the last jobs end.
        select! {
            ended = timeout(self.options.grace, running.all_ended()) => drop(ended),
            never = &mut renewing => return never,
        }
        Ok(())
    }

    /// Returns only with an error.
    async fn renew(&self, queue: &Queue, leases: Leases) -> RedisResult<()> {
        let mut ticks = interval(self.options.lease / 3);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let ids: HashSet<String> = leases.held().keys().cloned().collect();
            if ids.is_empty() {
                continue;
            }
            for lost in queue.renew(&self.name, ids).await? {
                // Somebody else runs it. Or it has ended just now, and is not there any more.
                if let Some(job) = leases.held().remove(&lost) {
                    job.abort();
                }
            }
        }
    }
}

/// The jobs that are being run, by their ids.
#[derive(Clone, Default)]
struct Leases(Arc<Mutex<HashMap<String, AbortHandle>>>);

impl Leases {
    fn held(&self) -> MutexGuard<'_, HashMap<String, AbortHandle>> {
        self.0.lock().expect("nobody panics with the lock")
    }
}

struct Running {
    jobs: JoinSet<bool>,
    permits: Arc<Semaphore>,
    leases: Leases,
    summary: Summary,
}

impl Running {
    fn new(concurrency: usize) -> Running {
        let (permits, leases) = (Arc::new(Semaphore::new(concurrency)), Leases::default());
        Running { jobs: JoinSet::new(), permits, leases, summary: Summary::default() }
    }

    fn start<J, F>(&mut self, queue: Queue, delivery: Delivery, job: Arc<J>, permit: OwnedSemaphorePermit)
    where
        J: Fn(Delivery) -> F + Send + Sync + 'static,
        F: Future<Output = Result<String, String>> + Send + 'static,
    {
        let (leases, id) = (self.leases.clone(), delivery.id.clone());
        // Held before it can end.
        let mut held = self.leases.held();
        let handle = self.jobs.spawn(async move {
            let _lease = Lease { leases, id: delivery.id.clone() };
            let done = attempt(&queue, delivery, &*job).await;
            drop(permit);
            done
        });
        held.insert(id, handle);
    }

    /// Waits for ever if there is none.
    async fn next_ended(&mut self) -> Result<bool, JoinError> {
        match self.jobs.join_next().await {
            Some(ended) => ended,
            None => std::future::pending().await,
        }
    }

    async fn all_ended(&mut self) {
        while let Some(ended) = self.jobs.join_next().await {
            self.note(ended);
        }
    }

    fn note(&mut self, ended: Result<bool, JoinError>) {
        match ended {
            Ok(true) => self.summary.done += 1,
            Ok(false) => self.summary.failed += 1,
            Err(error) => {
                self.summary.failed += 1;
                eprintln!("a job has ended: {error}");
            }
        }
    }
}

/// Dropped with its job, however that ends.
struct Lease {
    leases: Leases,
    id: String,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.leases.held().remove(&self.id);
    }
}

/// True: there is a result.
async fn attempt<J, F>(queue: &Queue, delivery: Delivery, job: &J) -> bool
where
    J: Fn(Delivery) -> F,
    F: Future<Output = Result<String, String>>,
{
    let done = async {
        queue.begin(&delivery).await.map_err(|error| error.to_string())?;
        let result = job(delivery.clone()).await?;
        queue.finish(&delivery, &result).await.map_err(|error| error.to_string())
    };
    match done.await {
        Ok(()) => true,
        Err(error) => {
            eprintln!("attempt {} of job {} has failed: {error}", delivery.attempt, delivery.id);
            false
        }
    }
}
