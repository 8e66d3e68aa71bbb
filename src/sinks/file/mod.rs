//! The file sink: writes NDJSON by date and organization, each record exactly once.
//!
//! Appends a chunk's records as units that are complete in themselves (lines, a gzip member, a zstd frame), syncs the
//! files, records the appends in the sink's own segment log, and only then acknowledges the chunk. When the sink opens,
//! it asks the checkpoint which recorded appends are committed, and removes the others from the files: their events are
//! read again. [`recover`] says how, and [`own`] what may be removed at all.
//!
//! On a full disk or any other file-system error the sink waits, with the reason in `/ready`, and loses nothing. But
//! *opening* the sink fails if only a person can fix the cause: nothing has run by then, and the person who starts the
//! program is watching.

pub(in crate::sinks) mod encode;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzz;
mod group;
mod journal;
mod log;
mod own;
mod owner;
mod recover;
mod runs;
mod settings;
pub(in crate::sinks) mod template;
mod writer;

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::path::Path;
use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::sync::Mutex;
use tokio::time::Instant;

use self::group::{Collector, Group};
use self::owner::WriteError;
use self::runs::{Files, Runs, Seen};
use self::settings::FIELDS;
use self::writer::Writer;
use crate::component::{ComponentError, Context, Input, Sink};
use crate::component::{ComponentType, Outputs, ReadSettings, Records, SinkSettings};
use crate::http::{Again, Retry};
use crate::telemetry::{ComponentReporter, metrics};
use nordpass_env::{Disk, Env, FileKind};

pub use self::settings::Settings;

/// The `file` type.
pub static TYPE: ComponentType = ComponentType {
    name: "file",
    doc: "Appends records to files as NDJSON, plain or compressed, by date, hour and organization. Each record is in \
      the files exactly once, even after crashes. If a file is moved away at run time, a new one is started.",
    fields: FIELDS,
    outputs: Outputs::NONE,
    records: Records::Events,
    read: ReadSettings::Sink(|section, _| Arc::new(Settings::read(section))),
};

/// A group is written when it has this many appends, whatever its size.
const MAX_UNITS: usize = 1024;

impl SinkSettings for Settings {
    fn build(&self, context: Context) -> BoxFuture<'static, Result<Box<dyn Sink>, ComponentError>> {
        Box::pin(build(self.clone(), context))
    }

    fn check<'a>(&'a self, env: &'a Env) -> BoxFuture<'a, Result<(), ComponentError>> {
        Box::pin(async {
            check_kind(self, env.disk.as_ref()).await?;
            let root = self.template.root();
            // A path without placeholders is the file itself.
            for path in [Some(root.as_path()), self.template.fixed_path()].into_iter().flatten() {
                env.disk.check_writable(path).await.map_err(|error| {
                    ComponentError::new(format!("can't write {}: {error}", path.display()))
                        .hint("let the user that runs this program write there, or set another path")
                })?;
            }
            Ok(())
        })
    }

    /// The normalized path template. Two sinks with the same one would write to the same files.
    fn exclusive_resource(&self) -> Option<String> {
        Some(self.template.exclusive_resource())
    }

    fn writes(&self) -> Vec<String> {
        self.template.patterns()
    }
}

/// Opens the sink, before any source runs.
pub async fn build(settings: Settings, context: Context) -> Result<Box<dyn Sink>, ComponentError> {
    Ok(Box::new(open(settings, context).await?))
}

async fn open(settings: Settings, context: Context) -> Result<FileSink, ComponentError> {
    let Context { name, env, telemetry, data_dir, store, .. } = context;
    let env = env.private(&data_dir);
    let disk = &env.disk;
    let logs = data_dir.join("sinks");
    let root = settings.template.root();
    check_kind(&settings, disk.as_ref()).await?;
    for (dir, mode) in [(&logs, None), (&root, settings.mode)] {
        owner::make_folders(disk.as_ref(), dir, mode).await.map_err(|error| {
            let hint = match error.source.kind() {
                io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
                    "a file is where the folder should be: move it away, or set another path"
                }
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free space on this disk",
                _ => "let the user that runs this program write there",
            };
            failed(format!("can't create the folder {}: {}", dir.display(), error.source), error.source.kind())
                .hint(hint)
        })?;
        // Parent folders may be new, too. Those that can't be opened existed before.
        for dir in dir.ancestors().skip(1) {
            let _ = disk.sync_dir(if dir.as_os_str().is_empty() { Path::new(".") } else { dir }).await;
        }
    }
    let files = ["log", "journal"].map(|ending| logs.join(format!("{name}.{ending}")));
    let files = Files { settings: settings.clone(), disk: disk.clone(), store, logs: files, root };
    let (writer, runs) = files.open().await?;
    let collector = Collector::new(settings.template.clone(), settings.format, settings.level);
    Ok(FileSink { settings, env, telemetry, files, writer: Some(writer), runs, collector })
}

/// Refuses a path to anything but a regular file: its content couldn't be read back, cut, or known to be durable.
async fn check_kind(settings: &Settings, disk: &dyn Disk) -> Result<(), ComponentError> {
    let Some(path) = settings.template.fixed_path() else { return Ok(()) };
    match disk.kind(path).await {
        Ok(Some(kind)) if kind != FileKind::Regular => {
            let message = format!("{} is {kind}, and records are kept in files", path.display());
            Err(ComponentError::new(message)
                .hint("set another path; for standard output, use a sink of type \"console\""))
        }
        _ => Ok(()),
    }
}

