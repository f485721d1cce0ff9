//! Ratios as a drawing.

use std::fmt::Write;

/// What one operation takes, as a multiple of what tokio takes for it.
#[derive(Clone, Debug)]
pub struct Row {
    /// The operation.
    pub label: String,
    /// `rt`'s ratio to tokio.
    pub rt: f64,
    /// smol's ratio to tokio.
    pub smol: f64,
}

const TITLE: &str = "rt and smol beside tokio";
const NOTE: &str = "what each takes, as a multiple of what tokio takes; shorter is better";

const WIDTH: f64 = 800.0;
const TOP: f64 = 92.0;
const ROW: f64 = 34.0;
/// Where the bars begin; the labels end a little before.
const ZERO: f64 = 335.0;
/// Pixels of a ratio of 1.
const UNIT: f64 = 200.0;
/// Longer bars end here. A few are many times as long as the rest, and would leave no room to see these.
const CUT: f64 = 2.0;

/// How the bars of one runtime look.
struct Look {
    height: f64,
    fill: &'static str,
    text: &'static str,
    font_size: f64,
}

const RT: Look = Look { height: 14.0, fill: "#1f6f9f", text: "#1c2329", font_size: 12.0 };
const SMOL: Look = Look { height: 10.0, fill: "#b9cfdd", text: "#5a6670", font_size: 10.0 };

/// Draws a pair of bars for each row, and a line where tokio is. The result is a document in SVG, with a background of
/// its own, so that it can be read wherever it is shown.
pub fn svg(rows: &[Row]) -> String {
    let mut svg = String::new();
    draw(&mut svg, rows).expect("a string takes whatever is written");
    svg
}

