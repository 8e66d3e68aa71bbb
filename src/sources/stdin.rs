//! Recorded logs from standard input: the end of a pipe.
//!
//! Lines are passed on as they come, not block by block. Standard input can't be read again, so there is no state: the
//! source promises back-pressure (it reads no further than the sinks can take) but nothing after a crash, and logs that.
//! Without a crash, it ends only when everything it has read is delivered.

use crate::telemetry::Telemetry;
use std::io::Read;
use std::sync::Arc;

use futures::future::BoxFuture;
use tokio::sync::mpsc;

use super::delivery::{Delivery, read_and_deliver};
use super::file::{format, unpack::Unpacker};
use super::in_flight::InFlight;
use super::recording::{LONGEST_LINE, Parser, Position};
use crate::component::{
    ComponentError, ComponentType, Context, Output, Outputs, ReadSettings, Records, STANDARD_INPUT, Source,
    SourceSettings,
};

/// The `stdin` type.
pub static TYPE: ComponentType = ComponentType {
    name: "stdin",
    doc: "Reads NDJSON of raw events or whole API pages from standard input, plain, gzip or zstd, in \
      UTF-8 or UTF-16, and ends with it. Standard input can't be read again: it gets \
      back-pressure, but events in flight when the program is killed are lost.",
    fields: &[],
    outputs: Outputs::ONE,
    records: Records::Events,
    read: ReadSettings::Source(|_| Arc::new(Settings)),
};

/// Lines that have come together are passed on together, up to about this many bytes.
const BLOCK: usize = 256 << 10;
const READ: usize = 64 << 10;

/// Checked settings: there are none.
#[derive(Debug)]
pub struct Settings;

impl SourceSettings for Settings {
    fn build(&self, _: &Telemetry) -> Box<dyn Source> {
        from(Box::new(std::io::stdin()))
    }

    fn exclusive_resource(&self) -> Option<String> {
        Some(STANDARD_INPUT.into())
    }
}

/// The source on any input.
fn from(input: Box<dyn Read + Send>) -> Box<dyn Source> {
    Box::new(Stdin { input })
}

struct Stdin {
    input: Box<dyn Read + Send>,
}

impl Source for Stdin {
    fn run(self: Box<Self>, context: Context, output: Output) -> BoxFuture<'static, Result<(), ComponentError>> {
        Box::pin(run(self.input, context, output))
    }
}

async fn run(input: Box<dyn Read + Send>, context: Context, output: Output) -> Result<(), ComponentError> {
    tracing::info!(
        component = &*context.name,
        "standard input can't be read again: events in flight when the program is killed are lost"
    );
    let shutdown = context.shutdown.clone();
    read_and_deliver(shutdown, |in_flight| Box::pin(read_all(input, context, output, in_flight)), |_| {}).await
}

async fn read_all(
    input: Box<dyn Read + Send>,
    context: Context,
    output: Output,
    in_flight: InFlight<()>,
) -> Result<(), ComponentError> {
    let origin: (Arc<str>, u64) = (context.name.clone(), context.env.random.next_u64());
    let mut delivery = Delivery::new(&context, output, in_flight, origin, 0).await?;
    let mut parser = Parser::new(context.env.clock.clone(), context.telemetry.clone());
    let mut parts = read_in_thread(input)?;
    let (mut text, mut offset, mut searched) = (Vec::new(), 0, 0);
    loop {
        // What has come by now is passed on together.
        let mut part = parts.recv().await;
        let ended = loop {
            match part {
                Some(Ok(bytes)) => text.extend(bytes),
                Some(Err(error)) => break Some(Err(error)),
                None => break Some(Ok(())),
            }
            if text.len() >= BLOCK {
                break None;
            }
            part = match parts.try_recv() {
                Ok(part) => Some(part),
                Err(mpsc::error::TryRecvError::Disconnected) => None,
                Err(mpsc::error::TryRecvError::Empty) => break None,
            };
        };
        let lines = match memchr::memrchr(b'\n', &text[searched..]) {
            _ if matches!(ended, Some(Ok(()))) => text.len(),
            Some(last) => searched + last + 1,
            None => 0,
        };
        if lines > 0 {
            let rest = text.split_off(lines);
            if offset == 0 {
                format::check("standard input", &text)?;
            }
            let parsed = parser.parse(std::mem::replace(&mut text, rest), offset, Position::default());
            offset = parsed.end.offset;
            if delivery.send(parsed, |_| ()).await.is_err() {
                return Ok(());
            }
        }
        if let Some(result) = ended {
            return result.map_err(|error| ComponentError::new(format!("can't read standard input: {error}")));
        }
        searched = text.len();
        if text.len() > LONGEST_LINE {
            let message =
                format!("the line at byte {offset} of standard input is longer than {} MiB", LONGEST_LINE >> 20);
            return Err(ComponentError::new(message).hint("each line must contain one event or one API page"));
        }
    }
}

