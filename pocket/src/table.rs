//! Tables for people: columns in line, nothing drawn around them, so that `grep` and `awk` can read them too.

use comfy_table::Table;
use comfy_table::presets::NOTHING;

/// Blanks between columns.
const GAP: u16 = 2;
/// Of what is not a terminal, and what every table fits.
const WIDTH: usize = 120;

/// A table with its first line.
pub(crate) fn with_header(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(header.iter().copied());
    table
}

/// The lines of it, without a newline at the end.
pub(crate) fn rendered(mut table: Table) -> String {
    table.column_iter_mut().for_each(|column| {
        column.set_padding((0, GAP));
    });
    table.trim_fmt()
}

/// Columns that standard output has: those of its terminal, or [`WIDTH`].
pub(crate) fn width() -> usize {
    console::Term::stdout().size_checked().map_or(WIDTH, |(_, columns)| columns.into())
}

/// A column of a table that has to fit.
pub(crate) struct Column {
    pub(crate) name: &'static str,
    /// Where not all fit, those with the lowest rank stay. The first of all always does.
    pub(crate) rank: u8,
}

/// A table of as many columns as fit into `width`. The last one may be cut short, with an ellipsis, where at least its name
/// fits.
pub(crate) fn fitted(columns: &[Column], mut rows: Vec<Vec<String>>, width: usize) -> String {
    let widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(i, column)| {
            let cells = rows.iter().map(|row| console::measure_text_width(&row[i]));
            cells.max().unwrap_or(0).max(column.name.len()) + usize::from(GAP)
        })
        .collect();
    let mut by_rank: Vec<usize> = (0..columns.len()).collect();
    by_rank.sort_by_key(|&i| columns[i].rank);
    let mut left = width + usize::from(GAP);
    let mut shown = Vec::new();
    for i in by_rank {
        if widths[i] <= left || shown.is_empty() {
            left = left.saturating_sub(widths[i]);
            shown.push(i);
        } else if i == columns.len() - 1 && columns[i].name.len() + usize::from(GAP) <= left {
            for row in &mut rows {
                row[i] = console::truncate_str(&row[i], left - usize::from(GAP), "…").into_owned();
            }
            left = 0;
            shown.push(i);
        }
    }
    shown.sort_unstable();
    let mut table = with_header(&shown.iter().map(|&i| columns[i].name).collect::<Vec<_>>());
    for row in rows {
        table.add_row(shown.iter().map(|&i| &row[i]));
    }
    rendered(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_a_high_rank_leave_first_and_the_last_is_cut() {
        let column = |name, rank| Column { name, rank };
        let columns = [column("NAME", 0), column("SOME", 3), column("MORE", 1), column("TEXT", 2)];
        let table = |width| {
            let row = ["a".repeat(10), "b".repeat(10), "c".repeat(10), "d".repeat(20)];
            let text = fitted(&columns, vec![row.into()], width);
            assert!(text.lines().all(|line| line.chars().count() <= width.max(10)), "{width}: {text}");
            text.lines().last().unwrap().to_owned()
        };
        let [a, b, c, d] = ["a".repeat(10), "b".repeat(10), "c".repeat(10), "d".repeat(20)];
        assert_eq!(table(56), format!("{a}  {b}  {c}  {d}"));
        assert_eq!(table(55), format!("{a}  {c}  {d}"));
        assert_eq!(table(43), format!("{a}  {c}  {}…", "d".repeat(18)));
        assert_eq!(table(27), format!("{a}  {c}"));
        assert_eq!(table(5), a);
    }
}
