//! The queue, as its stream and its lists in Redis.

use crate::connection::connect;
use redis::aio::MultiplexedConnection;
use redis::streams::{
    StreamAutoClaimOptions, StreamAutoClaimReply, StreamId, StreamPendingCountReply, StreamReadOptions, StreamReadReply,
};
use redis::{AsyncCommands, RedisResult};
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// All workers are members of it.
const GROUP: &str = "workers";
/// The only field of an entry.
const PAYLOAD: &str = "payload";

/// Two connections to the queue: one for commands, which all clones share, and one for the command that waits.
#[derive(Clone)]
pub struct Queue {
    commands: MultiplexedConnection,
    waiting: MultiplexedConnection,
    name: String,
}

/// A job that was given to a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The job's name, for ever.
    pub id: String,
    /// What is to be done.
    pub payload: String,
    /// How often it was given to somebody, this time too.
    pub attempt: usize,
}

/// What there is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Jobs that are not done, those that are being run too.
    pub open: usize,
    /// Those of them that are a worker's.
    pub pending: usize,
    /// Jobs that have a result.
    pub done: usize,
    /// Jobs that were given up.
    pub dead: usize,
}

impl Queue {
    /// The queue of this name, which is made if it is not there.
    ///
    /// # Errors
    ///
    /// If the server cannot be reached, or has something else under this name.
    pub async fn open(address: &str, name: &str) -> RedisResult<Queue> {
        let mut queue =
            Queue { commands: connect(address).await?, waiting: connect(address).await?, name: name.to_owned() };
        let made: RedisResult<()> = queue.commands.xgroup_create_mkstream(name, GROUP, "0").await;
        match made {
            Err(error) if error.code() != Some("BUSYGROUP") => Err(error),
            _ => Ok(queue),
        }
    }

    fn results(&self) -> String {
        format!("{}:results", self.name)
    }

    fn attempts(&self) -> String {
        format!("{}:attempts", self.name)
    }

    fn dead(&self) -> String {
        format!("{}:dead", self.name)
    }

    /// Adds a job, and returns its id.
    ///
    /// # Errors
    ///
    /// The server's, or the connection's: then the job may be there all the same.
    pub async fn push(&self, payload: &str) -> RedisResult<String> {
        redis::cmd("XADD")
            .arg(&self.name)
            .arg("*")
            .arg(PAYLOAD)
            .arg(payload)
            .query_async(&mut self.commands.clone())
            .await
    }

    /// Takes jobs that nobody has had yet, and waits for some if there are none.
    ///
    /// # Errors
    ///
    /// The server's, or the connection's.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the jobs may be `consumer`'s all the same, and wait for the end of their lease.
    pub async fn take(&self, consumer: &str, most: usize, wait: Duration) -> RedisResult<Vec<Delivery>> {
        let options = StreamReadOptions::default().group(GROUP, consumer).count(most).block(millis(wait));
        let reply: Option<StreamReadReply> =
            self.waiting.clone().xread_options(&[&self.name], &[">"], &options).await?;
        let entries = reply.unwrap_or_default().keys.into_iter().flat_map(|stream| stream.ids);
        Ok(entries.filter_map(|entry| delivery(entry, 1)).collect())
    }

    /// Takes jobs whose worker has not renewed its lease for so long.
    ///
    /// # Errors
    ///
    /// The server's, or the connection's.
    pub async fn take_over(&self, consumer: &str, most: usize, lease: Duration) -> RedisResult<Vec<Delivery>> {
        let options = StreamAutoClaimOptions::default().count(most);
        let mut connection = self.commands.clone();
        let reply: StreamAutoClaimReply =
            connection.xautoclaim_options(&self.name, GROUP, consumer, millis(lease), "0-0", options).await?;
        let mut deliveries = Vec::new();
        for entry in reply.claimed {
            let pending: StreamPendingCountReply =
                connection.xpending_count(&self.name, GROUP, &entry.id, &entry.id, 1).await?;
            let attempt = pending.ids.first().map_or(1, |pending| pending.times_delivered);
            deliveries.extend(delivery(entry, attempt));
        }
        Ok(deliveries)
    }

