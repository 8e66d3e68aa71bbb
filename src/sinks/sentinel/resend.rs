//! Single records again, for `dead-letters resend`: the sink's own requests, tokens and waits, without its batches.

use std::time::Duration;

use futures::future::BoxFuture;
use tokio::time::Instant;

use super::answer::Refusal;
use super::batch::encode;
use super::cut;
use super::deliver::{IngestionClient, Sent};
use super::settings::Settings;
use crate::component::{Resend, ResendOutcome};
use crate::telemetry::{ComponentKind, Telemetry};
use nordpass_env::Env;

/// Sends with a sink's settings. The error is a sentence about them.
pub fn resender(settings: &Settings, name: &str, env: &Env) -> Result<Box<dyn Resend>, String> {
    let telemetry = Telemetry::new().component(ComponentKind::Sink, name);
    Ok(Box::new(Resender { client: super::client(settings.clone(), None, env, telemetry)? }))
}

struct Resender {
    client: IngestionClient,
}

impl Resend for Resender {
    fn request_id(&self) -> String {
        self.client.request_id()
    }

    fn resend<'a>(
        &'a self,
        stream: &'a str,
        record: &'a str,
        request_id: &'a str,
        patience: Duration,
    ) -> BoxFuture<'a, ResendOutcome> {
        Box::pin(async move {
            let settings = &self.client.settings;
            let Some(stream) = settings.streams.iter().position(|known| known == stream) else {
                let reason = format!("the sink no longer has the stream `{stream}`: none of its inputs goes there");
                return ResendOutcome::Impossible { reason };
            };
            // What was written by a version that cut differently still has to fit.
            let cut = cut::cut(record).map(|(text, _)| text);
            let encoded = encode([cut.as_deref().unwrap_or(record)], settings.gzip_level);
            let until = Instant::now() + patience;
            match self.client.send(stream, &encoded, request_id, Some(until)).await {
                Sent::Accepted { .. } => ResendOutcome::Accepted,
                Sent::Refused(Refusal { status, code, .. }) | Sent::TooLarge(Refusal { status, code, .. }) => {
                    ResendOutcome::Refused { status, code }
                }
                Sent::GaveUp { reason, unsure } => ResendOutcome::Unavailable { reason, unsure },
            }
        })
    }
}
