//! Tasks, a line each; or the places where they were spawned.

use super::{Theme, block};
use crate::numbers::{count, short, time};
use crate::protocol::{Place, Task};
use crate::state::App;
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

/// A column: what it is sorted by, its heading, how wide it is, and how it is written.
struct Column<T> {
    key: &'static str,
    heading: &'static str,
    width: u16,
    is_number: bool,
    text: fn(&App, &T) -> String,
}

const fn number<T>(key: &'static str, heading: &'static str, width: u16, text: fn(&App, &T) -> String) -> Column<T> {
    Column { key, heading, width, is_number: true, text }
}

const fn words<T>(key: &'static str, heading: &'static str, width: u16, text: fn(&App, &T) -> String) -> Column<T> {
    Column { key, heading, width, is_number: false, text }
}

/// Of tasks. The place where a task was spawned takes what is left.
const TASK: [Column<Task>; 9] = [
    number("id", "ID", 7, |_, task| task.id.to_string()),
    words("name", "NAME", 14, |_, task| task.name.clone().unwrap_or_default()),
    words("state", "STATE", 22, |_, task| state(task)),
    number("busy", "BUSY", 7, |_, task| task.busy_ns.map_or_else(|| "-".to_owned(), time)),
    number("polls", "POLLS", 7, |_, task| short(task.polls as f64)),
    number("rate", "/S", 6, |app, task| app.task_rates.get(&task.id).map_or_else(String::new, |rate| short(*rate))),
    number("age", "AGE", 8, |_, task| time(task.age_ns)),
    number("last_poll", "LAST", 8, |_, task| task.last_poll_ns.map_or_else(|| "-".to_owned(), ago)),
    number("stalls", "STALLS", 6, |_, task| if task.stalls > 0 { task.stalls.to_string() } else { String::new() }),
];

const PLACE: [Column<Place>; 9] = [
    number("tasks", "TASKS", 8, |_, place| count(place.tasks)),
    words("name", "NAME", 16, |_, place| place.name.clone().unwrap_or_default()),
    number("running", "RUNNING", 8, |_, place| count(place.running)),
    number("queued", "QUEUED", 8, |_, place| count(place.queued)),
    number("waiting", "WAITING", 8, |_, place| count(place.waiting)),
    number("busy", "BUSY", 7, |_, place| place.busy_ns.map_or_else(|| "-".to_owned(), time)),
    number("polls", "POLLS", 7, |_, place| short(place.polls as f64)),
    number("age", "OLDEST", 8, |_, place| time(place.oldest_ns)),
    number("stalls", "STALLS", 6, |_, place| if place.stalls > 0 { place.stalls.to_string() } else { String::new() }),
];

/// On a narrow screen these are left out, the first first, so that the place has room.
const LEFT_OUT: [&str; 6] = ["last_poll", "rate", "running", "queued", "waiting", "id"];

/// What is to be seen of a path.
const NARROWEST_PLACE: u16 = 28;
/// What it needs; the rest goes to the name.
const WIDE_PLACE: u16 = 40;
const WIDEST_NAME: u16 = 32;
/// Where the place has hardly any.
const NARROW_STATE: u16 = 16;

pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, app: &mut App, theme: Theme) {
    let block = block(title(app, theme), theme);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    if inner.height < 2 {
        return;
    }
    app.fit(usize::from(inner.height) - 1);
    let lines = app.first..app.lines().min(app.first + app.height);
    let buffer = frame.buffer_mut();
    if app.by_place {
        let columns = fitting(&PLACE, inner.width);
        draw_headings(buffer, inner, &columns, app, theme);
        for line in lines {
            let place = &app.listing.list[line];
            let style = if place.tasks == 0 { theme.dim() } else { theme.plain_text() };
            draw_line(buffer, inner, &columns, app, line, place, &place.location, style, theme);
        }
    } else {
        let columns = fitting(&TASK, inner.width);
        draw_headings(buffer, inner, &columns, app, theme);
        for line in lines {
            let task = &app.listing.tasks[line];
            draw_line(buffer, inner, &columns, app, line, task, &task.location, style_of(task, theme), theme);
        }
    }
    if app.lines() == 0 && app.moments.last().is_some() {
        let why = if app.listing.all == 0 { " no tasks" } else { " no such tasks" };
        buffer.set_stringn(inner.x, inner.y + 1, why, inner.width.into(), theme.dim());
    }
}

fn title<'a>(app: &App, theme: Theme) -> Line<'a> {
    let what = if app.by_place { " places " } else { " tasks " };
    let (_, heading) = app.keys()[app.key()];
    let mut title = vec![
        Span::styled(what, theme.title()),
        Span::raw(format!("by {}{} ", heading.to_lowercase(), if app.is_reversed { ", reversed" } else { "" })),
    ];
    if let Some(state) = app.state() {
        title.push(Span::styled(format!("{state} only "), theme.notable()));
    }
    if !app.filter.is_empty() {
        title.push(Span::styled(format!("with {:?} ", app.filter), theme.notable()));
    }
    let all = if app.by_place { app.listing.places } else { app.listing.matching };
    if all > 0 {
        let first = app.selected + 1;
        title.push(Span::styled(format!("{} of {} ", count(first as u64), count(all)), theme.dim()));
    }
    Line::from(title)
}

/// Of a clock that goes in steps of 8 ms.
fn ago(nanoseconds: u64) -> String {
    if nanoseconds < 10_000_000 { "now".to_owned() } else { time(nanoseconds) }
}

