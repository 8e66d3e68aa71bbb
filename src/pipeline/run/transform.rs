//! The task of a transform: takes chunks, sends what is made of them, and keeps what the transform refuses.

use std::convert::Infallible;
use std::future::pending;

use crate::component::{ComponentError, Context, DeadLetter, DeadLetterWriter, Input, Output, Refused, Transform};
use crate::event::{Chunk, Record};
use crate::http::{Again, Retry};
use crate::pipeline::TransformConfig;
use crate::telemetry::metrics;

/// What a transform runs with.
pub(super) struct Running {
    pub transform: Box<dyn Transform>,
    pub config: TransformConfig,
    pub input: Input,
    pub outputs: Vec<Output>,
    pub context: Context,
}

impl Running {
    /// Runs to the end of the input.
    pub async fn run(self) -> Result<(), ComponentError> {
        let Self { mut transform, config, mut input, outputs, context } = self;
        let telemetry = &context.telemetry;
        let mut dead_letters = None;
        let mut out = Vec::new();
        telemetry.status().working();
        transform.attach(&context.env);
        while let Some((number, chunk)) = input.receive().await {
            telemetry.set(&metrics::QUEUE_FILL, input.waiting() as f64);
            if transform.is_slow() {
                (transform, out) = aside(transform, chunk, out).await?;
            } else {
                transform.transform(chunk, &mut out);
            }
            let refused = transform.take_refused();
            out.reverse();
            while let Some((own, chunk)) = out.pop() {
                let Some(output) = outputs.get(config.output(number, own)) else { continue };
                if output.send(chunk).await.is_err() {
                    return Ok(());
                }
            }
            if !refused.is_empty() {
                let writer = match &dead_letters {
                    Some(writer) => writer,
                    None => dead_letters.insert(open(&context).await),
                };
                let stream = config.input_addresses.get(number).map(String::as_str).unwrap_or_default();
                keep(refused, stream, writer.as_ref(), &context).await;
            }
        }
        Ok(())
    }
}

/// Handles a chunk on a thread for slow work, so that no other component waits for it.
async fn aside(
    mut transform: Box<dyn Transform>,
    chunk: Chunk,
    mut out: Vec<(usize, Chunk)>,
) -> Result<(Box<dyn Transform>, Vec<(usize, Chunk)>), ComponentError> {
    let work = tokio::task::spawn_blocking(move || {
        transform.transform(chunk, &mut out);
        (transform, out)
    });
    work.await.map_err(|_| {
        ComponentError::new("stopped unexpectedly: a bug in this program")
            .hint("please report it with the log; the events in flight are read again at the next start")
    })
}

/// Opens the dead letters, however long that takes.
async fn open(context: &Context) -> Box<dyn DeadLetterWriter> {
    const PART: &str = "dead letters";
    let retry = Retry::part(&context.env, &context.telemetry, PART);
    let attempt = || async {
        let again = |error| Again::because(PART, format!("can't open the dead letters: {error}")).into();
        context.dead_letters.open(&context.name).await.map_err(again)
    };
    let Ok(writer) = retry.run(pending::<Infallible>(), attempt).await;
    writer
}

/// Makes the records durable as dead letters, and acknowledges them. `stream` is the input that they came by, and that they
/// are sent into again.
async fn keep(refused: Vec<Refused>, stream: &str, writer: &dyn DeadLetterWriter, context: &Context) {
    let time = context.env.clock.now_seconds();
    let letter = |Refused { chunk, reason }: &Refused| {
        let letter = |record: &Record| DeadLetter {
            id: record.id,
            shown_id: chunk.shown_ids.as_ref().map(|shown| shown.of(record.id)),
            organization: chunk.organization.as_ref().map(|organization| organization.id.clone()),
            stream: Some(stream.to_owned()),
            reason: reason.clone(),
            status: None,
            code: None,
            request_id: None,
            time,
            record: chunk.body(record).to_owned(),
        };
        chunk.records.iter().map(letter).collect::<Vec<_>>()
    };
    let dead_letters: Vec<DeadLetter> = refused.iter().flat_map(letter).collect();
    let new = writer.write(&dead_letters, &context.env, &context.telemetry).await;
    if new > 0 {
        let reason = refused.first().map(|refused| refused.reason.as_str()).unwrap_or_default();
        tracing::warn!(component = &*context.name, records = new, "dead letters of a transform: {reason}");
    }
    for Refused { chunk, .. } in refused {
        chunk.ack.done();
    }
}
