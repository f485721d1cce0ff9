//! Workers as bars, rates as numbers and little curves, times as histograms.

use super::{Theme, block};
use crate::numbers::{short, time};
use crate::protocol::{Histogram, Metrics, Worker};
use crate::state::App;
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

/// An eighth of a cell more each, from the bottom and from the left.
const HEIGHTS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const WIDTHS: [char; 9] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];

/// Columns of a bar that say no more than these.
const LONGEST_BAR: u16 = 40;

/// A bar for each worker, of how much of the time it was awake.
pub(super) fn draw_workers(frame: &mut Frame<'_>, area: Rect, app: &App, theme: Theme) {
    let block = block(Line::styled(" workers ", theme.title()), theme);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let Some(last) = app.moments.last() else { return };
    let lines = usize::from(inner.height);
    let has_spares = last.spares.polls > 0;
    // The spares are what one wants to see when there are some.
    let shown = last.workers.len().min(lines.saturating_sub(usize::from(has_spares)));
    let numbered = (0..shown).map(|number| (format!("{number:>3} "), Some(number)));
    let spares = has_spares.then(|| ("spr ".to_owned(), None));
    for (row, (name, number)) in numbered.chain(spares).enumerate().take(lines) {
        let of = move |metrics: &Metrics| -> Worker {
            match number {
                Some(number) => metrics.workers.get(number).cloned().unwrap_or_default(),
                None => metrics.spares.clone(),
            }
        };
        let line = Rect { y: inner.y + row as u16, height: 1, ..inner };
        draw_worker(frame.buffer_mut(), line, &name, app, of, number.is_some(), theme);
    }
}

fn draw_worker(
    buffer: &mut Buffer,
    line: Rect,
    name: &str,
    app: &App,
    of: impl Fn(&Metrics) -> Worker + Copy,
    is_one: bool,
    theme: Theme,
) {
    let busy = app.moments.rate(|metrics| of(metrics).busy_ns).unwrap_or(0.0) / 1e9;
    let polls = app.moments.rate(|metrics| of(metrics).polls).unwrap_or(0.0);
    let now = app.moments.last().map(of).unwrap_or_default();
    let mut text = format!("{:>4.0} %{:>7}/s", 100.0 * busy, short(polls));
    // What there is room for.
    let room = line.width.saturating_sub(name.len() as u16 + 16);
    if room >= 24 {
        text += &format!(" q{:<4}", short(now.queue_depth as f64));
    }
    let stalls = match now.stalls {
        0 => String::new(),
        1 => " 1 stall".to_owned(),
        stalls => format!(" {} stalls", short(stalls as f64)),
    };
    let stalls = if room >= 38 { stalls } else { String::new() };
    let used = name.len() + text.chars().count() + if room >= 38 { 12 } else { 0 };
    let width = line.width.saturating_sub(used as u16).min(LONGEST_BAR);
    buffer.set_stringn(line.x, line.y, name, line.width.into(), theme.dim());
    let bar = line.x + name.len() as u16;
    // Spares may be several, and busier than one.
    let part = if is_one { busy.min(1.0) } else { (busy / app.hello.workers.max(1) as f64).min(1.0) };
    draw_bar(buffer, Rect { x: bar, width, ..line }, part, theme);
    let left = usize::from(line.right().saturating_sub(bar + width));
    let (x, _) = buffer.set_stringn(bar + width, line.y, &text, left, theme.plain_text());
    buffer.set_stringn(x, line.y, &stalls, line.right().saturating_sub(x).into(), theme.notable());
}

fn draw_bar(buffer: &mut Buffer, area: Rect, part: f64, theme: Theme) {
    let eighths = (part * f64::from(area.width) * 8.0).round() as usize;
    for column in 0..area.width {
        let filled = eighths.saturating_sub(usize::from(column) * 8).min(8);
        let (symbol, style) = if filled == 0 { ('·', theme.dim()) } else { (WIDTHS[filled], theme.load(part)) };
        set(buffer, area.x + column, area.y, symbol, style);
    }
}

fn set(buffer: &mut Buffer, x: u16, y: u16, symbol: char, style: Style) {
    if let Some(cell) = buffer.cell_mut((x, y)) {
        cell.set_char(symbol).set_style(style);
    }
}

