//! Standard output: one record, one line, for people and for whatever reads a pipe.
//!
//! Acknowledged is what has been flushed into the pipe: whether its reader has read it, nobody can say. A reader that goes
//! before the end (`… | head`) may have left some of it there, so this is a failure: the sink ends, what it didn't write
//! stays unacknowledged, and the runner ends the program in order. What is unacknowledged is kept until that has begun, or
//! a source would take it for events that were dropped on the way.

use std::io::{self, IsTerminal};
use std::pin::Pin;
use std::sync::Arc;

use futures::future::{BoxFuture, ready};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

use super::ndjson;
use crate::component::{
    ComponentError, ComponentType, Context, Input, Outputs, ReadSettings, Records, Sink, SinkSettings,
};
use crate::event::Ack;
use crate::telemetry::terminal::plain_lines;
use crate::telemetry::{ComponentReporter, metrics};

/// The `console` type.
pub static TYPE: ComponentType = ComponentType {
    name: "console",
    doc: "Writes records to standard output as NDJSON. Logs go to standard error, so a pipe carries data only. \
      Records count as delivered once they are written to the pipe: what its reader hasn't read by then is lost if the \
      reader ends. A reader that closes the pipe before the pipeline has ended makes the exit code 1.",
    fields: &[],
    outputs: Outputs::NONE,
    records: Records::Events,
    read: ReadSettings::Sink(|_, _| Arc::new(Settings)),
};

/// Chunks that wait are written together, up to this many bytes.
const WRITE_BYTES: usize = 1 << 20;

/// Checked settings: there are none.
#[derive(Debug)]
pub struct Settings;

impl SinkSettings for Settings {
    fn build(&self, context: Context) -> BoxFuture<'static, Result<Box<dyn Sink>, ComponentError>> {
        let sink = to(Box::pin(tokio::io::stdout()), context.telemetry, context.shutdown);
        let sink = Console { escapes: io::stdout().is_terminal(), ..sink };
        Box::pin(ready(Ok(Box::new(sink) as Box<dyn Sink>)))
    }

    fn remark(&self) -> Option<&'static str> {
        Some(
            "acknowledges what it has written to standard output: what the reader hasn't read when it ends is lost; give it \
             a buffer on disk, or use a `file` sink",
        )
    }
}

/// The sink on another writer than standard output.
fn to(out: Pin<Box<dyn AsyncWrite + Send>>, telemetry: ComponentReporter, shutdown: CancellationToken) -> Console {
    Console { out, escapes: false, telemetry, shutdown }
}

struct Console {
    out: Pin<Box<dyn AsyncWrite + Send>>,
    /// Whether what a terminal would obey is escaped, which leaves the JSON the same.
    escapes: bool,
    telemetry: ComponentReporter,
    shutdown: CancellationToken,
}

impl Sink for Console {
    fn run(mut self: Box<Self>, mut input: Input) -> BoxFuture<'static, Result<(), ComponentError>> {
        Box::pin(async move {
            let mut lines = Vec::new();
            let mut acks: Vec<Ack> = Vec::new();
            while let Some((_, chunk)) = input.receive().await {
                let mut next = Some(chunk);
                let mut records = 0;
                while let Some(chunk) = next {
                    for record in chunk.records.iter() {
                        ndjson::push_line(&mut lines, chunk.body(record));
                    }
                    records += chunk.records.len() as u64;
                    acks.push(chunk.ack);
                    next = if lines.len() < WRITE_BYTES { input.try_receive().map(|(_, chunk)| chunk) } else { None };
                }
                self.telemetry.set(&metrics::QUEUE_FILL, input.waiting() as f64);
                self.telemetry.add(&metrics::RECEIVED, records);
                match self.write(&lines).await {
                    Ok(()) => {}
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                        let shutdown = self.shutdown;
                        tokio::spawn(async move {
                            shutdown.cancelled().await;
                            drop((acks, input));
                        });
                        return Err(ComponentError::new("the reader of standard output closed it before the end").hint(
                            "what it hadn't read of the records before counts as delivered and doesn't come again; use a \
                             `file` sink, or a reader that reads to the end; the rest is read again at the next start",
                        ));
                    }
                    Err(error) => {
                        return Err(ComponentError::new(format!("can't write to standard output: {error}"))
                            .hint("unacknowledged events are read again at the next start"));
                    }
                }
                self.telemetry.status().working();
                self.telemetry.add(&metrics::BYTES_JSON, lines.len() as u64);
                self.telemetry.add(&metrics::BYTES_WIRE, lines.len() as u64);
                self.telemetry.add(&metrics::SENT, records);
                lines.clear();
                acks.drain(..).for_each(Ack::done);
            }
            Ok(())
        })
    }
}

