//! One picture without a terminal: as text, or as a drawing for a page.

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};
use std::fmt::Write;

/// Lines, without the spaces at their ends.
pub(crate) fn text(buffer: &Buffer) -> String {
    let mut text = String::new();
    for y in 0..buffer.area.height {
        let line: String = (0..buffer.area.width).map(|x| buffer[(x, y)].symbol()).collect();
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// The size of a cell. Of a font that is 0.6 times as wide as high, as most are.
const WIDTH: f64 = 8.4;
const HEIGHT: f64 = 17.0;
const FONT: &str = "ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace";
const MARGIN: f64 = 10.0;
const BEHIND: &str = "#14181d";
const BEFORE: &str = "#d3d7cf";

/// An SVG drawing. Bars and boxes are drawn as such: not every font has their characters without gaps.
pub(crate) fn svg(buffer: &Buffer) -> String {
    let width = f64::from(buffer.area.width) * WIDTH + 2.0 * MARGIN;
    let height = f64::from(buffer.area.height) * HEIGHT + 2.0 * MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         font-family=\"{FONT}\" font-size=\"14\" shape-rendering=\"crispEdges\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"{BEHIND}\"/>\n"
    );
    for y in 0..buffer.area.height {
        let mut x = 0;
        while x < buffer.area.width {
            let cells = alike(buffer, x, y);
            Run { cells: &cells, left: MARGIN + f64::from(x) * WIDTH, top: MARGIN + f64::from(y) * HEIGHT }
                .draw(&mut svg);
            x += cells.len() as u16;
        }
    }
    svg += "</svg>\n";
    svg
}

/// The cells from this one on that are drawn at once: those of one look, with text, or with the same bar, or a line across. At least one.
fn alike(buffer: &Buffer, x: u16, y: u16) -> Vec<&Cell> {
    let look = |cell: &Cell| (cell.fg, cell.modifier, (!is_text(cell)).then(|| cell.symbol().to_owned()));
    let first = look(&buffer[(x, y)]);
    if lines(buffer[(x, y)].symbol()).is_some_and(|[_, up, _, down]| up || down) {
        return vec![&buffer[(x, y)]];
    }
    (x..buffer.area.width).map(|x| &buffer[(x, y)]).take_while(|cell| look(cell) == first).collect()
}

fn is_text(cell: &Cell) -> bool {
    part_of_block(cell.symbol()).is_none() && lines(cell.symbol()).is_none()
}

/// Cells of one look, and where they are.
struct Run<'a> {
    cells: &'a [&'a Cell],
    left: f64,
    top: f64,
}

impl Run<'_> {
    fn draw(&self, svg: &mut String) {
        let cell = self.cells[0];
        let is_reversed = cell.modifier.contains(Modifier::REVERSED);
        let (before, behind) = if is_reversed { (BEHIND, colour(cell.fg)) } else { (colour(cell.fg), BEHIND) };
        let (left, top, width) = (self.left, self.top, self.cells.len() as f64 * WIDTH);
        if is_reversed {
            rectangle(svg, left, top, width, HEIGHT, behind);
        }
        if let Some((across, up)) = part_of_block(cell.symbol()) {
            let height = HEIGHT * up;
            rectangle(svg, left, top + HEIGHT - height, width * across, height, before);
        } else if let Some(directions) = lines(cell.symbol()) {
            self.draw_lines(svg, directions, before);
        } else {
            self.write(svg, before);
        }
    }

    /// From the middle of the cell to its sides; of several beside each other, one line.
    fn draw_lines(&self, svg: &mut String, [to_left, up, to_right, down]: [bool; 4], colour: &str) {
        let width = self.cells.len() as f64 * WIDTH;
        let (x, y) = (self.left + width / 2.0, self.top + HEIGHT / 2.0);
        if to_left || to_right {
            let begin = if to_left { self.left } else { x };
            let end = if to_right { self.left + width } else { x + 1.0 };
            rectangle(svg, begin, y, end - begin, 1.0, colour);
        }
        if up || down {
            let begin = if up { self.top } else { y };
            let end = if down { self.top + HEIGHT } else { y };
            rectangle(svg, x, begin, 1.0, end - begin, colour);
        }
    }

    fn write(&self, svg: &mut String, colour: &str) {
        let text: String = self.cells.iter().map(|cell| cell.symbol()).collect();
        let begins = text.len() - text.trim_start().len();
        let text = text.trim();
        if text.is_empty() {
            return;
        }
        let x = self.left + begins as f64 * WIDTH;
        let y = self.top + HEIGHT * 0.76;
        let length = text.chars().count() as f64 * WIDTH;
        let is_bold = self.cells[0].modifier.contains(Modifier::BOLD);
        let weight = if is_bold { " font-weight=\"bold\"" } else { "" };
        let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        push(
            svg,
            format_args!(
                "<text x=\"{x:.1}\" y=\"{y:.1}\" textLength=\"{length:.1}\" fill=\"{colour}\"{weight} xml:space=\"preserve\">{text}</text>\n"
            ),
        );
    }
}

