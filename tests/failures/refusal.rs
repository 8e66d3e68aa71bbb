//! A destination that refuses everything.

use http::StatusCode;
use nordpass_simulator::{Endpoint, Reply, SimulationOptions};
use serde_json::json;

use crate::rig::{HOUR, MINUTE, Rig, START, event, history, pass};

/// A rule whose stream declaration doesn't fit refuses every record with 400, and whoever believes that each time is left
/// with a full dead-letter file and an empty table. Here nothing is anybody's fault until another record of the stream was
/// accepted: everything waits, in words that name the rule, and arrives once the rule is right.
#[tokio::test(start_paused = true)]
async fn a_destination_that_refuses_every_record_with_400_is_waited_for() {
    let mut rig = Rig::new(SimulationOptions { events: history(1_500), ..SimulationOptions::default() });
    let wrong_until = START + 6 * HOUR;
    rig.twist_ingestion(move |request, now, azure| {
        if now.as_second() < wrong_until {
            let body = r#"{"error":{"code":"InvalidRequestBody","message":"The stream has no such column."}}"#;
            return Reply::json(StatusCode::BAD_REQUEST, body);
        }
        azure.handle(request, now)
    });
    let life = rig.start();
    for hour in 0..6 {
        let at = START + hour * HOUR + MINUTE;
        rig.simulation.nordpass.extend(vec![event(at, &format!("live-{hour}"), &json!({}))]);
        pass(HOUR - 10).await;
        assert!(rig.dead_letters("sentinel").is_empty(), "after {hour} hours");
        assert!(rig.state().await.known.is_empty(), "nothing counts as delivered");
        let words = life.words("sentinel");
        assert!(words.contains("Azure refuses"), "{words}");
    }
    let refused = rig.requests(Endpoint::Ingestion).len();
    assert!(refused < 6 * 3600 / 4, "it doesn't hammer: {refused} requests in six hours");
    pass(30 * MINUTE).await;
    assert!(rig.dead_letters("sentinel").is_empty());
    rig.stop(life).await;
    rig.assert_exactly_once().await;
}
