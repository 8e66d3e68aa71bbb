//! Sends single records again, for `dead-letters resend`, with the sink's requests, tokens and waits but no batches.

use std::time::Duration;

use futures::future::BoxFuture;
use tokio::time::Instant;

use super::sender::{Sender, Sent};
use super::{batch::encode, cut::cut, protocol::Refusal, settings::Settings};
use crate::component::{Letter, Resend, ResendOutcome};
use crate::telemetry::{ComponentKind, Telemetry};
use nordpass_env::Env;

/// Creates a resender. Fails with a sentence about invalid settings.
pub fn resender(settings: &Settings, name: &str, env: &Env) -> Result<Box<dyn Resend>, String> {
    let telemetry = Telemetry::new().component(ComponentKind::Sink, name);
    let sender = Sender::new(settings, env, &telemetry)?;
    Ok(Box::new(Resender { sender, gzip_level: settings.gzip_level }))
}

struct Resender {
    sender: Sender,
    gzip_level: u32,
}

impl Resend for Resender {
    fn request_id(&self) -> String {
        self.sender.request_id()
    }

    fn resend<'a>(
        &'a self,
        Letter { stream, record, .. }: Letter<'a>,
        request_id: &'a str,
        patience: Duration,
    ) -> BoxFuture<'a, ResendOutcome> {
        Box::pin(async move {
            let Some(number) = self.sender.streams.iter().position(|known| known.name == stream) else {
                let reason = format!("the sink no longer has the stream `{stream}`: none of its inputs goes there");
                return ResendOutcome::Impossible { reason };
            };
            // A dead letter of a version that cut differently must still fit.
            let short = cut(record).map(|(text, _)| text);
            let encoded = encode([short.as_deref().unwrap_or(record)], self.gzip_level);
            let until = Instant::now() + patience;
            match self.sender.send(number, &encoded, request_id, Some(until)).await {
                Sent::Accepted => ResendOutcome::Accepted,
                Sent::Refused(Refusal { status, code, .. }) => ResendOutcome::Refused { status, code },
                Sent::GaveUp { reason, unsure } => ResendOutcome::Unavailable { reason, unsure },
            }
        })
    }
}
