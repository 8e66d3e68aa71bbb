//! For `validate --connect`: finds everything about Azure that can be wrong before a run.
//!
//! Posts an empty array to each stream. If a stream's response leaves a question open, others may answer it: a rule
//! that accepts one stream has the right id and the right endpoint.

use super::{client::IngestionClient, settings::Settings};
use crate::sinks::delivery::{protocol::ResponseClass, sender::Sender};
use crate::{http::clock_is_wrong, telemetry::ComponentReporter};
use nordpass_env::Env;

/// Gets a token and tries every stream. The error has a line for each problem.
pub async fn probe(settings: &Settings, env: &Env) -> Result<String, String> {
    let telemetry = ComponentReporter::detached();
    let client = IngestionClient::new(settings, env, &telemetry)?;
    client.try_token().await?;
    let streams = settings.distinct_streams();
    let count = streams.len();
    let sender = Sender::new(client, streams, env, &telemetry);
    let (mut wrong, mut unknown) = (Vec::new(), Vec::new());
    for stream in 0..count {
        match try_stream(&sender, stream).await {
            Ok(()) => sender.streams.get(stream).accept(1),
            Err(("not found", reason)) => unknown.push((stream, reason)),
            Err((_, reason)) => wrong.push(reason),
        }
    }
    if unknown.len() == count && count > 1 {
        wrong.push(format!(
            "Azure knows none of the {} streams of rule {} here (404): check dcr_immutable_id, and that \
             `endpoint` is this rule's own: an endpoint in another region won't know this rule",
            unknown.len(),
            settings.dcr_immutable_id
        ));
    } else {
        for (stream, first) in unknown {
            // Try again now that the accepted streams are known.
            wrong.push(try_stream(&sender, stream).await.err().map_or(first, |(_, reason)| reason));
        }
    }
    wrong.extend(clock_is_wrong(Some(sender.protocol.clock_ahead()), "Azure"));
    wrong.dedup();
    match (wrong.is_empty(), count) {
        (false, _) => Err(wrong.join("\n")),
        (true, 1) => Ok("Azure accepts rows for its stream".to_owned()),
        (true, count) => Ok(format!("Azure accepts rows for {count} streams")),
    }
}

/// Sends one empty request. The error is a kind and a sentence.
async fn try_stream(sender: &Sender<IngestionClient>, stream: usize) -> Result<(), (&'static str, String)> {
    match sender.post_nothing(stream).await {
        None | Some(ResponseClass::Accepted | ResponseClass::Partial(_)) => Ok(()),
        Some(ResponseClass::Again(again)) => Err((again.kind.unwrap_or_default(), again.reason.unwrap_or_default())),
        Some(ResponseClass::TokenRefused(reason)) => Err(("token", reason.to_owned())),
        Some(ResponseClass::Refused(refusal)) => {
            let (state, answer) = (sender.streams.get(stream), refusal.answer());
            Err(("refused", format!("Azure refuses an empty request for stream {} with {answer}", state.name)))
        }
    }
}
