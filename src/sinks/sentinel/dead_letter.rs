//! Writes refused rows to the dead letters.

use super::batch::Rows;
use super::protocol::Refusal;
use crate::component::{DeadLetter, DeadLetterWriter};
use crate::telemetry::ComponentReporter;
use nordpass_env::Env;

/// The sink's dead letters.
pub struct DeadLetterRecorder {
    writer: Box<dyn DeadLetterWriter>,
    env: Env,
    telemetry: ComponentReporter,
}

impl DeadLetterRecorder {
    /// Where `writer` writes them.
    pub fn new(writer: Box<dyn DeadLetterWriter>, env: Env, telemetry: ComponentReporter) -> Self {
        Self { writer, env, telemetry }
    }

    /// Writes a single row, however long that takes.
    pub async fn write(&self, stream: &str, rows: &Rows, refusal: &Refusal, reason: &str) {
        let dead_letter = DeadLetter {
            id: rows.record(0).id,
            stream: Some(stream.to_owned()),
            reason: reason.to_owned(),
            status: Some(refusal.status),
            code: refusal.code.clone(),
            request_id: refusal.request_id.clone(),
            time: self.env.clock.now_seconds(),
            record: rows.text(0).to_owned(),
        };
        if self.writer.write(std::slice::from_ref(&dead_letter), &self.env, &self.telemetry).await > 0 {
            tracing::warn!(
                component = self.telemetry.name(),
                id = %dead_letter.id,
                status = refusal.status,
                code = refusal.code.as_deref(),
                "dead letter: {reason}"
            );
        }
    }
}
