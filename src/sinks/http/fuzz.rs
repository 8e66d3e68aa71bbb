//! Fuzz target: the answers of whatever an `http` sink sends to.

use http::StatusCode;

use super::answer::{Question, classify};
use super::format::Format;
use crate::fuzz::{marked, silent};
use crate::sinks::delivery::protocol::{RecordClass, ResponseClass};

/// An answer to a request of three records, in each format.
pub(crate) fn answer(data: &[u8]) {
    let answer = crate::fuzz::answer(&marked(data));
    let (status, headers, body) = (answer.status(), answer.headers(), answer.body());
    for name in Format::NAMES {
        let format = Format::named(name);
        let question = Question { format, records: 3, final_status: &[400, 422], renews: true };
        match classify(question, status, headers, body) {
            ResponseClass::Accepted => assert!(status.is_success(), "{status} isn't an acceptance"),
            ResponseClass::Refused(refusal) => {
                let listed = [400, 413, 422].contains(&refusal.status);
                assert!(listed || status.is_success(), "{status} isn't about the records");
                assert!(refusal.code.is_none() && refusal.request_id.is_none(), "nothing of the answer is kept");
            }
            ResponseClass::Partial(classes) => {
                assert!(status.is_success() && classes.len() == 3);
                assert!(
                    [RecordClass::Accepted, RecordClass::Refused, RecordClass::Again]
                        .iter()
                        .all(|class| classes.iter().any(|known| known != class))
                );
            }
            ResponseClass::TokenRefused(_) => assert_eq!(status, StatusCode::UNAUTHORIZED),
            ResponseClass::Again(again) => {
                silent(again.reason.as_deref().unwrap_or_default());
                assert!(again.kind.is_some());
            }
        }
    }
}