impl Console {
    async fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.escapes {
            self.out.write_all(plain_lines(&String::from_utf8_lossy(lines)).as_bytes()).await?;
        } else {
            self.out.write_all(lines).await?;
        }
        self.out.flush().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component::Output;
    use crate::event::AckOutcome;
    use crate::sinks::testing::chunk;
    use tokio::io::AsyncReadExt;

    #[tokio::test]
    async fn lines_then_acknowledgement() {
        let (write, mut read) = tokio::io::duplex(1 << 16);
        let (sender, input) = Input::new();
        let output = Output::new(vec![sender], ComponentReporter::detached());
        let (first, ack_receiver) = chunk(&[r#"{"a":1}"#, "{\n\"b\":2}"]);
        output.send(first).await.unwrap();
        let (second, later) = chunk(&[r#"{"c":3}"#]);
        output.send(second).await.unwrap();
        drop(output);
        Box::new(to(Box::pin(write), ComponentReporter::detached(), CancellationToken::new()))
            .run(input)
            .await
            .unwrap();
        assert_eq!((ack_receiver.await, later.await), (AckOutcome::Delivered, AckOutcome::Delivered));
        let mut text = String::new();
        read.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "{\"a\":1}\n{ \"b\":2}\n{\"c\":3}\n");
    }

    #[tokio::test]
    async fn a_terminal_gets_nothing_that_it_obeys() {
        let (write, mut read) = tokio::io::duplex(1 << 16);
        let (sender, input) = Input::new();
        let output = Output::new(vec![sender], ComponentReporter::detached());
        let event = "{\"a\":\"\u{9b}31m\u{202e}x\u{7f}\"}";
        let (chunk, _ack_receiver) = chunk(&[event]);
        output.send(chunk).await.unwrap();
        drop(output);
        let sink = to(Box::pin(write), ComponentReporter::detached(), CancellationToken::new());
        Box::new(Console { escapes: true, ..sink }).run(input).await.unwrap();
        let mut text = String::new();
        read.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "{\"a\":\"\\u009b31m\\u202ex\\u007f\"}\n");
        let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(parse(&text), parse(event));
    }

    #[tokio::test]
    async fn waits_while_the_reader_does() {
        let (write, mut read) = tokio::io::duplex(4);
        let (sender, input) = Input::new();
        let output = Output::new(vec![sender], ComponentReporter::detached());
        let task = tokio::spawn(
            Box::new(to(Box::pin(write), ComponentReporter::detached(), CancellationToken::new())).run(input),
        );
        let (chunk, mut ack_receiver) = chunk(&[r#"{"a":123456}"#]);
        output.send(chunk).await.unwrap();
        let mut part = [0; 4];
        read.read_exact(&mut part).await.unwrap();
        tokio::task::yield_now().await;
        assert!(futures::poll!(&mut ack_receiver).is_pending(), "not all of it is written");
        let mut rest = [0; 9];
        read.read_exact(&mut rest).await.unwrap();
        assert_eq!(ack_receiver.await, AckOutcome::Delivered);
        drop(output);
        task.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_reader_that_goes_is_a_failure_and_loses_nothing_unacknowledged() {
        let (write, read) = tokio::io::duplex(1 << 16);
        drop(read);
        let (sender, input) = Input::new();
        let output = Output::new(vec![sender], ComponentReporter::detached());
        let signal = CancellationToken::new();
        let shutdown = signal.clone();
        let task = tokio::spawn(Box::new(to(Box::pin(write), ComponentReporter::detached(), shutdown)).run(input));
        let (first, mut ack_receiver) = chunk(&[r#"{"a":1}"#]);
        output.send(first).await.unwrap();
        let error = task.await.unwrap().unwrap_err();
        assert!(error.message.contains("before the end") && error.hint.is_some(), "{error}");
        tokio::task::yield_now().await;
        assert!(futures::poll!(&mut ack_receiver).is_pending(), "a source would take that for a loss");
        signal.cancel();
        assert_eq!(ack_receiver.await, AckOutcome::Abandoned);
        let (second, _receipt) = chunk(&[r#"{"a":2}"#]);
        assert!(output.send(second).await.is_err(), "the source hears of it");
    }
}
