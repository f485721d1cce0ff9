//! Tables as text. The first columns are text, the rest are numbers.

/// For a terminal: columns as wide as their widest cell.
pub fn plain(heads: &[&str], rows: &[Vec<String>], text_columns: usize) -> String {
    let heads: Vec<String> = heads.iter().map(|&head| head.to_owned()).collect();
    let lines = || [&heads].into_iter().chain(rows);
    let widths: Vec<usize> =
        (0..heads.len()).map(|column| lines().map(|line| line[column].len()).max().unwrap_or(0)).collect();
    lines().map(|line| plain_row(line, &widths, text_columns)).collect::<Vec<_>>().join("\n")
}

/// One row for a terminal, for a table that is shown while it grows.
pub fn plain_row(cells: &[String], widths: &[usize], text_columns: usize) -> String {
    let cells = cells.iter().zip(widths).enumerate().map(|(column, (cell, &width))| {
        if column < text_columns { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
    });
    cells.collect::<Vec<_>>().join("  ")
}

/// For a document.
pub fn markdown(heads: &[&str], rows: &[Vec<String>], text_columns: usize) -> String {
    let rows = rows.iter().map(|row| markdown_row(row));
    [markdown_heads(heads, text_columns)].into_iter().chain(rows).collect::<Vec<_>>().join("\n")
}

/// The first two lines of a table for a document.
pub fn markdown_heads(heads: &[&str], text_columns: usize) -> String {
    let rule = format!("|{}{}", "---|".repeat(text_columns), "---:|".repeat(heads.len() - text_columns));
    format!("| {} |\n{rule}", heads.join(" | "))
}

/// One row for a document.
pub fn markdown_row(cells: &[String]) -> String {
    format!("| {} |", cells.join(" | "))
}

/// Three digits that count, of what may be next to nothing or thousands. What is not a number is a dash.
pub fn figure(value: f64) -> String {
    if value.is_nan() {
        return "-".to_owned();
    }
    let decimals = match value {
        ..1.0 => 3,
        ..10.0 => 2,
        ..100.0 => 1,
        _ => 0,
    };
    format!("{value:.decimals$}")
}

/// There is none to a peer that did nothing at all.
pub fn ratio(value: f64) -> String {
    if value.is_finite() { format!("{value:.2}") } else { "-".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::{figure, markdown, plain, ratio};

    fn rows() -> Vec<Vec<String>> {
        vec![vec!["spawn".to_owned(), "7".to_owned()], vec!["yield".to_owned(), "12.5".to_owned()]]
    }

    #[test]
    fn in_a_plain_table_text_is_at_the_left_and_numbers_at_the_right() {
        assert_eq!(plain(&["work", "rt"], &rows(), 1), "work     rt\nspawn     7\nyield  12.5");
    }

    #[test]
    fn a_figure_has_three_digits_that_count() {
        assert_eq!([0.1234, 1.234, 12.34, 123.4].map(figure), ["0.123", "1.23", "12.3", "123"]);
        assert_eq!(figure(f64::NAN), "-");
    }

    #[test]
    fn there_is_no_ratio_to_nothing() {
        assert_eq!([ratio(1.0 / 2.0), ratio(1.0 / 0.0), ratio(f64::NAN)], ["0.50", "-", "-"]);
    }

    #[test]
    fn markdown_aligns_by_its_rule() {
        assert_eq!(markdown(&["work", "rt"], &rows(), 1), "| work | rt |\n|---|---:|\n| spawn | 7 |\n| yield | 12.5 |");
    }
}