/// The columns for which there is room.
fn fitting<T>(columns: &'static [Column<T>], width: u16) -> Vec<Column<T>> {
    let mut shown: Vec<_> = columns.iter().map(|column| Column { ..*column }).collect();
    let used = |shown: &[Column<T>]| shown.iter().map(|column| column.width + 1).sum::<u16>();
    for left_out in LEFT_OUT {
        if used(&shown) + NARROWEST_PLACE <= width {
            break;
        }
        shown.retain(|column| column.key != left_out);
    }
    if used(&shown) + NARROWEST_PLACE > width {
        shown.iter_mut().filter(|column| column.key == "state").for_each(|column| column.width = NARROW_STATE);
    }
    let left = width.saturating_sub(used(&shown) + WIDE_PLACE);
    if let Some(name) = shown.iter_mut().find(|column| column.key == "name") {
        name.width = (name.width + left).min(WIDEST_NAME);
    }
    shown
}

fn draw_headings<T>(buffer: &mut Buffer, area: Rect, columns: &[Column<T>], app: &App, theme: Theme) {
    let (sorted, _) = app.keys()[app.key()];
    let style = |key: &str| if key == sorted { theme.title() } else { theme.strong() };
    let mut x = area.x;
    for column in columns {
        // A number's is at its right end.
        write(buffer, area, x, area.y, column.width, column.heading, column.is_number, style(column.key));
        x += column.width + 1;
    }
    write(buffer, area, x, area.y, area.right().saturating_sub(x), "SPAWNED AT", false, style("location"));
}

#[expect(clippy::too_many_arguments, reason = "a cell is drawn of all of this")]
fn draw_line<T>(
    buffer: &mut Buffer,
    area: Rect,
    columns: &[Column<T>],
    app: &App,
    line: usize,
    of: &T,
    location: &str,
    style: Style,
    theme: Theme,
) {
    let y = area.y + 1 + (line - app.first) as u16;
    let mut x = area.x;
    // Also where nothing is written, so that a selected line is of one colour.
    buffer.set_style(Rect { y, height: 1, ..area }, style);
    for column in columns {
        write(buffer, area, x, y, column.width, &(column.text)(app, of), column.is_number, style);
        x += column.width + 1;
    }
    let left = area.right().saturating_sub(x);
    write(buffer, area, x, y, left, &tail(location, left.into()), false, style);
    if line == app.selected {
        buffer.set_style(Rect { y, height: 1, ..area }, theme.selected());
    }
}

#[expect(clippy::too_many_arguments, reason = "a cell is drawn of all of this")]
fn write(buffer: &mut Buffer, area: Rect, x: u16, y: u16, width: u16, text: &str, to_the_right: bool, style: Style) {
    // Control characters of a name have no place on a screen.
    let text: String = text.chars().filter(|character| !character.is_control()).collect();
    let used = Span::raw(&*text).width() as u16;
    let x = if to_the_right { x + width.saturating_sub(used) } else { x };
    let left = area.right().saturating_sub(x).min(width);
    if x < area.right() {
        buffer.set_stringn(x, y, text, left.into(), style);
    }
}

/// The end of a place, which says most: without the column, and without the folders that do not fit.
fn tail(location: &str, width: usize) -> String {
    let place = location.rsplit_once(':').map_or(location, |(place, _)| place);
    let length = place.chars().count();
    if length <= width {
        return place.to_owned();
    }
    let rest: String = place.chars().skip(length + 1 - width.max(1)).collect();
    format!("…{rest}")
}

fn style_of(task: &Task, theme: Theme) -> Style {
    match &*task.state {
        // Longer than a monitor tolerates.
        "running" if task.kind == "async" && task.running_ns >= 100_000_000 => theme.bad(),
        "running" => theme.good(),
        "queued" => theme.notable(),
        _ => theme.plain_text(),
    }
}

/// What is said in words that a column has no room for.
const SHORT: [(&str, &str); 4] = [
    ("something outside the runtime", "something outside"),
    ("descriptor ", "fd "),
    (" to be ", " "),
    ("the end of ", ""),
];

/// What a task does, in few words.
pub(super) fn state(task: &Task) -> String {
    match (&*task.state, task.worker, task.remaining_ns) {
        ("running", Some(worker), _) if task.running_ns > 0 => format!("runs on {worker}, {}", time(task.running_ns)),
        ("running", Some(worker), _) => format!("runs on {worker}"),
        ("running", None, _) => "runs".to_owned(),
        ("waiting", _, Some(0)) => "timer is due".to_owned(),
        ("waiting", _, Some(remaining)) => format!("timer in {}", time(remaining)),
        ("waiting", _, None) => {
            SHORT.iter().fold(task.waits_for.clone(), |text, (long, short)| text.replace(long, short))
        }
        (state, ..) => state.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_place_the_end_is_seen() {
        assert_eq!(tail("src/main.rs:12:5", 40), "src/main.rs:12");
        assert_eq!(tail("/home/somebody/project/src/main.rs:12:5", 15), "…src/main.rs:12");
        assert_eq!(tail("/home/somebody/project/src/main.rs:12:5", 1), "…");
    }

    #[test]
    fn a_narrow_screen_has_fewer_columns_and_always_the_place() {
        let widths = |width| fitting(&TASK, width).iter().map(|column| column.width + 1).sum::<u16>();
        assert_eq!(fitting(&TASK, 200).len(), TASK.len());
        assert!(fitting(&TASK, 80).len() < TASK.len());
        assert!(widths(110) + NARROWEST_PLACE <= 110);
    }
}
