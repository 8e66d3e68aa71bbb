//! Decides what to remove from which file. Changes nothing that counts: new contents are written beside the files.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::failed;
use super::repair::copy;
use crate::component::{ComponentError, Store};
use crate::event::Origin;
use crate::sinks::file::encode::Format;
use crate::sinks::file::journal::Begun;
use crate::sinks::file::log::{Contents, Entry, Segment, Tracked};
use crate::sinks::file::own;
use crate::sinks::file::template::folder;
use nordpass_env::{Disk, FileKind};

/// A longer rest isn't examined.
const LONGEST_REST: u64 = 64 << 20;

/// What is decided.
#[derive(Default)]
pub(super) struct Decided {
    /// As entries of the log.
    pub entries: Vec<Entry>,
    /// The files to which nothing may be appended.
    pub spoiled: Vec<PathBuf>,
    /// The appends that may still be committed, because the run that they belong to goes on; where they are once all is done.
    pub open: Contents,
}

/// Returns the decisions.
pub(super) async fn decide(
    disk: &dyn Disk,
    contents: &Contents,
    begun: &BTreeMap<String, Begun>,
    format: Format,
    store: &dyn Store,
) -> Result<Decided, ComponentError> {
    let mut asked = HashMap::new();
    let mut found = Vec::new();
    // All checks come first, so that an error leaves everything as it was.
    for (path, tracked) in &contents.files {
        let file = Path::new(path);
        let uncommitted = uncommitted(tracked, store, &mut asked).await?;
        // A journal from before the last recorded appends says nothing.
        let begun = begun.get(path).filter(|begun| begun.start == tracked.end);
        let look = async {
            let Some(mut len) = length(disk, file, &uncommitted).await? else { return Ok(None) };
            if begun.is_some() && len > tracked.end {
                // Otherwise a power cut could still lose part of what is decided about.
                disk.sync(file).await?;
                len = disk.len(file).await?.unwrap_or(0);
            }
            Ok(Some((len, ours(disk, path, len, tracked, &uncommitted, begun).await?)))
        };
        if let Some((len, ours)) = look.await.map_err(|error| failed("read", file, &error))? {
            found.push((path, tracked, len, ours));
        }
    }
    let Decided { mut entries, mut spoiled, mut open } = Decided::default();
    for (path, tracked, len, ours) in found {
        let is_spoiled = spoils(disk, Path::new(path), len, tracked, &ours, format).await;
        if is_spoiled.map_err(|error| failed("read", Path::new(path), &error))? {
            spoiled.push(PathBuf::from(path));
        } else if let Some(tracked) = still_open(tracked, &ours, store) {
            open.files.insert(path.clone(), tracked);
        }
        let entry = entry(disk, path, tracked, len, &ours).await;
        entries.extend(entry.map_err(|error| failed("repair", Path::new(path), &error))?);
    }
    Ok(Decided { entries, spoiled, open })
}

/// The appends of runs that go on, where they are when what is `ours` to remove is gone.
fn still_open(tracked: &Tracked, ours: &[Range<u64>], store: &dyn Store) -> Option<Tracked> {
    let states = store.open_states();
    let removed_before =
        |at: u64| ours.iter().map(|range| range.end.min(at).saturating_sub(range.start.min(at))).sum::<u64>();
    let moved = |segment: &Segment| Segment {
        start: segment.start - removed_before(segment.start),
        end: segment.end - removed_before(segment.end),
        ..segment.clone()
    };
    let segments: Vec<Segment> =
        tracked.segments.iter().filter(|segment| states.has_run(&segment.origin)).map(moved).collect();
    let end = tracked.end - removed_before(tracked.end);
    (!segments.is_empty()).then_some(Tracked { end, segments })
}

/// Whether another program has appended something to a compressed file that can't be read to its end. Then no reader
/// would reach what is appended after it.
async fn spoils(
    disk: &dyn Disk,
    file: &Path,
    len: u64,
    tracked: &Tracked,
    ours: &[Range<u64>],
    format: Format,
) -> io::Result<bool> {
    let begin = ours.last().map_or(tracked.end, |last| last.end.max(tracked.end));
    let Some(last) = tracked.segments.last().filter(|last| last.end == tracked.end) else { return Ok(false) };
    if format == Format::Plain || !(1..=LONGEST_REST).contains(&len.saturating_sub(begin)) {
        return Ok(false);
    }
    // The rest begins with a unit only if the file is unchanged.
    if own::fingerprint_of(disk, file, last.start..last.end).await? != last.fingerprint {
        return Ok(false);
    }
    let mut rest = Vec::new();
    while begin + (rest.len() as u64) < len {
        let block = own::read(disk, file, begin + rest.len() as u64..len).await?;
        if block.is_empty() {
            return Ok(false);
        }
        rest.extend(block);
    }
    Ok(!format.is_whole(&rest))
}

