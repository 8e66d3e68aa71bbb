//! Whether a refusal is about the record.
//!
//! A destination can refuse everything with 400 for a while: a stream declaration that is being edited and reaches Azure's
//! nodes one by one, a gateway on fire. A record is refused for itself only if others are accepted in between, so the
//! proof is a change of answers: this record refused alone, another one of its stream accepted, the record refused again,
//! something accepted, and the record refused a third time. One change isn't enough: an outage that ends and comes again
//! looks the same. Only what was accepted after one refusal and before the next one was asked for counts.
//!
//! For the second acceptance nobody has to wait for the next event of a quiet stream: an empty array is sent. But Azure may
//! accept that and refuse every row, so few records are buried with its help between two accepted rows. Without it the next
//! accepted request of the stream counts.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use tokio::time::Instant;

use super::answer::{Refusal, ResponseClass};
use super::batch::{Encoded, Rows};
use super::deliver::IngestionClient;

/// So many records of a stream are buried between two accepted ones because an empty array was accepted.
const MOST_ON_TRUST: u32 = 3;

/// What is known about a record that was refused alone.
#[derive(Clone, Copy, Debug)]
pub struct RefusalEvidence {
    /// Which requests had gone out when it was refused: only what is accepted of later ones counts.
    pub mark: u64,
    /// It was refused, another one was accepted, and it was refused again.
    changed: bool,
    /// An empty request has been accepted since.
    controlled: bool,
}

/// What the next refusal says.
pub enum Attribution {
    /// It is the record.
    Proven,
    /// It is to be sent once more, now.
    SendAgain(RefusalEvidence),
    /// Nobody knows yet.
    Open(RefusalEvidence),
}

impl RefusalEvidence {
    /// At the first refusal.
    pub fn new(sent: u64) -> Self {
        Self { mark: sent, changed: false, controlled: false }
    }
}

impl IngestionClient {
    /// What a refusal of a single record proves, after what is known. `accepted` is the highest accepted number of the
    /// stream as it was before the record was sent this time.
    pub async fn attribute(
        &self,
        stream: usize,
        evidence: RefusalEvidence,
        accepted: u64,
        refusal: &Refusal,
        encoded: &Encoded,
    ) -> Attribution {
        if accepted <= evidence.mark && !evidence.controlled {
            return Attribution::Open(evidence);
        }
        // The next acceptance has to be newer than this refusal.
        let mark = self.sent.load(Ordering::Acquire);
        if self.is_surely_not_too_long(refusal, encoded) {
            return Attribution::Open(RefusalEvidence::new(mark));
        }
        if evidence.changed && evidence.controlled {
            let trusted = self.trusted[stream].fetch_add(1, Ordering::AcqRel);
            let open = RefusalEvidence { mark, changed: true, controlled: false };
            return if trusted < MOST_ON_TRUST { Attribution::Proven } else { Attribution::Open(open) };
        }
        if evidence.changed {
            return Attribution::Proven;
        }
        let trusted = self.trusted[stream].load(Ordering::Acquire);
        let controlled = trusted < MOST_ON_TRUST && self.accepts_nothing(stream).await;
        let evidence = RefusalEvidence { mark, changed: true, controlled };
        if controlled { Attribution::SendAgain(evidence) } else { Attribution::Open(evidence) }
    }

    /// Whether the stream accepts an empty array now.
    async fn accepts_nothing(&self, stream: usize) -> bool {
        if *self.paused_until.lock().unwrap_or_else(PoisonError::into_inner) > Instant::now() {
            return false;
        }
        let Ok(token) = self.tokens.token().await else { return false };
        let empty = Rows::default().encode(self.settings.gzip_level);
        matches!(self.attempt(stream, &empty, &token, &self.request_id()).await.0, ResponseClass::Accepted)
    }
}
