//! The picture: from what is known to cells on a screen.
//!
//! | file | subject |
//! |---|---|
//! | this | where everything is; the lines at the top and at the bottom |
//! | `charts` | workers, rates, histograms |
//! | `list` | tasks, or places |
//! | `overlays` | what lies over everything else |
//! | `theme` | colours |

mod charts;
mod list;
mod overlays;
mod theme;

#[cfg(test)]
mod tests;

pub(crate) use theme::Theme;

use crate::numbers::{count, time};
use crate::state::{App, Link};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::Block;

/// A screen of fewer lines has no histograms, and one of fewer still no workers: the list is what one cannot do without.
const WITH_HISTOGRAMS: u16 = 20;
const WITH_WORKERS: u16 = 12;

/// Draws everything.
pub(crate) fn draw(frame: &mut Frame<'_>, app: &mut App, theme: Theme) {
    let area = frame.area();
    let workers = app.moments.last().map_or(0, |metrics| metrics.workers.len() + usize::from(metrics.spares.polls > 0));
    // As many lines as there are workers, but no more than a third of the screen.
    let charts = u16::try_from(workers).unwrap_or(u16::MAX).clamp(5, (area.height / 3).max(5)) + 2;
    let charts = if area.height < WITH_WORKERS { 0 } else { charts };
    let histograms = match area.height {
        height if height < WITH_HISTOGRAMS => 0,
        height if height < 36 => 6,
        _ => 9,
    };
    let rows = [1, 1, charts, histograms].map(Constraint::Length);
    let [title, tasks, charts, histograms, list, bottom] =
        Layout::vertical(rows.into_iter().chain([Constraint::Min(0), Constraint::Length(1)]).collect::<Vec<_>>())
            .areas(area);

    draw_title(frame, title, app, theme);
    draw_census(frame, tasks, app, theme);
    if charts.height > 0 {
        let [workers, rates] = Layout::horizontal([Constraint::Min(0), Constraint::Length(38)]).areas(charts);
        charts::draw_workers(frame, workers, app, theme);
        charts::draw_rates(frame, rates, app, theme);
    }
    if histograms.height > 0 {
        let [polls, delays] = Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)]).areas(histograms);
        let is_of_all = (app.hello.times_all_polls, app.hello.times_all_delays);
        charts::draw_histogram(frame, polls, "poll times", is_of_all.0, app.moments.recent(|of| &of.poll_times), theme);
        let delays_of = app.moments.recent(|of| &of.schedule_delays);
        charts::draw_histogram(frame, delays, "schedule delays", is_of_all.1, delays_of, theme);
    }
    list::draw(frame, list, app, theme);
    draw_bottom(frame, bottom, app, theme);
    if let Some(overlay) = &app.overlay {
        overlays::draw(frame, area, overlay, app, theme);
    }
}

/// A box with a title.
fn block<'a>(title: Line<'a>, theme: Theme) -> Block<'a> {
    Block::bordered().border_style(theme.border()).title(title)
}

fn draw_title(frame: &mut Frame<'_>, area: Rect, app: &App, theme: Theme) {
    let mut line = vec![Span::styled(" rt-top ", theme.title())];
    let hello = &app.hello;
    if hello.pid > 0 {
        let flavor = hello.flavor.replace('_', "-");
        let workers = if hello.workers == 1 { "1 worker".into() } else { format!("{} workers", hello.workers) };
        let elapsed = app.moments.last().map_or(hello.uptime_ns, |metrics| metrics.elapsed_ns);
        line.push(Span::styled(hello.name().to_owned(), theme.strong()));
        line.push(Span::raw(format!(" {}, {flavor}, {workers}, up {}", hello.pid, time(elapsed))));
    }
    if app.is_recording {
        line.push(Span::styled("  ● trace", theme.bad()));
    }
    let state = match (&app.link, app.is_paused) {
        (Link::Waiting(_), _) => Span::styled("○ not connected ", theme.bad()),
        (Link::Live, true) => Span::styled("‖ paused ", theme.notable()),
        (Link::Live, false) if hello.is_draining => Span::styled("● draining ", theme.notable()),
        (Link::Live, false) => Span::styled(format!("● every {} ", time(app.every().as_nanos() as u64)), theme.good()),
    };
    frame.render_widget(Line::from(line), area);
    let width = (state.width() as u16).min(area.width);
    frame.render_widget(state, Rect { x: area.right() - width, width, ..area });
}

/// What tasks there are.
fn draw_census(frame: &mut Frame<'_>, area: Rect, app: &App, theme: Theme) {
    if let Link::Waiting(why) = &app.link {
        frame.render_widget(Span::styled(format!(" {why}"), theme.notable()), area);
        return;
    }
    let Some(metrics) = app.moments.last() else { return };
    let listing = &app.listing;
    let mut line = vec![
        Span::styled(format!(" {}", count(listing.all)), theme.strong()),
        Span::raw(format!(
            " tasks: {} running, {} queued, {} waiting",
            count(listing.running),
            count(listing.queued),
            count(listing.waiting)
        )),
    ];
    if metrics.global_queue_depth > 0 {
        line.push(Span::raw(format!("; {} from outside wait", count(metrics.global_queue_depth))));
    }
    if metrics.spare_workers > 0 {
        let spares = format!("; {} spare workers", metrics.spare_workers);
        line.push(Span::styled(spares, theme.bad()));
    }
    frame.render_widget(Line::from(line), area);
}

fn draw_bottom(frame: &mut Frame<'_>, area: Rect, app: &App, theme: Theme) {
    if app.typing.is_some() {
        let line = [
            Span::styled(" filter ", theme.title()),
            Span::raw(app.filter.clone()),
            Span::styled("▏", theme.notable()),
            Span::styled(" of the name or the place, or an id; Enter, Esc", theme.dim()),
        ];
        frame.render_widget(Line::from_iter(line), area);
        return;
    }
    if let Some(notice) = &app.notice {
        frame.render_widget(Span::styled(format!(" {notice}"), theme.notable()), area);
        return;
    }
    let mut line = Vec::new();
    for (key, does) in overlays::SHORT_HELP {
        line.push(Span::styled(format!(" {key}"), theme.title()));
        line.push(Span::raw(format!(" {does} ")));
    }
    frame.render_widget(Line::from(line), area);
}
