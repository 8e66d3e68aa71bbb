//! Recorded logs from standard input: the end of somebody else's pipe.
//!
//! Lines are passed on as they come, not block by block. Standard input can't be read again, so there is no state: the
//! source promises back-pressure (it reads no further than the sinks can take) and nothing after a crash, and says so
//! in the log. In order, though, it ends only when everything it has read is delivered.

use std::io::Read;
use std::sync::Arc;

use futures::future::{BoxFuture, join};
use tokio::sync::mpsc;

use super::delivery::{Delivery, unless_shutdown};
use super::in_flight::{InFlight, Resolved, in_flight};
use super::recording::{Parser, Position};
use crate::config::{ComponentType, Field, Section};
use crate::topology::{ComponentError, Context, Output, Source};

/// The `stdin` type.
pub static TYPE: ComponentType = ComponentType {
    name: "stdin",
    doc: "Reads NDJSON of raw events or of whole API pages from standard input, and ends with it. Standard input can't \
          be read again: there is back-pressure, but what is under way when the program is killed is lost.",
    fields: FIELDS,
    outputs: &[""],
};

static FIELDS: &[Field] = &[];

/// Lines that have come together are passed on together, up to about this many bytes.
const BLOCK: usize = 256 << 10;
const LONGEST_LINE: usize = 64 << 20;
const READ: usize = 64 << 10;

/// Checked settings.
#[derive(Clone, Debug)]
pub struct Settings {}

impl Settings {
    /// Reads the component's table.
    pub fn read(_section: &mut Section) -> Self {
        Self {}
    }
}

/// Makes the source.
pub fn build(_settings: Settings) -> Box<dyn Source> {
    from(Box::new(std::io::stdin()))
}

/// The source on another input than standard input.
pub fn from(input: Box<dyn Read + Send>) -> Box<dyn Source> {
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
        "standard input can't be read again: what is under way when the program is killed is lost"
    );
    let (in_flight, mut receipts) = in_flight();
    let read = unless_shutdown(context.shutdown.clone(), Box::pin(read_all(input, context, output, in_flight)));
    let deliver = async move { while let Resolved::Delivered(_) = receipts.next().await {} };
    let (read, ()) = join(read, deliver).await;
    read
}

async fn read_all(
    input: Box<dyn Read + Send>,
    context: Context,
    output: Output,
    in_flight: InFlight<()>,
) -> Result<(), ComponentError> {
    let origin: (Arc<str>, u64) = (context.name.clone(), context.handles.random.next_u64());
    let mut delivery = Delivery::new(&context, output, in_flight, origin, 0).await?;
    let mut parser = Parser::new(context.handles.clock.clone(), context.telemetry.clone());
    let mut parts = read_in_thread(input)?;
    let (mut text, mut offset, mut searched) = (Vec::new(), 0, 0);
    loop {
        let part = parts.recv().await;
        let ended = part.is_none();
        match part {
            Some(Ok(bytes)) => text.extend(bytes),
            Some(Err(error)) => {
                return Err(ComponentError::new(format!("standard input can't be read: {error}")));
            }
            None => {}
        }
        while text.len() < BLOCK
            && let Ok(Ok(bytes)) = parts.try_recv()
        {
            text.extend(bytes);
        }
        let lines = match memchr::memrchr(b'\n', &text[searched..]) {
            _ if ended => text.len(),
            Some(last) => searched + last + 1,
            None => 0,
        };
        if lines > 0 {
            let rest = text.split_off(lines);
            let parsed = parser.parse(std::mem::replace(&mut text, rest), offset, Position::default());
            offset = parsed.end.offset;
            if delivery.send(parsed, |_, _| ()).await.is_err() {
                return Ok(());
            }
        }
        if ended {
            return Ok(());
        }
        searched = text.len();
        if text.len() > LONGEST_LINE {
            let message = format!("the line at byte {offset} of standard input is longer than {} MiB", LONGEST_LINE >> 20);
            return Err(ComponentError::new(message).hint("each line must hold one event or one page of the API"));
        }
    }
}

/// A thread of its own, because a read of a terminal or a quiet pipe can't be called back: one of the runtime's threads
/// would hold up the end of the program until somebody types a line. The channel is the back-pressure.
fn read_in_thread(mut input: Box<dyn Read + Send>) -> Result<mpsc::Receiver<std::io::Result<Vec<u8>>>, ComponentError> {
    let (sender, receiver) = mpsc::channel(4);
    let read = move || {
        loop {
            let mut bytes = vec![0; READ];
            let part = match input.read(&mut bytes) {
                Ok(0) => return,
                Ok(length) => {
                    bytes.truncate(length);
                    Ok(bytes)
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
            let failed = part.is_err();
            if sender.blocking_send(part).is_err() || failed {
                return;
            }
        }
    };
    std::thread::Builder::new()
        .name("stdin".to_owned())
        .spawn(read)
        .map_err(|error| ComponentError::new(format!("can't start a thread for standard input: {error}")))?;
    Ok(receiver)
}
