//! The connector's own health as rows of a table, so Sentinel can alert when the connector stops or can't read.
//!
//! One row for each source and sink, each interval. Nothing waits for these rows: each reader has a loop of its own
//! with at most one round under way, and a slow one misses rounds and then gets the latest state. No state is
//! kept, and a round that was dropped on the way is not repeated: the next one says more.

mod reference;
mod row;
#[cfg(test)]
mod tests;

use std::{path::Path, sync::Arc, time::Duration};

use futures::FutureExt;
use futures::future::{BoxFuture, join_all};
use tokio::time::MissedTickBehavior;

pub use self::reference::reference_page;

use self::row::Reporter;
use crate::component::{Closed, ComponentError, Context, Output, Source};
use crate::component::{ComponentType, Outputs, ReadSettings, Records, SourceSettings};
use crate::event::{AckReceiver, EventId};
use crate::settings::{Field, Kind, Section};
use crate::telemetry::{ComponentKind, ComponentState, Telemetry, metrics};
use nordpass_env::{Env, catalogue};

/// The `health` type.
pub static TYPE: ComponentType = ComponentType {
    name: "health",
    doc: "Reports the health of every source and sink of the set as rows for the table NordPassConnectorHealth_CL: \
      state, reason, lag, counts, tokens. Never delays other components: a slow or unavailable sink misses rounds \
      and then gets the latest state. With `--once` there is one round, after all other sources have ended.",
    fields: FIELDS,
    outputs: Outputs::ONE,
    records: Records::Rows,
    read: ReadSettings::Source(|section| Arc::new(Settings::read(section))),
};

static FIELDS: &[Field] = &[
    Field::with_default("interval", Kind::Duration { min: "1s", max: "1d" }, "60s")
        .doc("How often to write a row for each component."),
    Field::optional("instance", Kind::Text).doc(
        "Value of the column Instance, which distinguishes connectors. Defaults to the host's name and a hash of \
         `data_dir`.",
    ),
];

/// How often `--once` looks whether the other sources have ended.
const LOOK: Duration = Duration::from_millis(200);

/// Where Linux keeps the host's name.
const HOST_NAME: &str = "/proc/sys/kernel/hostname";

/// Checked settings.
#[derive(Clone, Debug)]
pub struct Settings {
    interval: Duration,
    instance: Option<String>,
}

impl Settings {
    /// Reads the component's table.
    pub fn read(section: &mut Section) -> Self {
        Self { interval: section.duration("interval"), instance: section.optional_text("instance") }
    }
}

impl SourceSettings for Settings {
    fn build(&self, telemetry: &Telemetry) -> Box<dyn Source> {
        Box::new(Health { settings: self.clone(), everybody: telemetry.clone() })
    }

    /// What is dropped is out of date anyway.
    fn can_go_back(&self) -> bool {
        true
    }

    fn columns(&self) -> Vec<&'static str> {
        catalogue::columns(catalogue::HEALTH_TABLE).iter().map(|(name, _)| *name).collect()
    }
}

struct Health {
    settings: Settings,
    everybody: Telemetry,
}

impl Source for Health {
    fn run(self: Box<Self>, context: Context, output: Output) -> BoxFuture<'static, Result<(), ComponentError>> {
        Box::pin(async move {
            let instance = match self.settings.instance {
                Some(instance) => instance,
                None => instance(&context.env, &context.data_dir).await,
            };
            context.telemetry.status().working();
            let reporter = Reporter::new(self.everybody, &context, instance);
            loop {
                let replaced = output.replaced();
                let loops = output.split().into_iter().map(|output| async {
                    let ended = if context.once {
                        once(output, &reporter, &context).await
                    } else {
                        forever(output, &reporter, &context, self.settings.interval).await
                    };
                    // A reader that has ended needs no reports.
                    let _ = ended;
                });
                tokio::select! {
                    biased;
                    () = replaced => {}
                    _ = join_all(loops) => return Ok(()),
                }
            }
        })
    }
}

/// A round each interval until the end, to one reader. A reader that is slow misses rounds.
async fn forever(output: Output, reporter: &Reporter, context: &Context, interval: Duration) -> Result<(), Closed> {
    let mut tick = tokio::time::interval(interval);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut under_way: Option<AckReceiver> = None;
    while !context.shutdown.is_cancelled() {
        let round = async {
            tick.tick().await;
            // The rows are made when the reader can take them, so they are up to date.
            output.room().await?;
            let (chunk, ack_receiver) = reporter.round();
            context.telemetry.add(&metrics::RECEIVED, chunk.records.len() as u64);
            let ack_receiver = under_way.insert(ack_receiver);
            output.send(chunk).await?;
            // Delivered or dropped: either way the next one may go.
            ack_receiver.await;
            under_way = None;
            Ok(())
        };
        tokio::select! {
            biased;
            () = context.shutdown.cancelled() => break,
            result = round => result?,
        }
    }
    // A last round, if the reader can take it at once.
    let free = under_way.is_none_or(|mut ack_receiver| (&mut ack_receiver).now_or_never().is_some());
    if free && matches!(output.room().now_or_never(), Some(Ok(()))) {
        let _ = output.send(reporter.round().0).now_or_never();
    }
    Ok(())
}

/// One round when the other sources have ended.
async fn once(output: Output, reporter: &Reporter, context: &Context) -> Result<(), Closed> {
    let ended = async {
        while reporter.others().any(|state| !matches!(state, ComponentState::Finished | ComponentState::Failed { .. }))
        {
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::select! {
        () = context.shutdown.cancelled() => {}
        () = ended => {}
    }
    let (chunk, _) = reporter.round();
    context.telemetry.add(&metrics::RECEIVED, chunk.records.len() as u64);
    output.send(chunk).await
}

/// The host's name and a hash of the state's folder: two connectors on one host have two folders, and two containers
/// with one path have two names.
async fn instance(env: &Env, data_dir: &Path) -> String {
    let folder = std::path::absolute(data_dir).unwrap_or_else(|_| data_dir.to_owned());
    let hash = EventId::of_bytes(folder.as_os_str().as_encoded_bytes()).to_string();
    let host = env.disk.read(Path::new(HOST_NAME)).await.ok().and_then(|name| String::from_utf8(name).ok());
    match host.as_deref().map(str::trim).filter(|name| !name.is_empty()) {
        Some(host) => format!("{host}-{}", &hash[..8]),
        None => hash[..8].to_owned(),
    }
}

impl Reporter {
    /// The states of the sources that give events.
    fn others(&self) -> impl Iterator<Item = ComponentState> {
        let others = self.everybody.components().into_iter();
        let others = others.filter(|component| component.kind() == ComponentKind::Source);
        others
            .filter(|source| source.numbers().lately().type_name != Some(TYPE.name))
            .map(|source| source.status().get())
    }
}
