//! Recorded logs from files: to replay them, to load history, to test rules.
//!
//! Files are read in blocks of whole lines, one chunk a block, with bounded memory whatever the compression. The
//! position moves as chunks are acknowledged, in order, so that a restart goes on exactly where delivery ended; that
//! also makes `file` sinks behind it exactly once. With `loop` there is no position: it is for load tests.
//!
//! A recording is complete when it is read. A last line without a line end counts as a line; a file that has grown
//! since is read on from its old end at the next start.

mod decode;
pub(super) mod paths;
pub(super) mod reader;
mod state;

use std::{future::pending, path::Path, sync::Arc};

use futures::future::{BoxFuture, join};

use self::reader::Reader;
use self::state::{Mark, State};
use super::delivery::{Delivery, Portion, unless_shutdown};
use super::in_flight::{Acknowledgements, in_flight};
use super::recording::{Parser, Position};
use crate::component::{Closed, ComponentError, Context, Output, Source};
use crate::component::{ComponentType, ReadSettings, Records, SourceSettings};
use crate::component::{LeaseGuard, SourceState};
use crate::http::Retry;
use crate::settings::{Field, Kind, Section};
use crate::telemetry::{Telemetry, metrics};

/// The `file` type.
pub static TYPE: ComponentType = ComponentType {
    name: "file",
    doc: "Reads recorded logs: NDJSON of raw events or whole API pages (`{\"data\":[…],\"metadata\":{…}}`), one per \
      line, plain, `.gz` or `.zst`. Ends when all files are read and delivered; a restart continues where delivery \
      ended. Lines that aren't JSON objects become dead letters.",
    fields: FIELDS,
    outputs: &[""],
    records: Records::Events,
    read: ReadSettings::Source(|section| Arc::new(Settings::read(section))),
};

static FIELDS: &[Field] = &[
    Field::required("paths", Kind::List).doc(
        "The files, relative to the working directory. `*`, `?`, `[…]` and `**` (any folders) are allowed. Files \
         are read in the order of their names.",
    ),
    Field::with_default("rate", Kind::Integer { min: 0, max: 10_000_000 }, "0")
        .doc("Maximum events per second; 0 means as fast as the sinks accept them."),
    Field::with_default("loop", Kind::Flag, "false")
        .doc("Start over after the last file, forever, without keeping a position. Each round has the same event ids."),
];

/// Checked settings.
#[derive(Clone, Debug)]
pub struct Settings {
    patterns: Vec<String>,
    rate: u64,
    repeat: bool,
}

impl Settings {
    /// Reads the component's table.
    pub fn read(section: &mut Section) -> Self {
        let patterns = section.list("paths");
        if patterns.is_empty() && section.has("paths") {
            section.error("paths", "no file is listed", "for example paths = [\"recordings/*.ndjson.gz\"]");
        }
        for problem in patterns.iter().filter_map(|pattern| paths::problem(pattern)) {
            section.error("paths", problem, "[ begins a set of characters; write [[] for the character itself");
        }
        Self { patterns, rate: section.integer("rate").try_into().unwrap_or(0), repeat: section.flag("loop") }
    }
}

impl SourceSettings for Settings {
    fn build(&self, _: &Telemetry) -> Box<dyn Source> {
        Box::new(self.clone())
    }

    fn state_endpoint(&self) -> Option<String> {
        (!self.repeat).then(|| self.patterns.join("\n"))
    }
}

impl Source for Settings {
    fn run(self: Box<Self>, context: Context, output: Output) -> BoxFuture<'static, Result<(), ComponentError>> {
        Box::pin(run(*self, context, output))
    }
}

async fn run(settings: Settings, context: Context, output: Output) -> Result<(), ComponentError> {
    let files = paths::expand(context.env.disk.as_ref(), &settings.patterns).await.map_err(|error| {
        ComponentError::new(format!("can't look for {}: {error}", settings.patterns.join(", ")))
            .hint("let the user that runs this program read these folders")
    })?;
    if files.is_empty() {
        return Err(ComponentError::new(format!("no file matches {}", settings.patterns.join(", ")))
            .hint("paths are relative to the working directory"));
    }
    let state = if settings.repeat {
        None
    } else {
        match State::open(&context, &settings.patterns).await? {
            Some(state) => Some(state),
            None => return Ok(()),
        }
    };
    let committer = state.as_ref().map(State::committer);
    let lease_guard = committer.as_ref().map_or_else(LeaseGuard::always, |state| state.lease_guard());
    let (in_flight, ack_receivers) = in_flight();
    let origin = match &state {
        Some(state) => (state.key_id(), state.run()),
        None => (context.name.clone(), context.env.random.next_u64()),
    };
    let delivery = Delivery::new(&context, output, in_flight, origin, settings.rate).await?;
    let reading = Reading {
        parser: Parser::new(context.env.clock.clone(), context.telemetry.clone()),
        context: context.clone(),
        delivery,
        state,
    };
    let read = unless_shutdown(context.shutdown.clone(), Box::pin(reading.all(files, settings.repeat)));
    tokio::select! {
        biased;
        () = lease_guard.lost() => {
            let error = ComponentError::new("another process has taken over this source and reads its files");
            Err(error.hint("only one process reads the files; restart this one to continue with them"))
        }
        (read, committed) = join(read, commit_all(ack_receivers, committer, context)) => committed.and(read),
    }
}