/// The length of a file that may have bytes of ours.
async fn length(disk: &dyn Disk, file: &Path, uncommitted: &[&Segment]) -> io::Result<Option<u64>> {
    match disk.stat(file).await? {
        Some(found) => Ok((found.kind == FileKind::Regular).then_some(found.len)),
        None => {
            if !uncommitted.is_empty() {
                let path = file.display();
                tracing::info!(%path, "the file was moved away since the last run; a new one will be created");
            }
            Ok(None)
        }
    }
}

/// The segments whose events are read again.
async fn uncommitted<'a>(
    tracked: &'a Tracked,
    store: &dyn Store,
    asked: &mut HashMap<Origin, bool>,
) -> Result<Vec<&'a Segment>, ComponentError> {
    let mut uncommitted = Vec::new();
    // What a run that goes on has appended stays: its source may be about to commit it.
    let states = store.open_states();
    for segment in tracked.segments.iter().filter(|segment| !states.has_run(&segment.origin)) {
        let committed = if let Some(committed) = asked.get(&segment.origin) {
            *committed
        } else {
            let committed = store.is_committed(&segment.origin).await.map_err(|error| {
                let curable = error.cure().is_some();
                let failure = ComponentError::new(format!("can't read from the checkpoint what is committed: {error}"));
                let failure = failure.hint("repair the checkpoint first; the files stay unchanged until then");
                if curable { failure.curable() } else { failure }
            })?;
            asked.insert(segment.origin.clone(), committed);
            committed
        };
        if !committed && segment.start < segment.end {
            uncommitted.push(segment);
        }
    }
    Ok(uncommitted)
}

/// The ranges to remove, in order, neighbours joined.
async fn ours(
    disk: &dyn Disk,
    path: &str,
    len: u64,
    tracked: &Tracked,
    uncommitted: &[&Segment],
    begun: Option<&Begun>,
) -> io::Result<Vec<Range<u64>>> {
    let (file, mut ours, mut kept) = (Path::new(path), Vec::<Range<u64>>::new(), 0);
    let mut push = |range: Range<u64>| match ours.last_mut() {
        Some(last) if last.end == range.start => last.end = range.end,
        _ => ours.push(range),
    };
    for segment in uncommitted {
        let range = segment.start..segment.end;
        let proven = match &segment.fingerprint {
            _ if len < segment.end => false,
            Some(expected) => own::fingerprint_of(disk, file, range.clone()).await?.as_ref() == Some(expected),
            // Recorded by version 1: believed as long as the file isn't shorter.
            None => len >= tracked.end,
        };
        if proven { push(range) } else { kept += 1 }
    }
    if let Some(Begun { start, bytes }) = begun
        && let Some(range) = own::written(disk, file, len, *start, bytes).await?
    {
        push(range);
    }
    if kept > 0 {
        tracing::warn!(
            path,
            appends = kept,
            "another program has changed or moved this file since the last run: appends whose events are read again \
             can't be taken out of it, so these events may be there twice"
        );
    }
    Ok(ours)
}

async fn entry(
    disk: &dyn Disk,
    path: &str,
    tracked: &Tracked,
    len: u64,
    ours: &[Range<u64>],
) -> io::Result<Option<Entry>> {
    let (file, by) = (Path::new(path), format!("{path}.rewrite"));
    let cut = match ours {
        // An empty file of ours is no valid .gz.
        [] if len == 0 && tracked.segments.is_empty() && tracked.end == 0 => Some(0),
        [] => None,
        [range] if range.end == len => Some(range.start),
        ranges => {
            copy(disk, file, Path::new(&by), &between(ranges, len)).await?;
            let length = len - ranges.iter().map(|range| range.end - range.start).sum::<u64>();
            return Ok(Some(Entry::Replace { path: path.to_owned(), by, length, from: Some(len) }));
        }
    };
    // A crash may have left new content without a decision.
    if !tracked.segments.is_empty() && disk.len(Path::new(&by)).await?.is_some() {
        disk.remove(Path::new(&by)).await?;
        disk.sync_dir(folder(file)).await?;
    }
    let Some(length) = cut else { return Ok(None) };
    let fingerprint = own::fingerprint_of(disk, file, length..len).await?.unwrap_or_default();
    Ok(Some(Entry::Cut { path: path.to_owned(), length, from: Some((len, fingerprint)) }))
}

/// What stays of a file.
fn between(ours: &[Range<u64>], len: u64) -> Vec<Range<u64>> {
    let ends = std::iter::once(0).chain(ours.iter().map(|range| range.end));
    let starts = ours.iter().map(|range| range.start).chain([len]);
    ends.zip(starts).map(|(start, end)| start..end).filter(|range| !range.is_empty()).collect()
}
