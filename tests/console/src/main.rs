//! Something to look at in tokio-console: tasks that work, wait, yield, sleep and block, until the program is ended.

use rt::sync::{Notify, mpsc};
use rt::task::{Builder, spawn_blocking, yield_now};
use rt::time::{Duration, interval, sleep};
use std::sync::Arc;
use std::thread;

#[rt::main]
async fn main() -> std::io::Result<()> {
    console_subscriber::init();

    let (sender, mut receiver) = mpsc::channel(4);
    let _producer = Builder::new().name("producer").spawn(async move {
        let mut tick = interval(Duration::from_millis(100));
        for number in 0_u64.. {
            tick.tick().await;
            if sender.send(number).await.is_err() {
                return;
            }
        }
    })?;
    let _consumer = Builder::new().name("consumer").spawn(async move {
        while let Some(number) = receiver.recv().await {
            // Short tasks that come and go.
            rt::spawn(async move {
                sleep(Duration::from_millis(500)).await;
                number
            });
        }
    })?;
    let _polite = Builder::new().name("polite").spawn(async {
        loop {
            for _ in 0..100 {
                yield_now().await;
            }
            sleep(Duration::from_millis(10)).await;
        }
    })?;
    let _busy = Builder::new().name("busy").spawn(async {
        loop {
            // A poll that takes too long.
            thread::sleep(Duration::from_millis(30));
            sleep(Duration::from_millis(300)).await;
        }
    })?;
    let never = Arc::new(Notify::new());
    let _patient = Builder::new().name("patient").spawn(async move { never.notified().await })?;
    loop {
        spawn_blocking(|| thread::sleep(Duration::from_millis(700))).await?;
    }
}
