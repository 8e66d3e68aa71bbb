//! One file after another, each from where it was left.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::fingerprint::Fingerprint;
use super::format;
use super::locations::Locations;
use super::reader::{Block, Reader};
use super::resume::{Start, look};
use super::state::{Candidate, Known, Mark, State, key, moved};
use crate::component::{Closed, ComponentError, Context};
use crate::event::EventId;
use crate::sources::delivery::{Delivery, Portion};
use crate::sources::recording::{Parser, Position};
use nordpass_env::FileStat;

/// A file that was written to this recently, in nanoseconds, may change again without another time of change.
const RECENT: i128 = 2_000_000_000;

/// The reading of all files.
pub(super) struct Reading {
    context: Context,
    parser: Parser,
    delivery: Delivery<Mark>,
    state: Option<State>,
    locations: Locations,
    files: Vec<Arc<str>>,
    /// The files of this round, whatever they are called.
    seen: HashSet<(u64, u64)>,
    /// What files begin with, by their keys, as far as that was looked at.
    holds: HashMap<u64, Vec<Fingerprint>>,
    /// What was read of files that are gone or have other content now; looked at once it is needed.
    free: Option<Vec<(u64, Candidate)>>,
}

/// Why reading ends early.
enum Stop {
    Closed,
    Failed(ComponentError),
}

/// Where the reading of a file has ended.
struct Ended {
    position: Position,
    read: Fingerprint,
    /// Whether all lines are complete. What came before an error counts, too.
    result: Result<bool, ComponentError>,
}

impl From<Closed> for Stop {
    fn from(Closed: Closed) -> Self {
        Self::Closed
    }
}

impl From<ComponentError> for Stop {
    fn from(error: ComponentError) -> Self {
        Self::Failed(error)
    }
}

impl Reading {
    pub fn new(
        context: Context,
        parser: Parser,
        delivery: Delivery<Mark>,
        state: Option<State>,
        (locations, files): (Locations, Vec<String>),
    ) -> Self {
        let files = files.into_iter().map(Into::into).collect();
        let (seen, holds) = (HashSet::new(), HashMap::new());
        Self { context, parser, delivery, state, locations, files, seen, holds, free: None }
    }

    /// Reads all files, once or for ever. The error is the first file's that couldn't be read to its end.
    pub async fn all(mut self, repeat: bool) -> Result<(), ComponentError> {
        loop {
            let (mut bytes, mut failed) = (0, None);
            self.seen.clear();
            for file in self.files.clone() {
                match self.file(&file).await {
                    Ok(read) => bytes += read,
                    Err(Stop::Closed) => return Ok(()),
                    Err(Stop::Failed(error)) if failed.is_none() => failed = Some(error),
                    Err(Stop::Failed(error)) => self.warn(&error.to_string()),
                }
            }
            match failed {
                Some(error) => return Err(error),
                None if !repeat => return Ok(()),
                None if bytes == 0 => {
                    let message = format!("nothing to repeat: {} are empty", self.files.join(", "));
                    return Err(ComponentError::new(message));
                }
                None => {}
            }
        }
    }

    /// Reads one file from where it was left. Answers how many bytes it had.
    async fn file(&mut self, path: &Arc<str>) -> Result<u64, Stop> {
        let now = self.context.env.clock.now().as_nanosecond();
        if let Some(stat) = self.unchanged(path).await {
            self.seen.insert(stat.id);
            return Ok(stat.len);
        }
        let mut reader = Reader::open(&self.locations, path).await?;
        let stat = *reader.stat();
        if !self.seen.insert(stat.id) {
            tracing::info!(component = &*self.context.name, "{path} is another name of a file that was read already");
            return Ok(0);
        }
        let start = self.start(path, &mut reader).await?;
        let Ended { position, read, result } = self.read(path, &mut reader, start).await?;
        let complete = matches!(result, Ok(true)) && stat.modified + RECENT <= now;
        let ids = match &self.state {
            Some(state) if position == at(read.length) => state.ended(path, read, complete.then_some(&stat)),
            _ => Vec::new(),
        };
        self.delivery.note(Mark { path: path.clone(), position, read, sequence: None, ids }).await?;
        if !result? {
            self.warn(&format!(
                "{path}: the last line is incomplete; it is read at the next start after it was completed"
            ));
        }
        Ok(reader.bytes_read())
    }

    /// What the file system says of a file that has been read and hasn't changed.
    async fn unchanged(&self, path: &str) -> Option<FileStat> {
        let stat = self.locations.stat(path).await.ok()??;
        self.state.as_ref().filter(|state| state.is_unchanged(path, &stat)).map(|_| stat)
    }

    /// Reads, parses and sends to the end. Answers how far it came, and whether all lines are complete.
    async fn read(&mut self, path: &Arc<str>, reader: &mut Reader, start: Start) -> Result<Ended, Closed> {
        let Start { from, mut read } = start;
        let rebuild = Parser::rebuild_from(from.offset);
        // One byte earlier, to see whether a line begins just there.
        reader.rewind(rebuild.saturating_sub(1));
        let mut inside_line = rebuild > 0;
        self.parser.restart();
        let mut end = from;
        let result = loop {
            let mut block = match reader.next().await {
                Ok(Some(block)) => block,
                Ok(None) => break Ok(true),
                Err(error) => break Err(error),
            };
            if block.offset == 0
                && let Err(error) = format::check(path, &block.bytes)
            {
                break Err(error);
            }
            if !block.bytes.ends_with(b"\n") && !format::is_complete(&block.bytes) {
                break Ok(false);
            }
            read.add_at(block.offset, &block.bytes);
            if inside_line {
                let rest = memchr::memchr(b'\n', &block.bytes).map_or(block.bytes.len(), |at| at + 1);
                block.bytes.drain(..rest);
                block.offset += rest as u64;
                inside_line = false;
            }
            let print = read.fingerprint();
            for Block { offset, bytes } in split(block, from.offset) {
                let parsed = self.parser.parse(bytes, offset, from);
                if parsed.end > from {
                    end = parsed.end;
                    let mark = |Portion { position, sequence, .. }: Portion| Mark {
                        path: path.clone(),
                        position,
                        read: print,
                        sequence,
                        ids: Vec::new(),
                    };
                    self.delivery.send(parsed, mark).await?;
                }
            }
        };
        Ok(Ended { position: end, read: read.fingerprint(), result })
    }

