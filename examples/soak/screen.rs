//! How far it is: in place on a terminal, a line now and then elsewhere.

use crate::actor::Shape;
use crate::books::Stage;
use crate::machine;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

pub(crate) struct Screen {
    seed: u64,
    began: Instant,
    end: Instant,
    is_terminal: bool,
    drawn: usize,
    last: Instant,
}

/// Where nothing can be drawn in place.
const NEXT_LINE: Duration = Duration::from_secs(10);
const BAR: usize = 40;

impl Screen {
    pub(crate) fn new(seed: u64, end: Instant) -> Self {
        let now = Instant::now();
        Screen { seed, began: now, end, is_terminal: io::stdout().is_terminal(), drawn: 0, last: now }
    }

    pub(crate) fn show(&mut self, stage: &Stage) {
        let whole = self.end.duration_since(self.began).as_secs_f64().max(1e-3);
        let share = (self.began.elapsed().as_secs_f64() / whole).min(1.0);
        if self.is_terminal {
            self.draw(stage, share);
        } else if self.last.elapsed() >= NEXT_LINE {
            self.last = Instant::now();
            println!("{:3.0} %  {}", share * 100.0, stage.books);
        }
    }

    fn draw(&mut self, stage: &Stage, share: f64) {
        let metrics = stage.handle.metrics();
        let snapshot = metrics.snapshot();
        let full = (share * BAR as f64) as usize;
        let rest = stage.rest.lock().unwrap().clone();
        let mut text = if self.drawn > 0 { format!("\x1b[{}A", self.drawn) } else { String::new() };
        let rows = [
            format!("[{}{}] {:.1} %   seed {}", "#".repeat(full), "-".repeat(BAR - full), share * 100.0, self.seed),
            format!("{}", stage.books),
            format!(
                "{} tasks alive on {} workers, {} spares, {} threads that block, {} stalls; {}",
                snapshot.alive_tasks,
                metrics.num_workers(),
                snapshot.spare_workers,
                metrics.num_blocking_threads(),
                snapshot.stalls,
                machine::now()
            ),
            Shape::ALL.iter().map(|shape| format!("{shape:?} {}", shape.count())).collect::<Vec<_>>().join("  "),
            rest,
        ];
        self.drawn = rows.len();
        for row in rows {
            // A row that wraps would be left behind.
            let row: String = row.chars().take(columns()).collect();
            text += &format!("{row}\x1b[K\n");
        }
        let mut out = io::stdout().lock();
        // Whoever closes the terminal does not end the soak.
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}

fn columns() -> usize {
    #[cfg(unix)]
    if let Ok(size) = rustix::termios::tcgetwinsize(io::stdout())
        && size.ws_col > 1
    {
        return usize::from(size.ws_col) - 1;
    }
    79
}
