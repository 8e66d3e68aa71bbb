//! Decides whether a refusal is the record's fault.
//!
//! A destination can refuse everything with 400 for a while: a stream declaration that is being edited and reaches
//! its nodes one by one, a failing gateway. A record is at fault only if others are accepted in between. So the
//! proof is a change of responses: the record is refused alone, another of its stream is accepted, the record is
//! refused again, something is accepted, and the record is refused a third time. One change isn't enough, because an
//! outage that ends and returns looks the same. Only requests sent after a refusal and accepted before the record is
//! sent again count.
//!
//! On a quiet stream, a body without records provides the second acceptance, where the destination has such a thing. But it may accept
//! that and refuse every record, so few are dead-lettered that way between two accepted ones. Otherwise the next accepted request of the
//! stream counts.

use super::protocol::{Protocol, Refusal, ResponseClass};
use super::{batch::Encoded, sender::Sender};

/// What is known about a record that was refused alone.
#[derive(Clone, Copy, Debug)]
pub struct RefusalEvidence {
    /// Number of requests sent when it was refused. Only later ones count when accepted.
    pub mark: u64,
    /// It was refused, another one was accepted, and it was refused again.
    changed: bool,
    /// An empty request has been accepted since.
    controlled: bool,
}

/// What one more refusal proves.
pub enum Attribution {
    /// The record is at fault.
    Proven,
    /// Send the record once more, now.
    SendAgain(RefusalEvidence),
    /// Not known yet.
    Open(RefusalEvidence),
}

impl RefusalEvidence {
    /// Starts the evidence at the first refusal.
    pub fn new(sent: u64) -> Self {
        Self { mark: sent, changed: false, controlled: false }
    }

    /// Returns what one more refusal of the record proves. `accepted` is the stream's highest accepted number from
    /// before the record was sent this time.
    pub async fn attribute<P: Protocol>(
        self,
        sender: &Sender<P>,
        stream: usize,
        accepted: u64,
        refusal: &Refusal,
        encoded: &Encoded,
    ) -> Attribution {
        if accepted <= self.mark && !self.controlled {
            return Attribution::Open(self);
        }
        // The next acceptance must be newer than this refusal.
        let mark = sender.sent();
        if refusal.is_surely_wrong_about_size(encoded.body.len(), sender.longest()) {
            return Attribution::Open(Self::new(mark));
        }
        let state = sender.streams.get(stream);
        match (self.changed, self.controlled) {
            (true, true) if !state.trust() => Attribution::Open(Self { mark, changed: true, controlled: false }),
            (true, _) => Attribution::Proven,
            (false, _) => {
                let controlled = state.may_trust()
                    && !sender.is_paused()
                    && sender.post_nothing(stream).await == Some(ResponseClass::Accepted);
                let evidence = Self { mark, changed: true, controlled };
                if controlled { Attribution::SendAgain(evidence) } else { Attribution::Open(evidence) }
            }
        }
    }
}
