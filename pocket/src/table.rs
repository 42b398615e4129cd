//! Tables for people: columns in line, nothing drawn around them, so that `grep` and `awk` can read them too.

use comfy_table::Table;
use comfy_table::presets::NOTHING;

/// Blanks between columns.
const GAP: u16 = 2;

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
