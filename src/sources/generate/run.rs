//! Makes the events, at the rate that is asked for.

use futures::future::BoxFuture;

use super::Settings;
use crate::component::{ComponentError, Context, Output, Source};
use crate::sources::delivery::{Delivery, read_and_deliver};
use crate::sources::in_flight::InFlight;
use crate::sources::recording::{Parser, Position};
use nordpass_simulator::generator::{Generator, Options};

/// A chunk is closed at this size.
const CHUNK_BYTES: usize = 256 << 10;

impl Source for Settings {
    fn run(self: Box<Self>, context: Context, output: Output) -> BoxFuture<'static, Result<(), ComponentError>> {
        let shutdown = context.shutdown.clone();
        let generating = |in_flight| Box::pin(generate(*self, context, output, in_flight)) as BoxFuture<'static, _>;
        Box::pin(read_and_deliver(shutdown, generating, |_| {}))
    }
}

async fn generate(
    settings: Settings,
    context: Context,
    output: Output,
    in_flight: InFlight<()>,
) -> Result<(), ComponentError> {
    let origin = (context.name.clone(), context.env.random.next_u64());
    let mut delivery = Delivery::new(&context, output, in_flight, origin, settings.rate).await?;
    let mut parser = Parser::new(context.env.clock.clone(), context.telemetry);
    let mut generator = Generator::new(settings.seed, Options::default());
    let (mut left, mut offset) = (settings.count.unwrap_or(u64::MAX), 0);
    while left > 0 {
        let mut text = String::with_capacity(CHUNK_BYTES + 4096);
        for _ in 0..delivery.events_at_once() {
            generator.append(&mut text, context.env.clock.now_seconds());
            text.push('\n');
            left -= 1;
            if left == 0 || text.len() >= CHUNK_BYTES {
                break;
            }
        }
        let parsed = parser.parse(text.into_bytes(), offset, Position::default());
        offset = parsed.end.offset;
        if delivery.send(parsed, |_| ()).await.is_err() {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
