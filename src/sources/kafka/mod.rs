//! The Kafka source: reads topics as a member of a consumer group.
//!
//! | file | what it does |
//! |---|---|
//! | [`settings`] | its fields in the pipeline file |
//! | [`partitions`], [`assigned`] | what is read, passed on, delivered and committed of each assigned partition |
//! | [`member`] | the group: assignments, drains at a revoke, commits |
//! | [`position`] | where a partition is read from, and what is missing before that |
//! | [`polling`] | reads, pauses and resumes |
//! | [`passing`] | passes batches on, and waits for their acknowledgements |
//! | [`records`] | from records to events |
//!
//! Polls go on while sinks are slow, so the group never takes a partition away for that. A source that lost a part of what it passed
//! on begins anew from its committed offsets.

mod assigned;
mod member;
mod partitions;
mod passing;
mod polling;
mod position;
mod records;
mod settings;
#[cfg(test)]
mod tests;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

pub use settings::{Settings, TYPE};

use self::member::{Listener, Member};
use self::passing::{Acknowledgements, Passing};
use self::polling::Polling;
use crate::component::{ComponentError, Context, Output, Source, SourceSettings};
use crate::http::{Again, Failure, Retry};
use crate::telemetry::Telemetry;
use nordpass_env::Env;
use nordpass_env::kafka::{Broker, Consumer};

/// How long leaving the group may take.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(5);

impl SourceSettings for Settings {
    fn build(&self, _: &Telemetry) -> Box<dyn Source> {
        Box::new(self.clone())
    }

    /// The offsets are the broker's.
    fn can_go_back(&self) -> bool {
        true
    }

    fn probe<'a>(&'a self, env: &'a Env) -> BoxFuture<'a, Result<String, String>> {
        Box::pin(async move {
            let broker = crate::kafka::connect(&self.connection, env)?;
            probe(self, &*broker).await
        })
    }
}

/// Connects, and looks for the topics. Joins no group: that would take partitions from its members.
async fn probe(settings: &Settings, broker: &dyn Broker) -> Result<String, String> {
    let mut found = Vec::new();
    for topic in &settings.consumer.topics {
        let partitions = broker.partitions(topic).await.map_err(|error| format!("{topic}: {error}"))?;
        found.push(format!("{topic} has {} partitions", partitions.len()));
    }
    Ok(format!("{}; whether it may read them with its group shows only when it joins", found.join(", ")))
}

impl Source for Settings {
    fn run(self: Box<Self>, context: Context, output: Output) -> BoxFuture<'static, Result<(), ComponentError>> {
        Box::pin(async move {
            let broker = crate::kafka::connect(&self.connection, &context.env)
                .map_err(|reason| ComponentError::new(reason).hint("see the source's tls and sasl tables"))?;
            run(*self, broker, context, output).await
        })
    }
}

/// Reads until the program ends or, with `once`, everything is read.
async fn run(
    settings: Settings,
    broker: Arc<dyn Broker>,
    context: Context,
    output: Output,
) -> Result<(), ComponentError> {
    let member = Arc::new(Member::new(&settings, &context));
    let Some(consumer) = join(&settings, &*broker, &member, &context).await else { return Ok(()) };
    member.set_consumer(&consumer);
    let (passing, acknowledgements) = Passing::new(&context, output, member.clone()).await?;
    let result = read(&settings, &context, &member, passing, acknowledgements).await;
    consumer.close(LEAVE_TIMEOUT + settings.drain_timeout()).await;
    result
}

/// Starts a consumer, however long that takes. `None`: the program ends.
async fn join(
    settings: &Settings,
    broker: &dyn Broker,
    member: &Arc<Member>,
    context: &Context,
) -> Option<Arc<dyn Consumer>> {
    let listener = Arc::new(Listener(member.clone()));
    let topics = settings.consumer.topics.join(", ");
    let attempt = || async {
        let consumer = broker.consumer(settings.consumer.clone(), listener.clone()).await;
        consumer.map_err(|error| Failure::Again(Again::because(error.kind(), format!("can't read {topics}: {error}"))))
    };
    let started = Retry::new(&context.env, &context.telemetry).run(context.shutdown.cancelled(), attempt).await;
    started.ok()
}

/// Reads, passes on and commits until the reading ends; then waits for what was passed on, and commits it.
async fn read(
    settings: &Settings,
    context: &Context,
    member: &Arc<Member>,
    passing: Passing,
    acknowledgements: Acknowledgements,
) -> Result<(), ComponentError> {
    let mut acknowledging = pin!(acknowledgements.run());
    let mut committing = pin!(member.commit_each_second());
    let ended = {
        let polling = Polling::new(settings, context, member.clone());
        let mut polling = pin!(polling.run());
        // It holds the output: dropped with this block, so that the sinks deliver what they hold.
        let mut passing = pin!(passing.run());
        tokio::select! {
            biased;
            () = context.shutdown.cancelled() => Ok(()),
            result = &mut acknowledging => result,
            () = &mut committing => Ok(()),
            result = &mut polling => result,
            () = &mut passing => Ok(()),
        }
    };
    let all = member.partitions.all();
    member.partitions.revoke(&all);
    if ended.is_ok() {
        tokio::select! {
            biased;
            result = &mut acknowledging => result?,
            () = &mut committing => {}
            () = member.partitions.drained(&all) => {}
        }
    }
    member.commit(&all).await;
    // What is still under way after an error isn't waited for when the member leaves.
    member.partitions.remove(&all);
    ended
}
