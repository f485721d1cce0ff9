//! How to end the wait of whoever waits for events.

#[cfg(feature = "net")]
use super::Reactor;
use crate::primitives::{Condvar, Mutex, clock};
#[cfg(feature = "net")]
use std::sync::Arc;
use std::time::Duration;

/// See the module's page.
#[derive(Debug)]
pub(super) struct Bell {
    /// The waiter blocks there, if there is one, and else here.
    #[cfg(feature = "net")]
    reactor: Option<Arc<Reactor>>,
    rung: Mutex<bool>,
    ring: Condvar,
}

impl Bell {
    pub(super) fn new(#[cfg(feature = "net")] reactor: Option<Arc<Reactor>>) -> Self {
        Bell {
            #[cfg(feature = "net")]
            reactor,
            rung: Mutex::new(false),
            ring: Condvar::new(),
        }
    }

    /// Ends a wait, or the next one.
    pub(super) fn ring(&self) {
        #[cfg(feature = "net")]
        if let Some(reactor) = &self.reactor {
            return reactor.interrupt();
        }
        *self.rung.lock() = true;
        self.ring.notify_one();
    }

    /// Waits where there is no reactor. True: it has been rung.
    pub(super) fn wait(&self, limit: Option<Duration>) -> bool {
        let mut rung = self.rung.lock();
        let deadline = limit.and_then(|limit| clock::now().checked_add(limit));
        while !*rung {
            match deadline {
                None => self.ring.wait(&mut rung),
                Some(deadline) => {
                    if self.ring.wait_until(&mut rung, deadline).timed_out() {
                        break;
                    }
                }
            }
        }
        std::mem::take(&mut *rung)
    }

    /// Whether it has been rung where there is no reactor, and nobody has waited since.
    #[cfg(all(test, feature = "time", not(rt_loom)))]
    pub(super) fn take_rung(&self) -> bool {
        std::mem::take(&mut *self.rung.lock())
    }
}
