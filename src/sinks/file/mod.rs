//! Files of NDJSON, by date and organization, each record in them exactly once.
//!
//! A chunk's records are appended as units that are complete in themselves (lines, a gzip member, a zstd frame), the
//! files are synced, what was appended is noted in the sink's own segment log, and only then the chunk is acknowledged.
//! When the sink opens, it asks the checkpoint which of the noted appends are committed, and makes the files hold just
//! these: the events of all others are read again. [`recover`] says how.
//!
//! A full disk or any other error of the file system means waiting, with the reason in `/ready`, never loss. Only
//! *opening* the sink fails on such an error: nothing has run by then, and whoever starts the program is looking.

mod encode;
mod group;
mod log;
mod recover;
mod template;
mod writer;

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::Mutex;
use tokio::time::Instant;

use self::encode::Format;
use self::group::{Collector, Group};
use self::template::{Problem, Template};
use self::writer::{WriteError, Writer};
use crate::component::{ComponentError, Context, Input, Sink};
use crate::component::{ComponentType, ReadSettings, Records, SinkSettings};
use crate::http::{Again, Retry};
use crate::settings::{Field, Kind, Section};
use crate::telemetry::{ComponentReporter, metrics};
use nordpass_env::Env;

/// The `file` type.
pub static TYPE: ComponentType = ComponentType {
    name: "file",
    doc: "Appends records to files as NDJSON, plain or compressed, by date, hour and organization. Each record is in \
      the files exactly once, even after crashes. If a file is moved away at run time, a new one is started.",
    fields: FIELDS,
    outputs: &[],
    records: Records::Events,
    read: ReadSettings::Sink(|section, _| Arc::new(Settings::read(section))),
};

static FIELDS: &[Field] = &[
    Field::required("path", Kind::Text).doc(
        "The file, relative to the working directory. `{date}` and `{hour}` are the record's UTC date and hour; \
         `{organization}` is its organization, made safe for a path. The extension `.gz` or `.zst` enables \
         compression.",
    ),
    Field::optional("max_file_bytes", Kind::Integer { min: 1, max: i64::MAX }).doc(
        "Maximum size of a file in bytes. The next file gets a number: `name.1.ndjson.gz`. A single chunk larger \
         than this still goes into one file.",
    ),
    Field::optional("compression_level", Kind::Integer { min: 0, max: 19 })
        .doc("0 to 9 for `.gz` (default 4), 1 to 19 for `.zst` (default 3)."),
    Field::optional("batch", Kind::Table(BATCH_FIELDS))
        .doc("How much to collect before syncing the files and acknowledging the records."),
];

static BATCH_FIELDS: &[Field] = &[
    Field::with_default("max_bytes", Kind::Integer { min: 1, max: 64 << 20 }, "4000000")
        .doc("JSON bytes, before compression, after which the files are synced."),
    Field::with_default("timeout", Kind::Duration { min: "0s", max: "5m" }, "1s").doc(
        "Maximum time a record waits for the sync. Less frequent syncs reduce disk load and are just as safe, \
         because records are acknowledged only after the sync.",
    ),
];

/// A group is written when it touches this many appends, whatever its size.
const MAX_UNITS: usize = 1024;

/// Checked settings.
#[derive(Clone, Debug)]
pub struct Settings {
    template: Template,
    format: Format,
    level: u32,
    max_file_bytes: Option<u64>,
    max_bytes: usize,
    timeout: Duration,
}

impl Settings {
    /// Reads the component's table.
    pub fn read(section: &mut Section) -> Self {
        let path = section.text("path");
        let max_file_bytes = section.optional_integer("max_file_bytes").and_then(|bytes| u64::try_from(bytes).ok());
        let level = section.optional_integer("compression_level").and_then(|level| u32::try_from(level).ok());
        let mut batch = section.table("batch");
        let max_bytes = usize::try_from(batch.integer("max_bytes")).unwrap_or(usize::MAX);
        let timeout = batch.duration("timeout");
        let format = Format::of(&path);
        let template = Template::parse(&path).unwrap_or_else(|Problem { message, hint }| {
            // An empty path is a missing one, which the section has noted already.
            if section.has("path") {
                section.error("path", message, hint);
            }
            Template::placeholder()
        });
        let (default_level, highest) = format.levels();
        if level.is_some_and(|level| level > highest || (level == 0 && format == Format::Zstd)) {
            let hint = match format {
                Format::Plain => "end the path in .gz or .zst, or remove compression_level".to_owned(),
                Format::Gzip => "gzip supports 0 to 9".to_owned(),
                Format::Zstd => format!("zstd supports 1 to {highest}"),
            };
            section.error("compression_level", "this level doesn't match the path's extension", hint);
        }
        Self { template, format, level: level.unwrap_or(default_level), max_file_bytes, max_bytes, timeout }
    }

