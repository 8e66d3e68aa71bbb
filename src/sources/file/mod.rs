//! Recorded logs from files: to replay them, to load history, to test rules.
//!
//! Files are read in blocks of whole lines, one chunk a block, with bounded memory whatever the compression. The
//! position moves as chunks are acknowledged, in order, so that a restart goes on exactly where delivery ended; that
//! also makes `file` sinks behind it exactly once. With `loop` there is no position: it is for load tests.
//!
//! A file is what its bytes are, not what its name is. How it is packed is seen from its content ([`unpack`]). It is gone
//! on with if it begins with what was read, also under another name when the old one no longer has it; a file that was
//! replaced is read whole ([`resume`]). It is read up to the size that it had when it was opened, so that whoever reads
//! what he writes comes to an end. Half a last line waits for the next start. One file's trouble is its own: the others
//! are read, then the source ends with the error.

pub(crate) mod az;
pub(crate) mod blobs;
mod charset;
mod decode;
mod fingerprint;
pub(super) mod format;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
pub(crate) mod locations;
pub(super) mod paths;
pub(super) mod reader;
mod reading;
mod resume;
mod state;
pub(super) mod unpack;

use std::{future::pending, sync::Arc};

use futures::future::{BoxFuture, join};

use self::az::AzPath;
use self::blobs::BlobSettings;
use self::locations::Locations;
use self::reading::Reading;
use self::state::{Mark, State};
use super::delivery::{Delivery, unless_shutdown};
use super::in_flight::{Acknowledgements, in_flight};
use super::recording::Parser;
use crate::component::{ComponentError, Context, Output, Source};
use crate::component::{ComponentType, Outputs, ReadSettings, Records, SourceSettings};
use crate::component::{LeaseGuard, SourceState};
use crate::http::Retry;
use crate::settings::{Field, Kind, Section};
use crate::telemetry::{Telemetry, metrics};

/// The `file` type.
pub static TYPE: ComponentType = ComponentType {
    name: "file",
    doc: "Reads recorded logs: NDJSON of raw events or whole API pages (`{\"data\":[…],\"metadata\":{…}}`), one per \
      line, plain, gzip or zstd, in UTF-8 or UTF-16. Ends when all files are read and delivered; a restart continues \
      where delivery ended, also after a rotation. A replaced file is read from its beginning. Half a last line \
      waits for the next start. Other lines that aren't JSON objects become dead letters.",
    fields: FIELDS,
    outputs: Outputs::ONE,
    records: Records::Events,
    read: ReadSettings::Source(|section| Arc::new(Settings::read(section))),
};

static FIELDS: &[Field] = &[
    Field::required("paths", Kind::List).doc(
        "The files, relative to the working directory. `*`, `?`, `[…]` and `**` (any folders) are allowed. Files \
         are read in the order of their names, links too, each file once and up to the size that it has then. They \
         must not be files that a sink of the same set writes. `az://ACCOUNT/CONTAINER/PATTERN` are blobs; without a \
         pattern all below this name.",
    ),
    Field::with_default("rate", Kind::Integer { min: 0, max: 10_000_000 }, "0")
        .doc("Maximum events per second; 0 means as fast as the sinks accept them."),
    Field::with_default("loop", Kind::Flag, "false")
        .doc("Start over after the last file, forever, without keeping a position. Each round has the same event ids."),
    blobs::CREDENTIAL,
    blobs::ENDPOINT,
    blobs::HTTP[0],
    blobs::HTTP[1],
    blobs::HTTP[2],
];

/// Checked settings.
#[derive(Clone, Debug)]
pub struct Settings {
    patterns: Vec<String>,
    rate: u64,
    repeat: bool,
    /// How blobs are reached, where any are read.
    blobs: Option<BlobSettings>,
    /// Patterns of all that may be read.
    reads: Vec<String>,
}

impl Settings {
    /// Reads the component's table.
    pub fn read(section: &mut Section) -> Self {
        let patterns = section.list("paths");
        if patterns.is_empty() && section.has("paths") {
            section.error("paths", "no file is listed", "for example paths = [\"recordings/*.ndjson.gz\"]");
        }
        let (remote, local): (Vec<_>, Vec<_>) = patterns.iter().partition(|pattern| az::is_az(pattern));
        for problem in local.into_iter().filter_map(|pattern| paths::problem(pattern)) {
            section.error("paths", problem, "[ begins a set of characters; write [[] for the character itself");
        }
        let (mut reads, mut blobs) = (patterns.clone(), Vec::new());
        for pattern in remote {
            match AzPath::parse(pattern) {
                Ok(path) => {
                    reads.push(path.folder());
                    blobs.push(path);
                }
                Err(problem) => section.error("paths", problem, "for example az://ACCOUNT/CONTAINER/2026-01-*/**/*.gz"),
            }
        }
        let blobs = BlobSettings::read(section, &blobs);
        let (rate, repeat) = (section.integer("rate").try_into().unwrap_or(0), section.flag("loop"));
        Self { patterns, rate, repeat, blobs, reads }
    }
}

impl SourceSettings for Settings {
    fn build(&self, _: &Telemetry) -> Box<dyn Source> {
        Box::new(self.clone())
    }

    fn state_endpoint(&self) -> Option<String> {
        (!self.repeat).then(|| self.patterns.join("\n"))
    }

    fn reads(&self) -> &[String] {
        &self.reads
    }
}

impl Source for Settings {
    fn run(self: Box<Self>, context: Context, output: Output) -> BoxFuture<'static, Result<(), ComponentError>> {
        Box::pin(run(*self, context, output))
    }
}

async fn run(settings: Settings, context: Context, output: Output) -> Result<(), ComponentError> {
    let locations = Locations::new(settings.blobs.as_ref(), &context.env, Some(&context.telemetry));
    let found = tokio::select! {
        biased;
        found = locations.expand(&settings.patterns) => found,
        () = context.shutdown.cancelled() => return Ok(()),
    };
    let files = found.map_err(|error| locations::cant_look(&settings.patterns, &error))?;
    if files.is_empty() {
        let hint = match &settings.blobs {
            None => "paths are relative to the working directory",
            Some(_) => "names of blobs are case-sensitive, and `*` doesn't go beyond a `/`: `**` does",
        };
        return Err(ComponentError::new(format!("no file matches {}", settings.patterns.join(", "))).hint(hint));
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
    let parser = Parser::new(context.env.clock.clone(), context.telemetry.clone());
    let reading = Reading::new(context.clone(), parser, delivery, state, (locations, files));
    let read = unless_shutdown(context.shutdown.clone(), Box::pin(reading.all(settings.repeat)));
    tokio::select! {
        biased;
        () = lease_guard.lost() => {
            let error = ComponentError::new("another process has taken over this source and reads its files");
            Err(error.hint("only one process reads the files; restart this one to continue with them"))
        }
        (read, committed) = join(read, commit_all(ack_receivers, committer, context)) => committed.and(read),
    }
}

/// Commits what is delivered, in order, until everything is resolved or something was dropped on the way.
async fn commit_all(
    mut ack_receivers: Acknowledgements<Mark>,
    state: Option<Arc<dyn SourceState>>,
    context: Context,
) -> Result<(), ComponentError> {
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
    if ack_receivers.is_abandoned() && state.is_some() && !context.shutdown.is_cancelled() {
        let message = "part of the pipeline dropped undelivered events";
        return Err(ComponentError::new(message).hint("nothing is lost: they are read again").begins_anew());
    }
    Ok(())
}

#[cfg(test)]
mod tests;
