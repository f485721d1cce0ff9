//! Help, a text to read, and all that is known of one task.

use super::{Theme, block, list};
use crate::numbers::{count, time};
use crate::state::{App, Overlay};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span, Text};
use ratatui::widgets::{Clear, Paragraph, Wrap};

/// The keys of the bottom line, the most needed first: a narrow screen cuts the rest.
pub(super) const SHORT_HELP: [(&str, &str); 11] = [
    ("q", "quit"),
    ("?", "help"),
    ("s", "sort"),
    ("/", "filter"),
    ("f", "state"),
    ("g", "places"),
    ("space", "pause"),
    ("d", "dump"),
    ("D", "to a file"),
    ("t", "trace"),
    ("T", "to a file"),
];

const HELP: [(&str, &str); 19] = [
    ("up, down, j, k", "select a line; PageUp, PageDown, Home and End go further"),
    ("Enter", "all that is known of the task; from a place, to its tasks"),
    ("s, S", "sort by the next, or the last, thing there is to sort by"),
    ("r", "the other way round"),
    ("/", "filter: a text of the name or the place, whatever its case, or an id"),
    ("f", "only those that run, then that are queued, that wait, then all again"),
    ("g", "tasks, or the places where they were spawned"),
    ("space, p", "pause, and go on"),
    ("+, -", "more often, less often"),
    ("d", "dump: what all tasks do, those that are alike together"),
    ("D", "the same with a line for each task, into a file"),
    ("t", "start a trace of what the workers do, or stop it"),
    ("T", "what has been recorded last into a file, for ui.perfetto.dev"),
    ("q, Esc", "quit"),
    ("", ""),
    ("workers", "how much of the time each was awake, polls per second, and how many tasks are in its queue (q)"),
    ("histograms", "times and how often, both logarithmic: of a sample, unless the program asks for all"),
    ("stalls", "polls that kept their worker for longer than 5 ms, or what `stall_after` says"),
    ("busy", "for how long a task was polled, if the program asks for it: `enable_task_busy_time`"),
];

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, overlay: &Overlay, app: &App, theme: Theme) {
    match overlay {
        Overlay::Help => {
            let lines = HELP.iter().map(|(key, does)| {
                Line::from(vec![Span::styled(format!("{key:>15}  "), theme.title()), Span::raw(*does)])
            });
            boxed(frame, area, " keys ", lines.collect(), theme);
        }
        Overlay::Detail => match app.selected_task() {
            Some(task) => {
                let name = task.name.clone().unwrap_or_else(|| "-".to_owned());
                let or_others = if task.or_others { ", or something else" } else { "" };
                let last = task.last_poll_ns.map_or_else(|| "-".to_owned(), |last| format!("{} ago", time(last)));
                let busy = task.busy_ns.map_or_else(|| "not measured".to_owned(), time);
                let facts = [
                    ("name", name),
                    ("kind", task.kind.clone()),
                    ("state", format!("{}{or_others}", list::state(task))),
                    ("spawned at", task.location.clone()),
                    ("age", time(task.age_ns)),
                    ("polls", count(task.polls)),
                    ("last poll", last),
                    ("busy", busy),
                    ("stalls", count(task.stalls)),
                ];
                let lines = facts.into_iter().map(|(what, is)| {
                    Line::from(vec![Span::styled(format!("{what:>12}  "), theme.title()), Span::raw(is)])
                });
                boxed(frame, area, &format!(" task {} ", task.id), lines.collect(), theme);
            }
            None => boxed(frame, area, " task ", vec![Line::raw("it has ended")], theme),
        },
        Overlay::Text { title, text, first } => {
            frame.render_widget(Clear, area);
            let lines = text.lines().skip(*first).take(area.height.into());
            let shown = Text::from_iter(lines.map(|line| {
                // The deadlocks are what one looks for.
                let style = if line.trim_start().starts_with("deadlock") { theme.bad() } else { theme.plain_text() };
                Line::styled(line.trim_start().to_owned(), style)
            }));
            let all = text.lines().count();
            let end = (first + usize::from(area.height)).min(all);
            let place = format!(" {} to {} of {}; any other key closes it ", first + 1, end, all);
            let block = block(Line::styled(title.clone(), theme.title()), theme)
                .title_bottom(Line::styled(place, theme.dim()).right_aligned());
            frame.render_widget(Paragraph::new(shown).block(block).wrap(Wrap { trim: false }), area);
        }
    }
}

/// In the middle of the screen, as large as it has to be.
fn boxed(frame: &mut Frame<'_>, area: Rect, title: &str, lines: Vec<Line<'_>>, theme: Theme) {
    let widest = lines.iter().map(Line::width).max().unwrap_or(0);
    let width = (widest as u16 + 4).min(area.width);
    // Lines that do not fit go on in the next.
    let inside = usize::from(width.saturating_sub(2)).max(1);
    let height: usize = lines.iter().map(|line| line.width().div_ceil(inside).max(1)).sum();
    let height = (height as u16 + 2).min(area.height);
    let place = Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height };
    frame.render_widget(Clear, place);
    let block = block(Line::styled(title.to_owned(), theme.title()), theme);
    frame.render_widget(Paragraph::new(lines).block(block).wrap(Wrap { trim: false }), place);
}