/// A thread of its own, because a read of a terminal or a quiet pipe can't be called back: one of the runtime's threads
/// would hold up the end of the program until a line is typed. The channel is the back-pressure. What comes out is
/// unpacked.
fn read_in_thread(mut input: Box<dyn Read + Send>) -> Result<mpsc::Receiver<std::io::Result<Vec<u8>>>, ComponentError> {
    let (sender, receiver) = mpsc::channel(4);
    let read = move || {
        let (mut unpacker, mut bytes) = (Unpacker::default(), vec![0; READ]);
        loop {
            let length = match input.read(&mut bytes) {
                Ok(length) => length,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return drop(sender.blocking_send(Err(error))),
            };
            let mut used = 0;
            loop {
                let mut text = Vec::new();
                let unpacked = match length {
                    0 => unpacker.finish(&mut text),
                    _ => unpacker.unpack(&bytes[used..length], &mut text, READ).map(|step| used += step),
                };
                if !text.is_empty() && sender.blocking_send(Ok(text)).is_err() {
                    return;
                }
                if let Err(error) = unpacked {
                    return drop(sender.blocking_send(Err(error)));
                }
                if length == 0 {
                    return;
                }
                if used == length && !unpacker.has_more() {
                    break;
                }
            }
        }
    };
    std::thread::Builder::new()
        .name("stdin".to_owned())
        .spawn(read)
        .map_err(|error| ComponentError::new(format!("can't start a thread for standard input: {error}")))?;
    Ok(receiver)
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::component::Input;
    use crate::state::MemoryStore;
    use crate::telemetry::{ComponentKind, Telemetry};
    use nordpass_env::{Env, MemoryDisk, SeededRandom, TestClock};

    /// Gives its parts one by one, each when the test says so; then ends.
    struct Parts(std::sync::mpsc::Receiver<Vec<u8>>);

    impl Read for Parts {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let Ok(part) = self.0.recv() else { return Ok(0) };
            buffer[..part.len()].copy_from_slice(&part);
            Ok(part.len())
        }
    }

    type Task = tokio::task::JoinHandle<Result<(), ComponentError>>;

    fn start(input: Box<dyn Read + Send>) -> (Task, Input, CancellationToken) {
        let signal = CancellationToken::new();
        let shutdown = signal.clone();
        let telemetry = Telemetry::new().component(ComponentKind::Source, "pipe");
        let (sender, receiving) = Input::new();
        let context = Context {
            name: "pipe".into(),
            env: Env {
                clock: Arc::new(TestClock::starting_at("2025-01-30T16:39:46Z".parse().unwrap())),
                random: Arc::new(SeededRandom::new(1)),
                disk: Arc::new(MemoryDisk::new()),
                network: Arc::new(crate::http::SystemNetwork::default()),
            },
            telemetry: telemetry.clone(),
            data_dir: "data".into(),
            store: Arc::new(MemoryStore::new()),
            dead_letters: Arc::new(crate::dead_letters::DeadLetterFolder::new(
                Arc::new(MemoryDisk::new()),
                "data".as_ref(),
            )),
            shutdown,
            once: false,
        };
        (tokio::spawn(from(input).run(context, Output::new(vec![sender], telemetry))), receiving, signal)
    }

    #[tokio::test]
    async fn lines_come_as_they_are_written() {
        let (write, read) = std::sync::mpsc::channel();
        let (task, mut input, _signal) = start(Box::new(Parts(read)));
        write.send(b"{\"a\":1}\n{\"b\"".to_vec()).unwrap();
        let (_, first) = input.receive().await.unwrap();
        assert_eq!(first.body(&first.records[0]), r#"{"a":1}"#);
        write.send(b":\"\xff\"}\n{\"data\":[{\"c\":3},{\"c\":3}]}\n{\"d\":4}".to_vec()).unwrap();
        let (_, second) = input.receive().await.unwrap();
        let bodies: Vec<&str> = second.records.iter().map(|record| second.body(record)).collect();
        assert_eq!(bodies, ["{\"b\":\"\u{fffd}\"}", r#"{"c":3}"#, r#"{"c":3}"#]);
        assert_ne!(second.records[1].id, second.records[2].id);
        drop(write);
        let (_, last) = input.receive().await.unwrap();
        assert_eq!(last.body(&last.records[0]), r#"{"d":4}"#);
        assert!(input.receive().await.is_none());
        first.ack.done();
        last.ack.done();
        tokio::task::yield_now().await;
        assert!(!task.is_finished(), "one chunk isn't delivered yet");
        second.ack.done();
        task.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_shutdown_does_not_wait_for_more_input() {
        let (write, read) = std::sync::mpsc::channel();
        let (task, mut input, signal) = start(Box::new(Parts(read)));
        signal.cancel();
        assert!(input.receive().await.is_none());
        task.await.unwrap().unwrap();
        drop(write);
    }

    #[tokio::test]
    async fn packed_input_is_unpacked_and_what_is_no_recording_is_refused() {
        let lines = b"{\"a\":1}\n{\"b\":2}\n";
        let utf16: Vec<u8> = lines.iter().flat_map(|&byte| [byte, 0]).collect();
        for content in [zstd::encode_all(&lines[..], 1).unwrap(), utf16] {
            let (task, mut input, _signal) = start(Box::new(std::io::Cursor::new(content)));
            let (_, chunk) = input.receive().await.unwrap();
            assert_eq!(chunk.records.len(), 2);
            chunk.ack.done();
            task.await.unwrap().unwrap();
        }
        let (task, _input, _signal) = start(Box::new(&b"[{\"a\":1},\n{\"b\":2}]\n"[..]));
        let error = task.await.unwrap().unwrap_err();
        assert!(error.message.starts_with("standard input doesn't hold one event"), "{}", error.message);
    }

    #[tokio::test]
    async fn a_long_line() {
        let line = format!("{{\"a\":\"{}\"}}", "x".repeat(20 << 20));
        let (task, mut input, _signal) = start(Box::new(std::io::Cursor::new(line.clone().into_bytes())));
        let (_, chunk) = input.receive().await.unwrap();
        assert!(chunk.body(&chunk.records[0]) == line);
        chunk.ack.done();
        task.await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn an_error_ends_it_after_what_came_before() {
        struct Failing;
        impl Read for Failing {
            fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::ConnectionReset.into())
            }
        }
        let (task, mut input, _signal) = start(Box::new(b"{\"a\":1}\n".chain(Failing)));
        let (_, chunk) = input.receive().await.unwrap();
        chunk.ack.done();
        assert!(task.await.unwrap().unwrap_err().message.contains("can't read"));
    }
}
