//! A job queue, as somebody writes it for tokio: workers in many processes, on as many machines as one likes, share what there is to do, and
//! no job is lost when one of them dies. What they share is a stream of a Redis server's.
//!
//! ```text
//! redis-server --port 6379                                            # or a socket: --unixsocket PATH
//! cargo run -p mini-jobs worker 127.0.0.1:6379 squares worker-1       # several, anywhere
//! cargo run -p mini-jobs push 127.0.0.1:6379 squares 100 1 2 3 4      # four jobs of 100 ms
//! cargo run -p mini-jobs status 127.0.0.1:6379 squares
//!
//! cargo test -p mini-jobs                           # on this runtime
//! examples/ported/on_tokio test -p mini-jobs        # the same sources on tokio
//! ```
//!
//! How a job goes: it is added to the stream (`XADD`). A worker reads it as a member of a group (`XREADGROUP`); from then on it is that worker's, and
//! stands in the group's list of what is pending. As long as the worker runs it, it renews its lease (`XCLAIM`). When it is done, its result is
//! written, and it leaves the list and the stream, all in one transaction (`MULTI`, `HSETNX`, `XACK`, `XDEL`).
//! A worker that dies renews nothing; others look for jobs whose lease is over, and take them (`XAUTOCLAIM`).
//!
//! So each job is run at least once, and may be run twice: by one that was only slow, and by another that took it for dead. Its result is written
//! once all the same, under the job's id. A job that has failed, or taken its worker with it, too often goes to a list of its own.

pub mod connection;
pub mod queue;
pub mod worker;

pub use queue::{Delivery, Queue, Status};
pub use worker::{Options, Summary, Worker};
