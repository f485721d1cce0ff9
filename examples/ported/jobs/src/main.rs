//! Jobs that square numbers, and take some time for it.
//!
//! ```text
//! mini-jobs worker ADDRESS QUEUE NAME [LEASE-IN-MS]
//! mini-jobs push ADDRESS QUEUE MILLISECONDS NUMBER...
//! mini-jobs status ADDRESS QUEUE
//! ```
//!
//! A worker ends at ctrl-c and SIGTERM, after the jobs that it is in. At SIGKILL it does not even notice, and others do its jobs.

use mini_jobs::{Delivery, Options, Queue, Worker};
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::time::Duration;
use tokio::select;
use tokio::signal::{ctrl_c, unix};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

#[derive(Serialize, Deserialize)]
struct Square {
    number: i64,
    millis: u64,
}

async fn square(delivery: Delivery) -> Result<String, String> {
    let job: Square = serde_json::from_str(&delivery.payload).map_err(|error| error.to_string())?;
    sleep(Duration::from_millis(job.millis)).await;
    match job.number.checked_mul(job.number) {
        Some(square) => Ok(square.to_string()),
        None => Err(format!("the square of {} is too large", job.number)),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["worker", address, queue, name] => work(address, queue, name, Options::default()).await,
        ["worker", address, queue, name, lease] => {
            let lease = Duration::from_millis(lease.parse()?);
            work(address, queue, name, Options { lease, ..Options::default() }).await
        }
        ["push", address, queue, millis, numbers @ ..] => {
            let (queue, millis) = (Queue::open(address, queue).await?, millis.parse()?);
            for number in numbers {
                let job = Square { number: number.parse()?, millis };
                println!("{}", queue.push(&serde_json::to_string(&job)?).await?);
            }
            Ok(())
        }
        ["status", address, queue] => {
            println!("{:?}", Queue::open(address, queue).await?.status().await?);
            Ok(())
        }
        _ => Err("usage: mini-jobs worker ADDRESS QUEUE NAME [LEASE-IN-MS]\n       \
                  mini-jobs push ADDRESS QUEUE MILLISECONDS NUMBER...\n       mini-jobs status ADDRESS QUEUE"
            .into()),
    }
}

async fn work(address: &str, queue: &str, name: &str, options: Options) -> Result<(), Box<dyn Error>> {
    let mut terminate = unix::signal(unix::SignalKind::terminate())?;
    let shutdown = CancellationToken::new();
    let (address, queue, name) = (address.to_owned(), queue.to_owned(), name.to_owned());
    let working = tokio::spawn(Worker { address, queue, name, options }.run(square, shutdown.clone()));
    select! {
        interrupted = ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
    }
    shutdown.cancel();
    let summary = working.await?;
    println!("{} jobs done, {} attempts failed", summary.done, summary.failed);
    Ok(())
}
