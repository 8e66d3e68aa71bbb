//! A table with commas (RFC 4180) becomes rows. The first line names the columns: `id`, `name`, `token`, and if needed
//! `endpoint`, `state`, `label.KEY` and `destination.KEY`.
//!
//! Written here and not taken from a crate, because each cell's place is needed for errors.

use std::ops::Range;

use super::check::{KEYS, is_key};
use super::rows::{Cell, Flaw, Row};

/// A table has at most this many columns.
const MOST_COLUMNS: usize = 64;

/// What the lines say; or why none can be read.
pub(super) fn read(text: &str) -> Result<Vec<Row>, Vec<Flaw>> {
    let mut lines = Lines { text, at: if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 } };
    let Some(header) = lines.next() else {
        return Err(vec![Flaw::new(0..0, "", "the file is empty", "begin with a line such as id,name,endpoint,token")]);
    };
    let header = header.map_err(|flaw| vec![flaw])?;
    let columns: Vec<String> = header.iter().map(|cell| cell.text.trim().to_owned()).collect();
    let line = header.first().map_or(0..0, |cell| cell.span.clone());
    let wrong = |message: &str| {
        let hint = "begin with a line that names the columns, separated by commas, such as id,name,endpoint,token";
        Err(vec![Flaw::new(line.clone(), "", message, hint)])
    };
    if columns.len() > MOST_COLUMNS {
        return wrong("the first line has too many columns");
    }
    if ["id", "name", "token"].iter().any(|needed| !columns.iter().any(|column| column == needed)) {
        return wrong("the first line doesn't name the columns `id`, `name` and `token`");
    }
    if columns.iter().enumerate().any(|(at, column)| columns[..at].contains(column)) {
        return wrong("the first line names a column twice");
    }
    if let Some((_, cell)) = columns.iter().zip(&header).find(|(column, _)| !is_key(column)) {
        let hint = format!("the columns are name, {}, label.KEY and destination.KEY", KEYS.join(", "));
        return Err(vec![Flaw::new(cell.span.clone(), "", "unknown column", hint)]);
    }
    let mut rows = Vec::new();
    for line in lines {
        let cells = match line {
            Ok(cells) => cells,
            // Nobody can tell where the next line begins.
            Err(flaw) => return Err(vec![flaw]),
        };
        if cells.iter().any(|cell| !cell.text.trim().is_empty()) {
            rows.push(row(&columns, cells));
        }
    }
    Ok(rows)
}

fn row(columns: &[String], cells: Vec<Cell>) -> Row {
    let span = cells.first().map_or(0..0, |cell| cell.span.clone());
    let mut row = Row { span: span.clone(), ..Row::default() };
    if cells.len() != columns.len() {
        let message = format!("this line has {} cells, and the first one {}", cells.len(), columns.len());
        row.flaws.push(Flaw::new(span, "", message, "put text with a comma into quotes: \"a, b\""));
    }
    for (column, cell) in columns.iter().zip(cells) {
        let cell = Cell { text: cell.text.trim().to_owned(), span: cell.span };
        if column == "name" {
            row.name = cell;
        } else if !cell.text.is_empty() {
            row.cells.push((column.clone(), cell));
        }
    }
    row
}

/// The lines of a table; one in quotes can go over several.
struct Lines<'t> {
    text: &'t str,
    at: usize,
}

impl Iterator for Lines<'_> {
    type Item = Result<Vec<Cell>, Flaw>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.text.len() {
            return None;
        }
        let mut cells = Vec::new();
        loop {
            match self.cell() {
                Ok(cell) => cells.push(cell),
                Err(flaw) => return Some(Err(flaw)),
            }
            if self.rest().starts_with(',') {
                self.at += 1;
                continue;
            }
            self.at += self.rest().len() - self.rest().trim_start_matches('\r').len();
            self.at += usize::from(self.rest().starts_with('\n'));
            return Some(Ok(cells));
        }
    }
}

impl Lines<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    /// The next cell, up to its comma or the end of its line.
    fn cell(&mut self) -> Result<Cell, Flaw> {
        let start = self.at;
        if !self.rest().starts_with('"') {
            self.at += self.rest().find([',', '\r', '\n']).unwrap_or(self.rest().len());
            return Ok(Cell { text: self.text[start..self.at].to_owned(), span: start..self.at });
        }
        self.at += 1;
        let mut text = String::new();
        loop {
            let Some(end) = self.rest().find('"') else {
                let hint = "close it with \", and write \"\" for a quotation mark in it";
                return Err(Flaw::new(start..start + 1, "", "this quotation mark isn't closed", hint));
            };
            text.push_str(&self.rest()[..end]);
            self.at += end + 1;
            if self.rest().starts_with('"') {
                text.push('"');
                self.at += 1;
                continue;
            }
            let span: Range<usize> = start..self.at;
            if !self.rest().is_empty() && !self.rest().starts_with([',', '\r', '\n']) {
                let hint = "write \"\" for a quotation mark inside a cell";
                return Err(Flaw::new(span, "", "there is text behind a closing quotation mark", hint));
            }
            return Ok(Cell { text, span });
        }
    }
}