struct Reading {
    context: Context,
    parser: Parser,
    delivery: Delivery<Mark>,
    state: Option<State>,
}

/// Why reading ends early.
enum Stop {
    Closed,
    Failed(ComponentError),
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
    async fn all(mut self, files: Vec<String>, repeat: bool) -> Result<(), ComponentError> {
        loop {
            let mut bytes = 0;
            for file in &files {
                match self.file(file).await {
                    Ok(read) => bytes += read,
                    Err(Stop::Closed) => return Ok(()),
                    Err(Stop::Failed(error)) => return Err(error),
                }
            }
            if !repeat {
                return Ok(());
            }
            if bytes == 0 {
                return Err(ComponentError::new(format!("nothing to repeat: {} are empty", files.join(", "))));
            }
        }
    }

    /// Reads one file from where it was left. Answers how many bytes it had.
    async fn file(&mut self, path: &str) -> Result<u64, Stop> {
        let gone = |error: std::io::Error| {
            ComponentError::new(format!("can't read {path}: {error}"))
                .hint("put the file back; reading continues where it stopped")
        };
        let disk = &self.context.env.disk;
        let size = disk.len(Path::new(path)).await.map_err(gone)?;
        let size = size.ok_or_else(|| gone(std::io::ErrorKind::NotFound.into()))?;
        let from = match &self.state {
            Some(state) => match state.begin(path, size) {
                Some(from) => from,
                None => return Ok(size),
            },
            None => Position::default(),
        };
        let rebuild = Parser::rebuild_from(from.offset);
        // One byte earlier, to see whether a line begins just there.
        let mut reader = Reader::open(disk.clone(), path, rebuild.saturating_sub(1)).map_err(gone)?;
        let mut inside_line = rebuild > 0;
        self.parser.restart();
        let path: Arc<str> = path.into();
        let mut end = from;
        while let Some(mut block) = reader.next().await? {
            if inside_line {
                let rest = memchr::memchr(b'\n', &block.bytes).map_or(block.bytes.len(), |at| at + 1);
                block.bytes.drain(..rest);
                block.offset += rest as u64;
                inside_line = false;
            }
            let parsed = self.parser.parse(block.bytes, block.offset, from);
            if parsed.end > from {
                end = parsed.end;
                let mark = |portion: Portion| {
                    let Portion { position, sequence, .. } = portion;
                    Mark { path: path.clone(), position, sequence, finished: None }
                };
                self.delivery.send(parsed, mark).await?;
            }
        }
        if reader.offset() < from.offset {
            let message = format!("{path} has {} bytes of text, but {} were read", reader.offset(), from.offset);
            return Err(ComponentError::new(message)
                .hint("it was replaced or truncated: rename the new recording, or rename the source")
                .into());
        }
        let finished = Some(reader.bytes_read());
        self.delivery.note(Mark { path, position: end, sequence: None, finished }).await?;
        Ok(reader.bytes_read())
    }
}

/// Commits what is delivered, in order, until everything is resolved or something was dropped on the way.
async fn commit_all(
    mut ack_receivers: Acknowledgements<Mark>,
    state: Option<Arc<dyn SourceState>>,
    context: Context,
) -> Result<(), ComponentError> {
    // What drops a chunk is ending, with an error of its own if it has one. The chunk is read again next time.
    while let Some(marks) = ack_receivers.next().await {
        let Some(state) = &state else { continue };
        let what = "can't commit the position";
        Retry::new(&context.env, &context.telemetry)
            .run(pending(), || async {
                let committed = state.commit(state::commit(&marks)).await;
                committed.map_err(|error| error.classify("commit", what))
            })
            .await
            .map_err(|error| state::unusable(&error))?;
        context.telemetry.add(&metrics::COMMITS, 1);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
