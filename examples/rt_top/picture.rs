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

/// An SVG drawing. Bars are drawn as such, because not every font has the characters as wide as others.
pub(crate) fn svg(buffer: &Buffer) -> String {
    let width = f64::from(buffer.area.width) * WIDTH + 2.0 * MARGIN;
    let height = f64::from(buffer.area.height) * HEIGHT + 2.0 * MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"{FONT}\" font-size=\"14\">\n\
         <rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"{BEHIND}\"/>\n"
    );
    for y in 0..buffer.area.height {
        let mut x = 0;
        while x < buffer.area.width {
            let run = run(buffer, x, y);
            let cell = &buffer[(x, y)];
            draw_run(&mut svg, cell, &run, x, y);
            x += (run.len() as u16).max(1);
        }
    }
    svg += "</svg>\n";
    svg
}

/// Cells that are drawn at once: of one look, and one for a bar.
fn run(buffer: &Buffer, x: u16, y: u16) -> Vec<&str> {
    let first = &buffer[(x, y)];
    let is_alike = |cell: &Cell| (cell.fg, cell.bg, cell.modifier) == (first.fg, first.bg, first.modifier);
    if part_of_block(first.symbol()).is_some() {
        return vec![first.symbol()];
    }
    let cells = (x..buffer.area.width).map(|x| &buffer[(x, y)]);
    cells
        .take_while(|cell| is_alike(cell) && part_of_block(cell.symbol()).is_none())
        .map(|cell| cell.symbol())
        .collect()
}

fn draw_run(svg: &mut String, cell: &Cell, run: &[&str], x: u16, y: u16) {
    let is_reversed = cell.modifier.contains(Modifier::REVERSED);
    let (left, top) = (MARGIN + f64::from(x) * WIDTH, MARGIN + f64::from(y) * HEIGHT);
    let width = run.len() as f64 * WIDTH;
    let (before, behind) = if is_reversed { (BEHIND, colour(cell.fg)) } else { (colour(cell.fg), BEHIND) };
    if is_reversed {
        push(
            svg,
            format_args!(
                "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{HEIGHT}\" fill=\"{behind}\"/>\n"
            ),
        );
    }
    if let [symbol] = run
        && let Some((across, up)) = part_of_block(symbol)
    {
        let (width, height) = (WIDTH * across, HEIGHT * up);
        let top = top + HEIGHT - height;
        push(
            svg,
            format_args!(
                "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.2}\" height=\"{height:.2}\" fill=\"{before}\"/>\n"
            ),
        );
        return;
    }
    let text: String = run.concat();
    let inner = text.trim_end();
    if inner.is_empty() {
        return;
    }
    let length = inner.chars().count() as f64 * WIDTH;
    let weight = if cell.modifier.contains(Modifier::BOLD) { " font-weight=\"bold\"" } else { "" };
    push(
        svg,
        format_args!(
            "<text x=\"{left:.1}\" y=\"{:.1}\" textLength=\"{length:.1}\" fill=\"{before}\"{weight} xml:space=\"preserve\">{}</text>\n",
            top + HEIGHT * 0.76,
            inner.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
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
}
