//! Tables for a terminal.

use std::fmt;
use std::io::{self, Write};

/// Rows under a heading, columns as wide as their widest cell.
///
/// Cells may hold what strangers typed (names, addresses): control characters are shown escaped, so that
/// no account can paint an operator's terminal.
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings.
    pub(super) fn new(headings: &[&str]) -> Self {
        Self { rows: vec![headings.iter().map(|heading| (*heading).to_owned()).collect()] }
    }

    /// Adds a row.
    pub(super) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.iter().map(|cell| printable(cell)).collect());
    }

    /// Writes it.
    pub(super) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        write!(out, "{self}")
    }

    fn widths(&self) -> Vec<usize> {
        let mut widths = Vec::new();
        for row in &self.rows {
            widths.resize(widths.len().max(row.len()), 0);
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        widths
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths = self.widths();
        for row in &self.rows {
            let padded: Vec<_> =
                row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
            writeln!(f, "{}", padded.join("  ").trim_end())?;
        }
        Ok(())
    }
}

/// Text with control and direction characters escaped.
pub(super) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        let reorders =
            matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if character.is_control() || reorders {
            shown.extend(character.escape_unicode());
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_end_without_spaces() {
        let mut table = Table::new(&["A", "LONG"]);
        table.row(["\u{fc}ber".to_owned(), String::new()]);
        assert_eq!(table.to_string(), "A     LONG\n\u{fc}ber\n");
    }

    #[test]
    fn control_and_direction_characters_are_escaped() {
        let mut table = Table::new(&["NAME"]);
        table.row(["\u{1b}[31mred\n\u{202e}x".to_owned()]);
        assert_eq!(table.to_string(), "NAME\n\\u{1b}[31mred\\u{a}\\u{202e}x\n");
    }
}