fn draw(svg: &mut String, rows: &[Row]) -> std::fmt::Result {
    let height = TOP + ROW * rows.len() as f64 + 16.0;
    let tokio = ZERO + UNIT;
    let bottom = height - 16.0;
    writeln!(
        svg,
        r##"<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="title description" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" font-family="system-ui, 'Segoe UI', Helvetica, Arial, sans-serif" font-size="13" fill="#1c2329">
<title id="title">{TITLE}</title>
<desc id="description">{}</desc>
<rect width="{WIDTH}" height="{height}" rx="8" fill="#ffffff"/>
<text x="16" y="28" font-size="16" font-weight="600">{TITLE}</text>
<text x="16" y="48" font-size="12" fill="{}">{NOTE}</text>"##,
        escape(&description(rows)),
        SMOL.text,
    )?;
    for (x, name, look) in [(WIDTH - 124.0, "rt", &RT), (WIDTH - 76.0, "smol", &SMOL)] {
        let Look { fill, .. } = look;
        writeln!(svg, r#"<rect x="{x}" y="18" width="12" height="12" rx="2" fill="{fill}"/>"#)?;
        writeln!(svg, r#"<text x="{}" y="28" font-size="12">{name}</text>"#, x + 17.0)?;
    }
    writeln!(
        svg,
        r##"<path d="M{ZERO} {TOP}V{bottom}" stroke="#c8d0d6"/>
<path d="M{tokio} {TOP}V{bottom}" stroke="#c0392b" stroke-dasharray="4 3"/>
<text x="{tokio}" y="{}" font-size="12" text-anchor="middle" fill="#c0392b">tokio</text>"##,
        TOP - 7.0,
    )?;
    for (number, row) in rows.iter().enumerate() {
        let y = TOP + ROW * number as f64 + (ROW - RT.height - SMOL.height) / 2.0;
        let label = escape(&row.label);
        writeln!(svg, r#"<text x="{}" y="{}" text-anchor="end">{label}</text>"#, ZERO - 10.0, y + 15.0)?;
        bar(svg, y, row.rt, &RT)?;
        bar(svg, y + RT.height, row.smol, &SMOL)?;
    }
    svg.push_str("</svg>\n");
    Ok(())
}

/// A bar and its figure, which stands on a patch of background, because the line may pass there.
fn bar(svg: &mut String, y: f64, ratio: f64, look: &Look) -> std::fmt::Result {
    let Look { height, fill, text, font_size } = look;
    let length = ratio.min(CUT) * UNIT;
    let end = ZERO + length;
    let figure = format!("{ratio:.2}");
    let patch = figure.len() as f64 * font_size * 0.6 + 4.0;
    writeln!(svg, r#"<rect x="{ZERO}" y="{y}" width="{length:.1}" height="{height}" fill="{fill}"/>"#)?;
    if ratio > CUT {
        // Two gaps, as where a piece has been taken out.
        for x in [end - 18.0, end - 11.0] {
            writeln!(
                svg,
                r##"<path class="cut" d="M{x} {}l5 -{height}" stroke="#ffffff" stroke-width="2.5"/>"##,
                y + height
            )?;
        }
    }
    writeln!(svg, r##"<rect x="{:.1}" y="{y}" width="{patch:.1}" height="{height}" fill="#ffffff"/>"##, end + 3.0)?;
    writeln!(
        svg,
        r#"<text x="{:.1}" y="{:.1}" font-size="{font_size}" fill="{text}">{figure}</text>"#,
        end + 5.0,
        y + height / 2.0 + font_size * 0.36,
    )
}

/// The drawing in words.
fn description(rows: &[Row]) -> String {
    let rows = rows.iter().map(|row| format!("{}: rt {:.2}, smol {:.2}", row.label, row.rt, row.smol));
    format!("A chart of bars: {NOTE}. {}.", rows.collect::<Vec<_>>().join("; "))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::{CUT, Row, UNIT, svg};

    fn row(label: &str, rt: f64, smol: f64) -> Row {
        Row { label: label.to_owned(), rt, smol }
    }

    /// Follows the elements, and tells how many there are of each name. Panics where one is not closed in its turn.
    fn elements(svg: &str) -> Vec<&str> {
        let (mut open, mut names) = (Vec::new(), Vec::new());
        for (position, _) in svg.match_indices('<') {
            let tag = &svg[position + 1..];
            let tag = &tag[..tag.find('>').expect("a tag ends")];
            assert!(!tag.contains('<'), "{tag:?} ends before the next begins");
            assert_eq!(tag.matches('"').count() % 2, 0, "{tag:?} closes its quotes");
            if let Some(name) = tag.strip_prefix('/') {
                assert_eq!(open.pop(), Some(name));
                continue;
            }
            let name = tag.split([' ', '/', '\n']).next().expect("a split has a first part");
            names.push(name);
            if !tag.ends_with('/') {
                open.push(name);
            }
        }
        assert_eq!(open, [""; 0], "all are closed");
        names
    }

    #[test]
    fn all_elements_are_closed_with_rows_and_without() {
        for rows in [vec![], vec![row("a", 0.5, 1.5), row("b", 3.0, 0.0)]] {
            let svg = svg(&rows);
            let names = elements(&svg);
            assert_eq!(names[..3], ["svg", "title", "desc"]);
            assert_eq!(names.iter().filter(|&&name| name == "svg").count(), 1);
            assert!(svg.ends_with("</svg>\n"));
        }
    }

    #[test]
    fn a_label_is_escaped_in_the_drawing_and_in_the_words() {
        let svg = svg(&[row(r#"<a> & "b""#, 0.5, 1.0)]);
        elements(&svg);
        assert_eq!(svg.matches("&lt;a&gt; &amp; &quot;b&quot;").count(), 2);
        assert!(!svg.contains("<a>"));
    }

    #[test]
    fn a_bar_is_as_long_as_its_ratio() {
        let svg = svg(&[row("a", 0.59, 1.31)]);
        for (ratio, figure) in [(0.59, "0.59"), (1.31, "1.31")] {
            assert!(svg.contains(&format!(r#"width="{:.1}""#, ratio * UNIT)));
            assert!(svg.contains(&format!(">{figure}</text>")));
        }
        assert!(!svg.contains("cut"));
    }

    #[test]
    fn a_bar_that_would_be_too_long_is_cut_and_has_its_true_figure() {
        let svg = svg(&[row("a", 0.5, 7.26)]);
        assert!(svg.contains(&format!(r#"width="{:.1}""#, CUT * UNIT)));
        assert!(!svg.contains(&format!(r#"width="{:.1}""#, 7.26 * UNIT)));
        assert!(svg.contains(r#"class="cut""#));
        assert!(svg.contains(">7.26</text>"));
    }

    #[test]
    fn the_words_have_all_figures() {
        assert!(
            svg(&[row("a", 0.5, 7.26), row("b", 1.0, 2.0)]).contains("a: rt 0.50, smol 7.26; b: rt 1.00, smol 2.00.")
        );
    }
}