fn rectangle(svg: &mut String, x: f64, y: f64, width: f64, height: f64, colour: &str) {
    push(
        svg,
        format_args!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{colour}\"/>\n"
        ),
    );
}

fn push(svg: &mut String, part: std::fmt::Arguments<'_>) {
    svg.write_fmt(part).expect("a string takes whatever is written");
}

/// How much of a cell a character fills, from the left and from below.
fn part_of_block(symbol: &str) -> Option<(f64, f64)> {
    let number = u32::from(symbol.chars().next()?);
    match number {
        0x2581..=0x2588 => Some((1.0, f64::from(number - 0x2580) / 8.0)),
        0x2589..=0x258f => Some((f64::from(0x2590 - number) / 8.0, 1.0)),
        _ => None,
    }
}

/// To which sides of its cell a character goes: left, up, right, down.
fn lines(symbol: &str) -> Option<[bool; 4]> {
    let sides = match symbol {
        "─" => "lr",
        "│" => "ud",
        "┌" => "rd",
        "┐" => "ld",
        "└" => "ur",
        "┘" => "lu",
        "╵" => "u",
        _ => return None,
    };
    Some(['l', 'u', 'r', 'd'].map(|side| sides.contains(side)))
}

fn colour(colour: Color) -> &'static str {
    match colour {
        Color::Cyan => "#34c8d6",
        Color::Green => "#6fc24a",
        Color::Yellow => "#e0b73a",
        Color::LightRed | Color::Red => "#f0605d",
        Color::DarkGray => "#77808a",
        _ => BEFORE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    #[test]
    fn a_picture_is_text_without_spaces_at_the_ends() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 10, 2));
        buffer.set_string(1, 0, "a <b", Style::new());
        assert_eq!(text(&buffer), " a <b\n\n");
    }

    #[test]
    fn a_drawing_has_the_text_and_a_box_for_each_bar() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 10, 1));
        buffer.set_string(0, 0, "a<b █▄", Style::new().fg(Color::Green));
        let svg = svg(&buffer);
        assert!(svg.contains(">a&lt;b</text>"), "{svg}");
        assert_eq!(svg.matches("<rect").count(), 3, "{svg}");
    }

    #[test]
    fn a_line_across_many_cells_is_one_and_those_upwards_are_one_each() {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 10, 1));
        buffer.set_string(0, 0, "┌────────", Style::new());
        assert_eq!(svg(&buffer).matches("height=\"1.0\"").count(), 2);
        assert!(!svg(&buffer).contains("<text"));
        buffer.set_string(0, 0, "││        ", Style::new());
        assert_eq!(svg(&buffer).matches("width=\"1.0\"").count(), 2);
    }
}
