//! Dead letters as people and programs read them.

use std::{fmt::Write as _, io};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::dead_letters::{Mark, MarkState, StoredDeadLetter};
use crate::telemetry::terminal::plain;

/// A dead letter as JSON, with the names of the file.
#[derive(Serialize)]
pub(super) struct View<'a> {
    #[serde(flatten)]
    pub dead_letter: &'a StoredDeadLetter,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<&'a RawValue>,
}

/// One JSON object per line.
pub(super) fn lines(values: impl IntoIterator<Item = impl Serialize>) -> io::Result<String> {
    let mut text = String::new();
    for value in values {
        text.push_str(&serde_json::to_string(&value)?);
        text.push('\n');
    }
    Ok(text)
}

/// A table for people, without records.
pub(super) fn table(dead_letters: &[StoredDeadLetter]) -> String {
    let mut rows = vec![
        ["ID", "COMPONENT", "STREAM", "STATUS", "CODE", "REQUEST ID", "TIME (UTC)", "RESEND", "REASON"]
            .map(str::to_owned),
    ];
    let or_dash = |text: Option<&str>| text.unwrap_or("-").to_owned();
    rows.extend(dead_letters.iter().map(|dead_letter| {
        [
            short(&dead_letter.id).to_owned(),
            dead_letter.component.clone(),
            or_dash(dead_letter.stream.as_deref()),
            dead_letter.status.map_or_else(|| "-".to_owned(), |status| status.to_string()),
            or_dash(dead_letter.code.as_deref()),
            or_dash(dead_letter.request_id.as_deref()),
            time(dead_letter.time),
            dead_letter.mark.as_ref().map_or_else(|| "-".to_owned(), mark_words),
            shortened(&dead_letter.reason, 72),
        ]
        .map(|cell| plain(&cell).into_owned())
    }));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// One dead letter for people, whole.
pub(super) fn page(dead_letter: &StoredDeadLetter, record: &str) -> String {
    let status = dead_letter.status.map(|status| status.to_string());
    let mark = dead_letter.mark.as_ref().map(mark_words);
    let when = time(dead_letter.time);
    let fields = [
        ("id", Some(dead_letter.id.as_str())),
        ("component", Some(&dead_letter.component)),
        ("stream", dead_letter.stream.as_deref()),
        ("status", status.as_deref()),
        ("code", dead_letter.code.as_deref()),
        ("request id", dead_letter.request_id.as_deref()),
        ("time (UTC)", Some(&when)),
        ("reason", Some(&dead_letter.reason)),
        ("resend", mark.as_deref()),
        ("record", Some(record)),
    ];
    let mut text = String::new();
    for (name, value) in fields {
        let _ = value.map(|value| writeln!(text, "{name:<11} {}", plain(value)));
    }
    text
}

fn mark_words(mark: &Mark) -> String {
    let when = time(mark.time);
    match mark.state {
        MarkState::Resent => format!("resent {when}"),
        MarkState::Resending => format!("begun {when}, may have arrived"),
        MarkState::Refused => format!("refused again {when}"),
        MarkState::Unsent => format!("not accepted {when}"),
    }
}

fn time(second: i64) -> String {
    Timestamp::from_second(second)
        .map_or_else(|_| "-".to_owned(), |time| time.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

/// Enough of an id to name it.
pub(super) fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}
