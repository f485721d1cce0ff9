//! The task that looks after connections that nobody uses.

use crate::Manager;
use crate::shared::{Idle, Shared};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::select;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

/// Goes on until the pool is closed or gone, of which it keeps nothing alive.
pub(crate) async fn run<M: Manager>(shared: Weak<Shared<M>>, closed: CancellationToken, period: Duration) {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        select! {
            () = closed.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let Some(shared) = shared.upgrade() else { return };
        select! {
            () = closed.cancelled() => return,
            () = look(&shared) => {}
        }
    }
}

async fn look<M: Manager>(shared: &Arc<Shared<M>>) {
    // Who closes, checks or makes a connection has a permit, as everybody else who has one. If there is none, all are being used.
    let permit = || shared.permits.clone().try_acquire_owned().ok();
    while let Some(_permit) = permit() {
        let Some(expired) = shared.take_expired() else { break };
        drop(expired);
    }
    while let Some(_permit) = permit() {
        let Some(mut idle) = shared.take_doubtful() else { break };
        let check = shared.manager.check(&mut idle.connection);
        if let Ok(Ok(())) = timeout(shared.options.acquire_timeout, check).await {
            idle.note_proven();
            shared.put_back(idle);
        }
    }
    while let Some(_permit) = permit() {
        let Some(slot) = shared.slot_below_min() else { break };
        match timeout(shared.options.acquire_timeout, shared.manager.connect()).await {
            Ok(Ok(connection)) => shared.put(Idle::new(connection, slot)),
            // Whoever needs one meets the error; the next round tries again.
            Ok(Err(_)) | Err(_) => break,
        }
    }
}
