//! Collects what is written between two syncs.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use super::encode::{Format, encode};
use super::template::{Dates, Key, Template};
use crate::event::{Ack, Backpressure, Chunk, Origin};

/// One append: the records of one chunk that go to one series of files, encoded.
#[derive(Debug)]
pub struct Unit {
    /// The path from the template. The series adds a number to it.
    pub path: Arc<str>,
    /// The chunk.
    pub origin: Origin,
    /// The bytes to append.
    pub bytes: Vec<u8>,
}

/// Appends that share one sync, and the acknowledgements that wait for it.
#[derive(Debug, Default)]
pub struct Group {
    /// The appends, in order of arrival.
    pub units: Vec<Unit>,
    /// The chunks' acknowledgements.
    pub acks: Vec<Ack>,
    /// The back-pressure of their sources.
    backpressure: Vec<Backpressure>,
    /// Records in it.
    pub records: u64,
    /// Bytes of their lines before compression.
    pub json_bytes: usize,
}

impl Group {
    /// Whether a source waits for it.
    pub fn is_waited_for(&self) -> bool {
        self.backpressure.iter().any(Backpressure::is_on)
    }
}

/// Maximum paths remembered between chunks. More are rendered again.
const REMEMBERED_PATHS: usize = 1024;

/// Sorts chunks' records into units.
pub struct Collector {
    template: Template,
    format: Format,
    level: u32,
    paths: HashMap<Key, Arc<str>>,
    dates: Dates,
}

impl Collector {
    /// Creates a collector for one template.
    pub fn new(template: Template, format: Format, level: u32) -> Self {
        Self { template, format, level, paths: HashMap::new(), dates: Dates::default() }
    }

    /// Adds a chunk to a group. Records keep their order within a file.
    pub async fn collect(&mut self, chunk: Chunk, group: &mut Group) -> io::Result<()> {
        // A chunk nearly always has one organization and day, so try the last key first.
        let mut sorted: Vec<(Key, Vec<usize>)> = Vec::new();
        let mut places: HashMap<Key, usize> = HashMap::new();
        let mut last = 0;
        for (index, record) in chunk.records.iter().enumerate() {
            let key = self.template.key(record, chunk.organization.as_ref());
            if sorted.get(last).is_none_or(|(known, _)| *known != key) {
                let key = self.dates.bounded(key);
                last = *places.entry(key.clone()).or_insert(sorted.len());
                if last == sorted.len() {
                    sorted.push((key, Vec::new()));
                }
            }
            sorted[last].1.push(index);
        }
        for (key, indexes) in sorted {
            let bodies = indexes.iter().map(|index| chunk.body(&chunk.records[*index]));
            let (bytes, json) = encode(self.format, self.level, bodies).await?;
            group.json_bytes += json;
            group.units.push(Unit { path: self.path(key), origin: chunk.origin.clone(), bytes });
        }
        group.records += chunk.records.len() as u64;
        group.backpressure.extend(chunk.backpressure);
        group.acks.push(chunk.ack);
        Ok(())
    }

    fn path(&mut self, key: Key) -> Arc<str> {
        if self.paths.len() >= REMEMBERED_PATHS && !self.paths.contains_key(&key) {
            self.paths.clear();
        }
        let template = &self.template;
        self.paths.entry(key).or_insert_with_key(|key| template.render(key).into()).clone()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::event::{EventId, Record};
    use crate::sinks::file::template::MOST_DATES;

    /// 3,000 dates made 3,000 folders.
    #[test]
    fn past_a_bound_dates_share_a_folder() {
        let template = Template::parse("a/{date}/{hour}.ndjson").expect("a template");
        let mut collector = Collector::new(template, Format::Plain, 0);
        let mut paths = HashSet::new();
        for day in 0..3_000 {
            let (time, body) = (1_700_000_000 + day * 86_400, crate::event::Span::new(0, 0));
            let record = Record { id: EventId(1), time, organization: "".into(), body };
            let key = collector.dates.bounded(collector.template.key(&record, None));
            paths.insert(collector.path(key));
        }
        assert_eq!(paths.len(), MOST_DATES + 1);
        assert!(paths.contains("a/other/other.ndjson"));
    }
}
