//! What arrived, per table.

use std::collections::BTreeMap;

use serde::Serialize;

use super::row::Checked;
use crate::probe::Probes;

/// A table's rows: always counted, kept only when asked for.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Table {
    /// Rows accepted.
    pub rows: u64,
    /// The probes of these rows.
    #[serde(skip)]
    pub probes: Probes,
    /// Rows without a probe.
    #[serde(rename = "rows_without_probe")]
    pub without_probe: u64,
    /// Values in columns that the stream doesn't declare, by column.
    pub dropped_columns: BTreeMap<String, u64>,
    /// Values that were longer than 64 KB and were cut.
    pub truncated_fields: u64,
    /// Rows whose `TimeGenerated` was replaced by the time of receipt.
    pub times_replaced: u64,
    /// The first row, as it came.
    #[serde(skip)]
    pub first: Option<Box<str>>,
    /// The rows as stored, if they are kept.
    #[serde(skip)]
    pub kept: Vec<Box<str>>,
    /// Rows as NDJSON that nobody has taken yet.
    #[serde(skip)]
    pub(super) pending: Vec<u8>,
}

impl Table {
    /// Adds a row.
    pub(super) fn add(&mut self, row: Checked, keep: bool, write: bool) {
        self.rows += 1;
        match row.probe {
            Some(probe) => self.probes.add(probe),
            None => self.without_probe += 1,
        }
        for column in row.dropped {
            *self.dropped_columns.entry(column).or_default() += 1;
        }
        self.truncated_fields += row.truncated;
        self.times_replaced += u64::from(row.time_replaced);
        let Some(stored) = row.stored else { return };
        if write {
            self.pending.extend_from_slice(stored.as_bytes());
            self.pending.push(b'\n');
        }
        if keep {
            self.kept.push(stored.into_boxed_str());
        }
    }
}