    /// Finds where to go on.
    async fn start(&mut self, path: &Arc<str>, reader: &mut Reader) -> Result<Start, Stop> {
        let Some(state) = &self.state else { return Ok(Start::default()) };
        let known = state.known(path, reader.stat().len);
        let found = look(reader, &known).await?;
        self.holds.insert(key(path), found.holds);
        if let Some(start) = found.proven {
            return Ok(start);
        }
        if let Some(start) = found.unproven {
            if !known.had_this_size {
                let offset = start.from.offset;
                self.warn(&format!(
                    "{path} has changed since an earlier version read it: it is read on at byte {offset}"
                ));
            }
            return Ok(start);
        }
        let elsewhere = self.elsewhere(path).await;
        if !elsewhere.is_empty() {
            let candidates = elsewhere.iter().map(|(_, candidate)| *candidate).collect();
            reader.rewind(0);
            let found = look(reader, &Known { candidates, ..Known::default() }).await?;
            if let Some(start) = found.proven {
                let read = start.read.fingerprint();
                let file = elsewhere.iter().find(|(_, candidate)| candidate.read == read).map(|(file, _)| *file);
                let moved = elsewhere.into_iter().map(|(file, candidate)| (file, candidate.read));
                self.claim(path, &start, moved.filter(|one| Some(one.0) == file && found.holds.contains(&one.1)))
                    .await?;
                return Ok(start);
            }
        }
        if known != Known::default() {
            self.warn(&format!("{path} was replaced: it doesn't begin with what was read of it, so it is read whole"));
        }
        Ok(Start::default())
    }

    /// What was read of files that are gone, or no longer have it: a rotated file has it under another name. Two files
    /// that are there at once are two recordings.
    async fn elsewhere(&mut self, path: &str) -> Vec<(u64, Candidate)> {
        let Some(state) = &self.state else { return Vec::new() };
        if self.free.is_none() {
            let names: HashMap<u64, &Arc<str>> = self.files.iter().map(|name| (key(name), name)).collect();
            let mut free = Vec::new();
            for (file, candidates) in state.elsewhere() {
                let holds = match (self.holds.get(&file), names.get(&file)) {
                    (Some(holds), _) => holds.clone(),
                    (None, Some(name)) => self.holds_of(name, &candidates).await,
                    (None, None) => Vec::new(),
                };
                let is_free = |one: &Candidate| !holds.contains(&one.read);
                free.extend(candidates.into_iter().filter(is_free).map(|candidate| (file, candidate)));
            }
            self.free = Some(free);
        }
        let own = key(path);
        self.free.iter().flatten().filter(|(file, _)| *file != own).copied().collect()
    }

    /// What a file that is there has of this. What can't be read now may have all of it.
    async fn holds_of(&self, name: &str, candidates: &[Candidate]) -> Vec<Fingerprint> {
        let known = Known { candidates: candidates.to_vec(), ..Known::default() };
        if self.unchanged(name).await.is_none()
            && let Ok(mut reader) = Reader::open(&self.locations, name).await
            && let Ok(found) = look(&mut reader, &known).await
        {
            return found.holds;
        }
        candidates.iter().map(|candidate| candidate.read).collect()
    }

    /// From now on this file has what was read of another one.
    async fn claim(
        &mut self,
        path: &Arc<str>,
        start: &Start,
        had: impl Iterator<Item = (u64, Fingerprint)>,
    ) -> Result<(), Closed> {
        let (read, position) = (start.read.fingerprint(), start.from);
        let component = &*self.context.name;
        tracing::info!(component, "{path} begins with what was read under another name: it is read on from there");
        let had: HashSet<(u64, Fingerprint)> = had.collect();
        let mut ids: Vec<EventId> = had.iter().map(|(file, read)| moved(*file, *read)).collect();
        if let Some(free) = &mut self.free {
            free.retain(|(file, candidate)| !had.contains(&(*file, candidate.read)));
        }
        ids.extend(self.state.iter().filter(|_| position == at(read.length)).flat_map(|it| it.ended(path, read, None)));
        self.delivery.note(Mark { path: path.clone(), position, read, sequence: None, ids }).await
    }

    fn warn(&self, message: &str) {
        tracing::warn!(component = &*self.context.name, "{message}");
    }
}

fn at(offset: u64) -> Position {
    Position { offset, events: 0 }
}

/// Cuts a block at an offset: what was complete without a line end stays so, whatever was written behind it.
fn split(block: Block, offset: u64) -> impl Iterator<Item = Block> {
    let Block { offset: begin, mut bytes } = block;
    let at = offset.checked_sub(begin).and_then(|at| usize::try_from(at).ok());
    let at = at.filter(|at| (1..bytes.len()).contains(at) && bytes[at - 1] != b'\n');
    let later = at.map(|at| Block { offset, bytes: bytes.split_off(at) });
    std::iter::once(Block { offset: begin, bytes }).chain(later)
}