    /// Renews the lease of those of the jobs that are still `consumer`'s, and returns the others.
    ///
    /// # Errors
    ///
    /// The server's, or the connection's.
    pub async fn renew(&self, consumer: &str, ids: HashSet<String>) -> RedisResult<HashSet<String>> {
        let mut connection = self.commands.clone();
        let pending: StreamPendingCountReply =
            connection.xpending_consumer_count(&self.name, GROUP, "-", "+", usize::MAX >> 1, consumer).await?;
        let owned: HashSet<String> = pending.ids.into_iter().map(|pending| pending.id).collect();
        let (ours, lost): (HashSet<_>, HashSet<_>) = ids.into_iter().partition(|id| owned.contains(id));
        if !ours.is_empty() {
            let mut claim = redis::cmd("XCLAIM");
            claim.arg(&self.name).arg(GROUP).arg(consumer).arg(0);
            for id in &ours {
                claim.arg(id);
            }
            // The lease begins anew, and it does not count as an attempt.
            claim.arg("JUSTID").query_async::<()>(&mut connection).await?;
        }
        Ok(lost)
    }

    /// Notes that an attempt begins.
    ///
    /// # Errors
    ///
    /// The server's, or the connection's.
    pub async fn begin(&self, job: &Delivery) -> RedisResult<()> {
        self.commands.clone().hincr(self.attempts(), &job.id, 1).await
    }

    /// Writes the result, unless there is one, and removes the job. Either both happens or neither.
    ///
    /// # Errors
    ///
    /// The server's, or the connection's: then it may have happened.
    pub async fn finish(&self, job: &Delivery, result: &str) -> RedisResult<()> {
        let mut transaction = redis::pipe();
        transaction.atomic().hset_nx(self.results(), &job.id, result).ignore();
        transaction.xack(&self.name, GROUP, &[&job.id]).ignore().xdel(&self.name, &[&job.id]).ignore();
        transaction.query_async(&mut self.commands.clone()).await
    }

    /// Puts the job on the list of those that nobody should try again.
    ///
    /// # Errors
    ///
    /// As for [`finish`](Queue::finish).
    pub async fn give_up(&self, job: &Delivery) -> RedisResult<()> {
        let mut transaction = redis::pipe();
        transaction.atomic().hset_nx(self.dead(), &job.id, &job.payload).ignore();
        transaction.xack(&self.name, GROUP, &[&job.id]).ignore().xdel(&self.name, &[&job.id]).ignore();
        transaction.query_async(&mut self.commands.clone()).await
    }

    /// What there is now.
    ///
    /// # Errors
    ///
    /// The server's, or the connection's.
    pub async fn status(&self) -> RedisResult<Status> {
        let mut asking = redis::pipe();
        asking.atomic().xlen(&self.name).xpending(&self.name, GROUP).hlen(self.results()).hlen(self.dead());
        let (open, pending, done, dead): (_, redis::streams::StreamPendingReply, _, _) =
            asking.query_async(&mut self.commands.clone()).await?;
        Ok(Status { open, pending: pending.count(), done, dead })
    }

    /// All results, by the ids of their jobs.
    ///
    /// # Errors
    ///
    /// The server's, or the connection's.
    pub async fn all_results(&self) -> RedisResult<HashMap<String, String>> {
        self.commands.clone().hgetall(self.results()).await
    }

    /// How often each job was begun.
    ///
    /// # Errors
    ///
    /// The server's, or the connection's.
    pub async fn all_attempts(&self) -> RedisResult<HashMap<String, usize>> {
        self.commands.clone().hgetall(self.attempts()).await
    }

    /// Whose each pending job is.
    ///
    /// # Errors
    ///
    /// The server's, or the connection's.
    pub async fn owners(&self) -> RedisResult<HashMap<String, String>> {
        let pending: StreamPendingCountReply =
            self.commands.clone().xpending_count(&self.name, GROUP, "-", "+", usize::MAX >> 1).await?;
        Ok(pending.ids.into_iter().map(|pending| (pending.id, pending.consumer)).collect())
    }
}

/// None: somebody else has put something else into the stream, or has deleted it.
fn delivery(entry: StreamId, attempt: usize) -> Option<Delivery> {
    Some(Delivery { payload: entry.get(PAYLOAD)?, id: entry.id, attempt })
}

fn millis(time: Duration) -> usize {
    usize::try_from(time.as_millis()).unwrap_or(usize::MAX).max(1)
}
