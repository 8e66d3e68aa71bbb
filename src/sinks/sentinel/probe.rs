//! For `validate --connect`: everything about Azure that can be wrong, found before a run.
//!
//! An empty array is posted to each stream. Azure answers it as it would answer rows: it looks at the token, the role,
//! the rule and the stream first. What one stream's answer leaves open, the others' may tell: a rule that takes one
//! stream here has the right id and the right endpoint.

use std::sync::atomic::Ordering;

use super::answer::ResponseClass;
use super::batch::Rows;
use super::deliver::IngestionClient;
use crate::azure::AccessToken;
use crate::http::clock_is_wrong;

impl IngestionClient {
    /// Tries every stream. The error has a line for each thing that is wrong.
    pub async fn probe(&self) -> Result<String, String> {
        let token = self.tokens.token().await.map_err(|error| error.reason)?;
        let mut streams: Vec<usize> = Vec::new();
        for (number, name) in self.settings.streams.iter().enumerate() {
            if !streams.iter().any(|known| self.settings.streams[*known] == *name) {
                streams.push(number);
            }
        }
        let (mut wrong, mut unknown) = (Vec::new(), Vec::new());
        for stream in &streams {
            match self.try_stream(*stream, &token).await {
                Ok(()) => {
                    self.accepted[*stream].fetch_max(1, Ordering::AcqRel);
                }
                Err(("not found", reason)) => unknown.push((*stream, reason)),
                Err((_, reason)) => wrong.push(reason),
            }
        }
        if unknown.len() == streams.len() && unknown.len() > 1 {
            wrong.push(self.all_unknown(unknown.len()));
        } else {
            for (stream, first) in unknown {
                // Now it is known which others it takes.
                wrong.push(self.try_stream(stream, &token).await.err().map_or(first, |(_, reason)| reason));
            }
        }
        wrong.extend(clock_is_wrong(Some(self.ahead.load(Ordering::Relaxed)), "Azure"));
        wrong.dedup();
        match (wrong.is_empty(), streams.as_slice()) {
            (false, _) => Err(wrong.join("\n")),
            (true, [_]) => Ok("Azure accepts rows for its stream".to_owned()),
            (true, streams) => Ok(format!("Azure accepts rows for {} streams", streams.len())),
        }
    }

    /// One empty request. The error is a kind and a sentence.
    async fn try_stream(&self, stream: usize, token: &AccessToken) -> Result<(), (&'static str, String)> {
        let empty = Rows::default().encode(0);
        match self.attempt(stream, &empty, token, &self.request_id()).await.0 {
            ResponseClass::Accepted => Ok(()),
            ResponseClass::Wait { kind, reason, .. } => Err((kind, reason)),
            ResponseClass::TokenRefused => Err(("token", TOKEN_REFUSED.to_owned())),
            ResponseClass::Refused(refusal) | ResponseClass::TooLarge(refusal) => {
                let name = &self.settings.streams[stream];
                let code = refusal.code.map(|code| format!(" ({code})")).unwrap_or_default();
                let reason = format!("Azure refuses an empty request for stream {name} with {}{code}", refusal.status);
                Err(("refused", reason))
            }
        }
    }

    fn all_unknown(&self, number: usize) -> String {
        format!(
            "Azure knows none of the {number} streams of rule {} here (404): check dcr_immutable_id, and that \
             `endpoint` is this rule's own: an endpoint in another region won't know this rule",
            self.settings.dcr_immutable_id
        )
    }
}

/// 401 from Azure Monitor, whatever the credential.
pub const TOKEN_REFUSED: &str =
    "Azure refuses the token (401): check tenant, client and that the credential is for this cloud";
