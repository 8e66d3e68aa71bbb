//! Whether a refusal is about the record.
//!
//! A destination can refuse everything with 400 for a while: a stream declaration that is being edited and reaches Azure's
//! nodes one by one, a gateway on fire. A record is refused for itself only if others are accepted in between, so the
//! proof is a change of answers: this record refused alone, another one of its stream accepted, the record refused again,
//! something accepted, and the record refused a third time. One change isn't enough: an outage that ends and comes again
//! looks the same. Only what was accepted after one refusal and before the next one was asked for counts.
//!
//! The second acceptance doesn't wait for the next event of a quiet stream: an empty array is sent. But Azure may accept
//! that and refuse every row, so few records are dead-lettered with its help between two accepted rows. Without it the
//! next accepted request of the stream counts.

use super::protocol::{Refusal, ResponseClass};
use super::{batch::Encoded, sender::Sender};

/// What is known about a record that was refused alone.
#[derive(Clone, Copy, Debug)]
pub struct RefusalEvidence {
    /// How many requests had gone out when it was refused: only what is accepted of later ones counts.
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
    /// Not known yet.
    Open(RefusalEvidence),
}

impl RefusalEvidence {
    /// At the first refusal.
    pub fn new(sent: u64) -> Self {
        Self { mark: sent, changed: false, controlled: false }
    }

    /// What one more refusal of the record proves. `accepted` is the highest accepted number of the stream as it was before
    /// the record was sent this time.
    pub async fn attribute(
        self,
        sender: &Sender,
        stream: usize,
        accepted: u64,
        refusal: &Refusal,
        encoded: &Encoded,
    ) -> Attribution {
        if accepted <= self.mark && !self.controlled {
            return Attribution::Open(self);
        }
        // The next acceptance has to be newer than this refusal.
        let mark = sender.sent();
        if refusal.is_surely_wrong_about_size(encoded.body.len(), sender.longest()) {
            return Attribution::Open(Self::new(mark));
        }
        let state = &sender.streams[stream];
        match (self.changed, self.controlled) {
            (true, true) if !state.trust() => Attribution::Open(Self { mark, changed: true, controlled: false }),
            (true, _) => Attribution::Proven,
            (false, _) => {
                let controlled = state.may_trust()
                    && !sender.is_paused()
                    && sender.post_nothing(stream).await == ResponseClass::Accepted;
                let evidence = Self { mark, changed: true, controlled };
                if controlled { Attribution::SendAgain(evidence) } else { Attribution::Open(evidence) }
            }
        }
    }
}