    #[cfg(test)]
    pub(crate) fn for_path(path: &str) -> Self {
        let format = Format::of(path);
        Self {
            template: Template::parse(path).expect("a good template"),
            format,
            level: format.levels().0,
            max_file_bytes: None,
            max_bytes: 4_000_000,
            timeout: Duration::from_secs(1),
        }
    }
}

impl SinkSettings for Settings {
    fn build(&self, context: Context) -> BoxFuture<'static, Result<Box<dyn Sink>, ComponentError>> {
        Box::pin(build(self.clone(), context))
    }

    fn check<'a>(&'a self, env: &'a Env) -> BoxFuture<'a, Result<(), ComponentError>> {
        Box::pin(async {
            // A path without placeholders is the file itself.
            for path in [Some(self.template.root()), self.template.fixed_path()].into_iter().flatten() {
                env.disk.check_writable(&path).await.map_err(|error| {
                    ComponentError::new(format!("can't write {}: {error}", path.display()))
                        .hint("let the user that runs this program write there, or set another path")
                })?;
            }
            Ok(())
        })
    }

    /// The path template in one spelling: two sinks with the same one would write to the same files.
    fn exclusive_resource(&self) -> Option<String> {
        Some(self.template.exclusive_resource())
    }

    fn writes(&self) -> Vec<String> {
        self.template.patterns()
    }
}

/// Opens the sink: before any source runs.
pub async fn build(settings: Settings, context: Context) -> Result<Box<dyn Sink>, ComponentError> {
    Ok(Box::new(open(settings, context).await?))
}

async fn open(settings: Settings, context: Context) -> Result<FileSink, ComponentError> {
    let Context { name, env, telemetry, data_dir, store, .. } = context;
    let disk = &env.disk;
    let logs = data_dir.join("sinks");
    let root = settings.template.root();
    for dir in [&logs, &root] {
        disk.create_dir_all(dir).await.map_err(|error| {
            let hint = match error.kind() {
                io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory => {
                    "a file is where the folder should be: move it away, or set another path"
                }
                _ => "let the user that runs this program write there",
            };
            ComponentError::new(format!("can't create the folder {}: {error}", dir.display())).hint(hint)
        })?;
        // Folders above may be new, too. Those that can't be opened were there before us.
        for dir in dir.ancestors().skip(1) {
            let _ = disk.sync_dir(if dir.as_os_str().is_empty() { Path::new(".") } else { dir }).await;
        }
    }
    let log = recover::recover(disk.clone(), logs.join(format!("{name}.log")), store.as_ref()).await?;
    let writer = Writer::new(disk.clone(), store, log, root, settings.max_file_bytes);
    let collector = Collector::new(settings.template.clone(), settings.format, settings.level);
    Ok(FileSink { settings, env, telemetry, writer, collector })
}

struct FileSink {
    settings: Settings,
    env: Env,
    telemetry: ComponentReporter,
    writer: Writer,
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

    /// Makes a group durable, however long it takes, and acknowledges it.
    async fn flush(&mut self, group: Group) {
        let writer = Mutex::new(&mut self.writer);
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
        _ => "disk",
    }
}

fn reason(error: &WriteError) -> String {
    let what_to_do = match kind(error) {
        "disk full" => "free some space",
        "read-only" => "check the system's log for why it became read-only, and remount it as writable",
        "no permission" => "let the user that runs this program write there",
        _ => "check the disk",
    };
    format!("{error}; {what_to_do}")
}

#[cfg(test)]
mod tests;
