//! Nowhere: takes everything, keeps nothing, counts.

use futures::future::BoxFuture;
use std::sync::Arc;

use crate::component::{
    ComponentError, ComponentType, Context, Input, Outputs, ReadSettings, Records, Sink, SinkSettings,
};
use crate::telemetry::{ComponentReporter, metrics};

/// The `blackhole` type.
pub static TYPE: ComponentType = ComponentType {
    name: "blackhole",
    doc: "Acknowledges and drops every record. Use it for outputs that you don't need, or to measure the rest of a \
      pipeline.",
    fields: &[],
    outputs: Outputs::NONE,
    records: Records::Events,
    read: ReadSettings::Sink(|_, _| Arc::new(Settings)),
};

/// Checked settings: there are none.
#[derive(Debug)]
pub struct Settings;

impl SinkSettings for Settings {
    fn build(&self, context: Context) -> BoxFuture<'static, Result<Box<dyn Sink>, ComponentError>> {
        Box::pin(async { Ok(Box::new(Blackhole { telemetry: context.telemetry }) as Box<dyn Sink>) })
    }
}

struct Blackhole {
    telemetry: ComponentReporter,
}

impl Sink for Blackhole {
    fn run(self: Box<Self>, mut input: Input) -> BoxFuture<'static, Result<(), ComponentError>> {
        Box::pin(async move {
            while let Some((_, chunk)) = input.receive().await {
                let records = chunk.records.len() as u64;
                self.telemetry.set(&metrics::QUEUE_FILL, input.waiting() as f64);
                self.telemetry.add(&metrics::RECEIVED, records);
                self.telemetry.add(&metrics::BYTES_JSON, chunk.bytes() as u64);
                self.telemetry.add(&metrics::SENT, records);
                self.telemetry.status().working();
                chunk.ack.done();
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component::Output;
    use crate::event::AckOutcome;
    use crate::sinks::testing::{chunk, render};
    use crate::telemetry::{ComponentKind, Telemetry};

    #[tokio::test]
    async fn acknowledges_and_counts() {
        let telemetry = Telemetry::new();
        let sink = Box::new(Blackhole { telemetry: telemetry.component(ComponentKind::Sink, "nowhere") });
        let (sender, input) = Input::new();
        let output = Output::new(vec![sender], ComponentReporter::detached());
        let task = tokio::spawn(sink.run(input));
        let (chunk, ack_receiver) = chunk(&[r#"{"a":1}"#, r#"{"b":22}"#]);
        output.send(chunk).await.unwrap();
        assert_eq!(ack_receiver.await, AckOutcome::Delivered);
        drop(output);
        task.await.unwrap().unwrap();
        assert_eq!(render(&telemetry, "sentinel_sent_records_total"), ["2"]);
        assert_eq!(render(&telemetry, "sentinel_json_bytes_total"), ["15"]);
    }
}