/// Why the sink can't open. Doesn't wait for what only a person can change.
fn failed(message: String, kind: io::ErrorKind) -> ComponentError {
    use std::io::ErrorKind;
    let error = ComponentError::new(message);
    match kind {
        ErrorKind::PermissionDenied
        | ErrorKind::ReadOnlyFilesystem
        | ErrorKind::AlreadyExists
        | ErrorKind::NotADirectory
        | ErrorKind::IsADirectory
        | ErrorKind::InvalidInput
        | ErrorKind::InvalidFilename => error,
        _ => error.curable(),
    }
}

struct FileSink {
    settings: Settings,
    env: Env,
    telemetry: ComponentReporter,
    files: Files,
    /// None only while it is opened again.
    writer: Option<Writer>,
    runs: Runs,
    collector: Collector,
}

impl Sink for FileSink {
    fn run(mut self: Box<Self>, input: Input) -> BoxFuture<'static, Result<(), ComponentError>> {
        Box::pin(async move { self.run_to_end(input).await })
    }
}

impl FileSink {
    async fn run_to_end(&mut self, mut input: Input) -> Result<(), ComponentError> {
        let mut group = Group::default();
        let mut due = Instant::now();
        loop {
            let received = if group.acks.is_empty() {
                input.receive().await
            } else if input.waiting() == 0 && group.is_waited_for() {
                self.flush(std::mem::take(&mut group)).await;
                continue;
            } else {
                let flush_requested = input.flush_requested();
                tokio::select! {
                    biased;
                    () = tokio::time::sleep_until(due) => {
                        self.flush(std::mem::take(&mut group)).await;
                        continue;
                    }
                    received = input.receive() => received,
                    () = flush_requested => continue,
                }
            };
            self.telemetry.set(&metrics::QUEUE_FILL, input.waiting() as f64);
            let Some((_, chunk)) = received else { break };
            match self.runs.see(&chunk.origin) {
                Seen::Known => {}
                // Its source has begun anew, and reads it again.
                Seen::Over => continue,
                Seen::Next => {
                    self.flush(std::mem::take(&mut group)).await;
                    self.open_again().await;
                }
            }
            if group.acks.is_empty() {
                due = Instant::now() + self.settings.timeout;
            }
            self.telemetry.add(&metrics::RECEIVED, chunk.records.len() as u64);
            self.collector.collect(chunk, &mut group).await.map_err(|error| {
                ComponentError::new(format!("can't compress records: {error}"))
                    .hint("this is a bug in the program; nothing is lost, the events are read again")
            })?;
            if group.json_bytes >= self.settings.max_bytes || group.units.len() >= MAX_UNITS {
                self.flush(std::mem::take(&mut group)).await;
            }
        }
        if !group.acks.is_empty() {
            self.flush(group).await;
        }
        Ok(())
    }

    /// A source has begun anew: takes out of the files what it reads again, however long that takes.
    async fn open_again(&mut self) {
        // Its locks go first.
        self.writer = None;
        let attempt = || async {
            self.files.open().await.map_err(|error| {
                let hint = error.hint.map(|hint| format!("; {hint}")).unwrap_or_default();
                Again::because("recover", format!("{}{hint}", error.message)).into()
            })
        };
        let Ok((writer, _)) = Retry::new(&self.env, &self.telemetry).run(pending::<Infallible>(), attempt).await;
        self.writer = Some(writer);
    }

    /// Makes a group durable, however long that takes, and acknowledges it.
    async fn flush(&mut self, group: Group) {
        if group.acks.is_empty() {
            return;
        }
        let Some(writer) = &mut self.writer else { return };
        let writer = Mutex::new(writer);
        let attempt = || async {
            let written = writer.lock().await.write(&group).await;
            written.map_err(|error| Again::because(kind(&error), reason(&error)).into())
        };
        let Ok(()) = Retry::new(&self.env, &self.telemetry).run(pending::<Infallible>(), attempt).await;
        let wire: usize = group.units.iter().map(|unit| unit.bytes.len()).sum();
        self.telemetry.observe(&metrics::BATCH_BYTES, group.json_bytes as f64);
        self.telemetry.observe(&metrics::BATCH_WIRE_BYTES, wire as f64);
        self.telemetry.observe(&metrics::BATCH_ROWS, group.records as f64);
        self.telemetry.add(&metrics::BYTES_JSON, group.json_bytes as u64);
        self.telemetry.add(&metrics::BYTES_WIRE, wire as u64);
        self.telemetry.add(&metrics::SENT, group.records);
        for ack in group.acks {
            ack.done();
        }
    }
}

fn kind(error: &WriteError) -> &'static str {
    use std::io::ErrorKind;
    match error.source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "disk full",
        ErrorKind::PermissionDenied => "no permission",
        ErrorKind::ReadOnlyFilesystem => "read-only",
        ErrorKind::WouldBlock => "locked",
        ErrorKind::InvalidInput => "no file",
        _ => "disk",
    }
}

fn reason(error: &WriteError) -> String {
    let what_to_do = match kind(error) {
        "disk full" => "free some space",
        "read-only" => "check the system's log for why it became read-only, and remount it as writable",
        "no permission" => "let the user that runs this program write there",
        "locked" => return error.to_string(),
        "no file" => "move it away",
        _ => "check the disk",
    };
    format!("{error}; {what_to_do}")
}

#[cfg(test)]
mod tests;