/// What is counted, as it is called, and whether it is bad.
type Rate = (&'static str, fn(&Metrics) -> u64, bool);

/// The most telling first: there may be no room for all.
const RATES: [Rate; 8] = [
    ("polls", |metrics| all(metrics, |worker| worker.polls), false),
    ("tasks spawned", |metrics| metrics.spawned_tasks, false),
    ("events", |metrics| metrics.reactor_events, false),
    ("timers", |metrics| metrics.timers_fired, false),
    ("stalls", |metrics| metrics.stalls, true),
    ("tasks stolen", |metrics| all(metrics, |worker| worker.stolen_tasks), false),
    ("from outside", |metrics| metrics.remote_schedules, false),
    ("tasks rescued", |metrics| metrics.rescued_tasks, true),
];

fn all(metrics: &Metrics, of: impl Fn(&Worker) -> u64) -> u64 {
    metrics.workers.iter().chain([&metrics.spares]).map(of).sum()
}

/// Rates, each with a curve of how it was.
pub(super) fn draw_rates(frame: &mut Frame<'_>, area: Rect, app: &App, theme: Theme) {
    let block = block(Line::styled(" per second ", theme.title()), theme);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    for (row, (name, of, is_bad)) in RATES.into_iter().enumerate().take(inner.height.into()) {
        let (y, rate) = (inner.y + row as u16, app.moments.rate(of));
        let style = if is_bad && rate > Some(0.0) { theme.bad() } else { theme.plain_text() };
        let text = format!("{name:<14}{:>6} ", rate.map_or_else(|| "-".to_owned(), short));
        let (x, _) = frame.buffer_mut().set_stringn(inner.x, y, text, inner.width.into(), style);
        let width = inner.right().saturating_sub(x);
        draw_curve(frame.buffer_mut(), Rect { x, y, width, height: 1 }, &app.moments.rates(of), theme);
    }
}

fn draw_curve(buffer: &mut Buffer, area: Rect, values: &[f64], theme: Theme) {
    let shown = &values[values.len().saturating_sub(area.width.into())..];
    let most = shown.iter().copied().fold(0.0, f64::max);
    for (column, value) in shown.iter().enumerate() {
        // Something is more than nothing.
        let height = if *value > 0.0 { ((value / most * 8.0).round() as usize).max(1) } else { 0 };
        // The newest at the right.
        let x = area.right() - shown.len() as u16 + column as u16;
        set(buffer, x, area.y, HEIGHTS[height], theme.good());
    }
}

/// Times on a logarithmic scale, from left to right; how often, also logarithmic, upwards.
pub(super) fn draw_histogram(
    frame: &mut Frame<'_>,
    area: Rect,
    name: &str,
    is_of_all: bool,
    (histogram, seconds): (Histogram, f64),
    theme: Theme,
) {
    let mut title = vec![Span::styled(format!(" {name} "), theme.title())];
    if let (Some(p50), Some(p99), Some(max)) =
        (histogram.quantile(0.5), histogram.quantile(0.99), histogram.quantile(1.0))
    {
        let text = |time_of: std::time::Duration| time(time_of.as_nanos() as u64);
        title.push(Span::raw(format!("p50 {}, p99 {}, max {} ", text(p50), text(p99), text(max))));
    }
    let of = if is_of_all { "" } else { "sample, " };
    let note = format!(" {of}{} ", time((seconds * 1e9) as u64));
    let mut block = block(Line::from(title), theme);
    if area.width > 70 {
        block = block.title(Line::styled(note, theme.dim()).right_aligned());
    }
    let inner = block.inner(area);
    frame.render_widget(block, area);
    if histogram.count == 0 || inner.height < 2 || inner.width < 10 {
        frame.render_widget(Span::styled(" none yet", theme.dim()), inner);
        return;
    }
    let scale = Scale::new(&histogram, inner.width);
    let columns = scale.columns(&histogram);
    let most = columns.iter().copied().fold(0.0, f64::max);
    let height = inner.height - 1;
    let buffer = frame.buffer_mut();
    for (column, count) in columns.iter().enumerate().filter(|(_, count)| **count > 0.0) {
        let part = (1.0 + count).ln() / (1.0 + most).ln();
        let eighths = ((part * f64::from(height) * 8.0).round() as usize).max(1);
        let style = theme.latency(scale.time_of(column as f64 + 0.5));
        for row in 0..height {
            let filled = eighths.saturating_sub(usize::from(row) * 8).min(8);
            if filled > 0 {
                set(buffer, inner.x + column as u16, inner.y + height - 1 - row, HEIGHTS[filled], style);
            }
        }
    }
    scale.draw(buffer, Rect { y: inner.bottom() - 1, height: 1, ..inner }, theme);
}

/// Where a time is, from whole powers of ten to whole powers of ten.
struct Scale {
    first: i32,
    decades: i32,
    width: u16,
}

impl Scale {
    /// Of all that there is, but not less than four decades: a picture that jumps tells nothing.
    fn new(histogram: &Histogram, width: u16) -> Self {
        let lowest = histogram.buckets.first().map_or(100, |bucket| bucket.from_ns).max(100);
        let highest = histogram.buckets.last().map_or(100, |bucket| bucket.to_ns.unwrap_or(bucket.from_ns)).max(200);
        let first = (lowest as f64).log10().floor() as i32;
        let last = (highest as f64).log10().ceil() as i32;
        let decades = (last - first).max(4);
        Scale { first, decades, width }
    }

    fn column_of(&self, nanoseconds: f64) -> f64 {
        let decades = nanoseconds.max(1.0).log10() - f64::from(self.first);
        (decades / f64::from(self.decades) * f64::from(self.width)).max(0.0)
    }

    fn time_of(&self, column: f64) -> f64 {
        10f64.powf(f64::from(self.first) + column / f64::from(self.width) * f64::from(self.decades))
    }

    /// How many are in each column. A bucket that is wider than one is spread over all that it covers.
    fn columns(&self, histogram: &Histogram) -> Vec<f64> {
        let mut columns = vec![0.0; self.width.into()];
        let last = columns.len() - 1;
        for bucket in &histogram.buckets {
            let begin = self.column_of(bucket.from_ns as f64);
            let end = bucket.to_ns.map_or(begin, |to| self.column_of(to as f64)).max(begin);
            let (from, to) = ((begin as usize).min(last), (end.ceil() as usize).clamp(begin as usize + 1, last + 1));
            let share = bucket.count as f64 / (to.max(from + 1) - from) as f64;
            columns[from..to.max(from + 1)].iter_mut().for_each(|column| *column += share);
        }
        columns
    }

    /// The powers of ten, at their places.
    fn draw(&self, buffer: &mut Buffer, line: Rect, theme: Theme) {
        let mut free = line.x;
        for decade in self.first..self.first + self.decades {
            let x = line.x + self.column_of(10f64.powi(decade)).round() as u16;
            let label = format!("╵{}", time(10u64.pow(decade as u32)).replace(".0", ""));
            let width = label.chars().count() as u16;
            if x >= free && x + width <= line.right() {
                buffer.set_string(x, line.y, label, theme.dim());
                free = x + width + 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Bucket;

    fn histogram(buckets: &[(u64, u64, u64)]) -> Histogram {
        let bucket = |&(from_ns, to, count): &(u64, u64, u64)| Bucket { from_ns, to_ns: Some(to), count };
        let buckets: Vec<_> = buckets.iter().map(bucket).collect();
        Histogram { count: buckets.iter().map(|bucket| bucket.count).sum(), buckets }
    }

    #[test]
    fn everything_is_in_some_column_whatever_its_time() {
        let times = histogram(&[(0, 64, 3), (640, 768, 5), (60_000_000_000, 75_000_000_000, 2)]);
        for width in [10, 11, 40, 200] {
            let columns = Scale::new(&times, width).columns(&times);
            assert_eq!(columns.len(), usize::from(width));
            assert!((columns.iter().sum::<f64>() - 10.0).abs() < 1e-9, "{columns:?}");
        }
        let endless = Histogram { count: 1, buckets: vec![Bucket { from_ns: 1 << 36, to_ns: None, count: 1 }] };
        assert_eq!(Scale::new(&endless, 20).columns(&endless).iter().sum::<f64>(), 1.0);
    }

    #[test]
    fn a_scale_goes_from_a_power_of_ten_to_another() {
        let scale = Scale::new(&histogram(&[(1500, 2000, 1), (40_000_000, 50_000_000, 1)]), 50);
        assert_eq!((scale.first, scale.decades), (3, 5));
        assert_eq!(scale.column_of(1e5), 20.0);
        assert!((scale.time_of(20.0) - 1e5).abs() < 1.0);
    }
}
