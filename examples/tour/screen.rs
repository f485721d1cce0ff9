//! Showing numbers that change: in place on a terminal, line by line elsewhere.
//!
//! Nothing here changes the terminal's state for longer than one write, so there is nothing to restore when the program is
//! interrupted.

use crate::figures::{Moment, Spread, span};
use rt::time::{MissedTickBehavior, interval, sleep_until};
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// What a section shows at one moment.
pub(crate) struct Frame {
    /// All that matters, in one line: for the summary, and where there is no terminal.
    pub(crate) line: String,
    /// The picture of it.
    pub(crate) rows: Vec<Row>,
}

/// A row of a picture. The screen knows how wide it may be.
pub(crate) enum Row {
    Text(String),
    /// A bar, of which `share` (0 to 1) is full.
    Bar {
        label: String,
        share: f64,
        value: String,
    },
    Spread(Spread),
}

/// Standard output.
pub(crate) struct Screen {
    look: Look,
    /// Rows of the picture that the next one replaces.
    drawn: usize,
}

enum Look {
    Lines,
    Terminal { colour: bool, blocks: bool },
}

/// Eight pictures a second look alive, and cost nothing.
const REDRAW: Duration = Duration::from_millis(125);
const NEXT_LINE: Duration = Duration::from_secs(1);
/// A longer bar says no more, and moves the numbers beside it out of sight.
const LONGEST_BAR: usize = 40;
const SHORTEST_BAR: usize = 4;

impl Screen {
    pub(crate) fn new() -> Self {
        let variable = |name| std::env::var(name).unwrap_or_default();
        let is_terminal = io::stdout().is_terminal() && variable("TERM") != "dumb";
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().map(variable).find(|value| !value.is_empty());
        let look = match is_terminal {
            false => Look::Lines,
            true => Look::Terminal {
                colour: variable("NO_COLOR").is_empty(),
                blocks: locale.is_some_and(|name| name.to_lowercase().replace('-', "").ends_with("utf8")),
            },
        };
        Screen { look, drawn: 0 }
    }

    /// Text that stays.
    pub(crate) fn say(&mut self, text: &str) -> io::Result<()> {
        self.drawn = 0;
        write(&format!("{text}\n"))
    }

    /// A headline that stays.
    pub(crate) fn headline(&mut self, text: &str) -> io::Result<()> {
        match self.look {
            Look::Terminal { colour: true, .. } => self.say(&format!("\n\x1b[1m{text}\x1b[0m")),
            _ => self.say(&format!("\n{text}")),
        }
    }

    /// Shows what `frame` says while `lasting` goes by, and returns what it said last, in one line.
    pub(crate) async fn watch(
        &mut self,
        name: &str,
        lasting: Duration,
        mut frame: impl FnMut(Moment) -> Frame,
    ) -> io::Result<String> {
        let started = Instant::now();
        let end = started + lasting;
        let every = if matches!(self.look, Look::Lines) { NEXT_LINE } else { REDRAW };
        let mut ticks = interval(every);
        // On a machine that is too busy to draw in time, a burst of late pictures would only make it worse.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        ticks.reset();
        self.drawn = 0;
        loop {
            // One that the last would follow in less than half an interval is left out.
            let is_last = Instant::now() + every / 2 * 3 > end;
            if is_last {
                sleep_until(end.into()).await;
            } else {
                ticks.tick().await;
            }
            let now = Instant::now();
            let moment = Moment { now, elapsed: now - started, is_last };
            let Frame { line, rows } = frame(moment);
            match self.look {
                Look::Lines => write(&format!("{name:<6} {:4.1} s  {line}\n", moment.elapsed.as_secs_f64()))?,
                Look::Terminal { colour, blocks } => self.draw(&rows, colour, blocks)?,
            }
            if is_last {
                return Ok(line);
            }
        }
    }

    /// Whether a line of this many characters fits.
    pub(crate) fn fits(&self, characters: usize) -> bool {
        match self.look {
            Look::Lines => true,
            Look::Terminal { .. } => characters <= size().0,
        }
    }

    fn draw(&mut self, rows: &[Row], colour: bool, blocks: bool) -> io::Result<()> {
        let (width, height) = size();
        let mut text = String::new();
        if self.drawn > 0 {
            text += &format!("\x1b[{}A", self.drawn);
        }
        // The cursor cannot go up to rows that have left the screen.
        self.drawn = rows.len().min(height.saturating_sub(1));
        for row in &rows[..self.drawn] {
            text += &clip(&row.text(width, colour, blocks), width);
            text += "\x1b[K\n";
        }
        // A picture may have fewer rows than the one before.
        text += "\x1b[J";
        write(&text)
    }
}

impl Row {
    fn text(&self, width: usize, colour: bool, blocks: bool) -> String {
        let (paint, plain) = if colour { ("\x1b[36m", "\x1b[0m") } else { ("", "") };
        match self {
            Row::Text(text) => format!("  {text}"),
            Row::Bar { label, share, value } => {
                let length = width.saturating_sub(label.chars().count() + value.chars().count() + 6).min(LONGEST_BAR);
                match length {
                    SHORTEST_BAR.. => format!("  {label}  {paint}{}{plain}  {value}", bar(*share, length, blocks)),
                    _ => format!("  {label}  {value}"),
                }
            }
            Row::Spread(Spread { from, to, counts }) => {
                let levels = if blocks {
                    [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█']
                } else {
                    LEVELS_IN_ASCII
                };
                let most = counts.iter().copied().max().unwrap_or(0).max(1);
                // Whatever is not nothing can be seen.
                let level = |count: u64| levels[(count * 8).div_ceil(most) as usize];
                let columns: String = counts.iter().map(|count| level(*count)).collect();
                format!("  {} {paint}{columns}{plain} {}", span(*from), span(*to))
            }
        }
    }
}

const LEVELS_IN_ASCII: [char; 9] = [' ', '.', ':', '-', '=', '+', '*', '#', '%'];

fn bar(share: f64, length: usize, blocks: bool) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (share.clamp(0.0, 1.0) * length as f64 * 8.0).round() as usize;
    let bar = match blocks {
        true => "█".repeat(eighths / 8) + EIGHTHS[eighths % 8],
        false => "#".repeat((eighths + 4) / 8),
    };
    format!("{bar:<length$}")
}

/// As much of a line as fits. Escape sequences take no room.
fn clip(line: &str, width: usize) -> String {
    let mut left = width;
    let mut in_escape = false;
    let visible = |character: &char| {
        if in_escape {
            in_escape = !character.is_ascii_alphabetic();
            return true;
        }
        in_escape = *character == '\x1b';
        let fits = in_escape || left > 0;
        left = left.saturating_sub(usize::from(!in_escape));
        fits
    };
    line.chars().filter(visible).collect()
}

/// Columns and rows of the terminal, which may change at any time.
fn size() -> (usize, usize) {
    #[cfg(unix)]
    if let Ok(size) = rustix::termios::tcgetwinsize(io::stdout())
        && size.ws_col > 0
        && size.ws_row > 0
    {
        return (size.ws_col.into(), size.ws_row.into());
    }
    (80, 24)
}

/// In one write, so that no half picture is seen. Unlike `print!` it does not panic when the reader has gone.
fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| io::Error::new(error.kind(), format!("cannot write to standard output: {error}")))
}
