//! Sends single records again, for `dead-letters resend`, with the sink's requests, tokens and waits but no batches.

use std::time::Duration;

use futures::future::BoxFuture;
use tokio::time::Instant;

use super::protocol::{Protocol, Refusal};
use super::sender::{Sender, Sent};
use super::stream::Stream;
use crate::component::{Letter, Resend, ResendOutcome};

/// Sends dead letters again.
pub struct Resender<P>(pub Sender<P>);

impl<P: Protocol> Resender<P> {
    /// The stream of this name, if the sink has it.
    fn stream(&self, name: &str) -> Option<usize> {
        let streams = &self.0.streams;
        let fixed = streams.fixed().iter().position(|known| known.name == name);
        if !self.0.protocol.has_stream(name, fixed.is_some()) {
            return None;
        }
        let new = || streams.put(None, Stream::of_partition(&streams.fixed().first()?.label, name.to_owned())).into();
        fixed.or_else(|| streams.named(name)).or_else(new)
    }
}

impl<P: Protocol> Resend for Resender<P> {
    fn request_id(&self) -> String {
        self.0.request_id()
    }

    fn resend<'a>(
        &'a self,
        letter: Letter<'a>,
        request_id: &'a str,
        patience: Duration,
    ) -> BoxFuture<'a, ResendOutcome> {
        Box::pin(async move {
            let Some(number) = self.stream(letter.stream) else {
                let reason =
                    format!("the sink no longer has the stream `{}`: none of its inputs goes there", letter.stream);
                return ResendOutcome::Impossible { reason };
            };
            // A dead letter of a version that cut differently must still fit.
            let short = self.0.protocol.shorten(letter.record).map(|(text, _)| text);
            let record = short.as_deref().unwrap_or(letter.record);
            let encoded = self.0.protocol.encode_letter(Letter { record, ..letter });
            let until = Instant::now() + patience;
            match self.0.send(number, &encoded, request_id, Some(until)).await {
                Sent::Accepted => ResendOutcome::Accepted,
                Sent::Refused(Refusal { status, code, .. }) => ResendOutcome::Refused { status, code },
                // A single record has one class.
                Sent::Partial(_) => {
                    ResendOutcome::Unavailable { reason: "the answer fits no single record".to_owned(), unsure: true }
                }
                Sent::GaveUp { reason, unsure } => ResendOutcome::Unavailable { reason, unsure },
            }
        })
    }
}
