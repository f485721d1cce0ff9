//! Waiting until nothing is left of a round.

use crate::books::Stage;
use crate::machine::{Now, now};
use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

/// What was left after the first rounds, and after the last.
pub(crate) struct Rest {
    base: Now,
    last: Now,
    rounds: usize,
}

/// Rounds after which everything that grows to its size once has done so.
const WARM: usize = 3;
/// Tables and caches may grow a little, when more happens at a time than ever before.
const ROOM: i64 = 256 * 1024;
/// For threads to notice that there is nothing to do, and to leave.
const PATIENCE: Duration = Duration::from_secs(60);

impl Rest {
    pub(crate) fn new() -> Self {
        Rest { base: now(), last: now(), rounds: 0 }
    }

    /// Waits until nothing is left of a round.
    ///
    /// # Errors
    ///
    /// What is left.
    pub(crate) fn settle(&mut self, stage: &Stage) -> Result<(), String> {
        let began = Instant::now();
        loop {
            let wrong = self.look(stage);
            match wrong {
                None => break,
                Some(wrong) if began.elapsed() > PATIENCE => return Err(wrong),
                Some(_) => thread::sleep(Duration::from_millis(20)),
            }
        }
        self.rounds += 1;
        if self.rounds <= WARM {
            self.base.bytes = self.base.bytes.max(self.last.bytes);
        }
        Ok(())
    }

    fn look(&mut self, stage: &Stage) -> Option<String> {
        if let Err(unbalanced) = stage.books.check() {
            return Some(unbalanced);
        }
        let tasks = stage.handle.metrics().num_alive_tasks();
        if tasks > 0 {
            return Some(format!("{tasks} tasks are left\n{:#}", stage.handle.dump()));
        }
        self.last = now();
        let Now { bytes, threads, descriptors } = &self.last;
        let most = self.base.bytes + self.base.bytes / 10 + ROOM;
        if *threads > self.base.threads {
            return Some(format!("{threads} threads instead of {}", self.base.threads));
        }
        if *descriptors > self.base.descriptors {
            return Some(format!("{descriptors} descriptors instead of {}", self.base.descriptors));
        }
        (self.rounds >= WARM && *bytes > most).then(|| format!("{bytes} bytes instead of {most} at most"))
    }
}

impl fmt::Display for Rest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} left (at first {})", self.last, self.base)
    }
}
