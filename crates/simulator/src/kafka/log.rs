//! Topics: partitions with records at offsets.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use nordpass_env::kafka::{BrokerError, ConsumerRecord, ErrorCode, TopicPartition, Trouble};

/// A record in a log.
#[derive(Clone)]
pub struct Stored {
    pub key: Option<Bytes>,
    pub value: Option<Bytes>,
    pub headers: Vec<(Box<str>, Option<Bytes>)>,
    pub is_damaged: bool,
}

#[derive(Default)]
struct Log {
    /// The offset of the first record.
    start: i64,
    records: VecDeque<Stored>,
}

impl Log {
    fn end(&self) -> i64 {
        self.start + i64::try_from(self.records.len()).unwrap_or(i64::MAX)
    }
}

/// All topics.
#[derive(Default)]
pub struct Topics(BTreeMap<String, Vec<Log>>);

impl Topics {
    pub fn create(&mut self, topic: &str, partitions: usize) {
        self.0.entry(topic.to_owned()).or_insert_with(|| (0..partitions).map(|_| Log::default()).collect());
    }

    pub fn delete(&mut self, topic: &str) {
        self.0.remove(topic);
    }

    pub fn partitions(&self, topic: &str) -> Result<Vec<i32>, BrokerError> {
        let missing = || BrokerError::code(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION);
        Ok((0..).take(self.0.get(topic).ok_or_else(missing)?.len()).collect())
    }

    fn log(&mut self, at: &TopicPartition) -> Option<&mut Log> {
        self.0.get_mut(&*at.topic)?.get_mut(usize::try_from(at.partition).ok()?)
    }

    pub fn append(&mut self, at: &TopicPartition, stored: Stored) {
        self.log(at).expect("the partition is there").records.push_back(stored);
    }

    /// Where a key belongs, in a topic of these many partitions.
    pub fn choose(&self, topic: &str, key: Option<&[u8]>, number: u64) -> Option<i32> {
        let partitions = self.0.get(topic)?.len() as u64;
        let hash =
            key.map_or(number, |key| key.iter().fold(7, |hash: u64, byte| hash.wrapping_mul(31) ^ u64::from(*byte)));
        i32::try_from(hash % partitions).ok()
    }

    pub fn damage(&mut self, at: &TopicPartition, offset: i64) {
        let log = self.log(at).expect("the partition is there");
        let index = usize::try_from(offset - log.start).expect("after the start");
        log.records[index].is_damaged = true;
    }

    pub fn expire(&mut self, at: &TopicPartition, before: i64) {
        let log = self.log(at).expect("the partition is there");
        while log.start < before && log.records.pop_front().is_some() {
            log.start += 1;
        }
    }

    pub fn all(&self, topic: &str) -> impl Iterator<Item = &Stored> {
        self.0.get(topic).into_iter().flatten().flat_map(|log| &log.records)
    }

    pub fn watermarks(&mut self, at: &TopicPartition) -> Result<(i64, i64), BrokerError> {
        let log = self.log(at).ok_or_else(|| BrokerError::code(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION))?;
        Ok((log.start, log.end()))
    }

    /// At most `most` records from an offset on.
    pub fn read(&mut self, at: &TopicPartition, from: i64, most: usize) -> Result<Vec<ConsumerRecord>, BrokerError> {
        // A topic that isn't there gives nothing, until it is there again.
        let Some(log) = self.log(at) else { return Ok(Vec::new()) };
        if from < log.start || from > log.end() {
            return Err(BrokerError::new(Trouble::NoOffset(vec![at.clone()])));
        }
        let skip = usize::try_from(from - log.start).unwrap_or(usize::MAX);
        let mut records = Vec::new();
        for (offset, stored) in (from..).zip(log.records.iter().skip(skip)).take(most) {
            if stored.is_damaged {
                if records.is_empty() {
                    return Err(BrokerError::new(Trouble::Corrupt(at.clone(), offset)));
                }
                break;
            }
            let (value, headers) = (stored.value.clone(), stored.headers.clone());
            records.push(ConsumerRecord { partition: at.clone(), offset, value, headers });
        }
        Ok(records)
    }
}
