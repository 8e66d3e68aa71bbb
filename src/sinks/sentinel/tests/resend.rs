//! Single records again: the sink's own waits, but not for ever.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::support::{Azure, azure, env, settings};
use crate::component::{Letter, ResendOutcome, SinkSettings};
use crate::event::EventId;

const MINUTE: Duration = Duration::from_secs(60);

async fn resend(azure: &Arc<Azure>, stream: &str, record: &str) -> ResendOutcome {
    let resender = settings().resender("sentinel", &env(azure)).expect("good settings");
    let letter = Letter { id: EventId(1), shown_id: None, organization: None, stream, record };
    resender.resend(letter, &resender.request_id(), MINUTE).await
}

fn unavailable(outcome: ResendOutcome) -> (String, bool) {
    match outcome {
        ResendOutcome::Unavailable { reason, unsure } => (reason, unsure),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn throttling_a_used_up_token_and_an_outage_are_waited_out() {
    let answers = [429, 401, 503, 500, 204];
    let azure = azure(move |number, _| answers[number]);
    azure.headers.lock().unwrap().insert("Retry-After", "7".into());
    assert_eq!(resend(&azure, "Custom-B", r#"{"id":1}"#).await, ResendOutcome::Accepted);
    assert_eq!(*azure.accepted.lock().unwrap(), [json!({"id": 1})]);
    let requests = azure.requests.lock().unwrap();
    assert!(requests[1].0.duration_since(requests[0].0) >= Duration::from_secs(7));
}

#[tokio::test(start_paused = true)]
async fn but_only_as_long_as_asked_for() {
    for (status, unsure) in [(403, false), (404, false), (429, false), (503, false), (500, true), (599, true)] {
        let azure = azure(move |_, _| status);
        let began = tokio::time::Instant::now();
        let (reason, told) = unavailable(resend(&azure, "Custom-A", "{}").await);
        assert!(began.elapsed() <= MINUTE && !reason.is_empty(), "{status}: {reason}");
        assert!(azure.requests.lock().unwrap().len() > 1, "{status}: it was tried again");
        assert_eq!(told, unsure, "{status}: whether it may have arrived");
    }
    // A wait that would take too long isn't begun.
    let azure = azure(|_, _| 429);
    azure.headers.lock().unwrap().insert("Retry-After", "120".into());
    let began = tokio::time::Instant::now();
    unavailable(resend(&azure, "Custom-A", "{}").await);
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_told_at_once_and_an_unknown_stream_without_a_request() {
    let azure = azure(|_, _| 413);
    let refused = ResendOutcome::Refused { status: 413, code: Some("ContentLengthLimitExceeded".into()) };
    assert_eq!(resend(&azure, "Custom-A", "{}").await, refused);
    let outcome = resend(&azure, "Custom-Gone", "{}").await;
    assert!(matches!(outcome, ResendOutcome::Impossible { reason } if reason.contains("Custom-Gone")));
    assert_eq!(azure.requests.lock().unwrap().len(), 1);
}
