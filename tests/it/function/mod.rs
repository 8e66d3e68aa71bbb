//! `function`: the real program as a custom handler, called by a stand-in for the Functions host, with the files of
//! `deploy/functions` themselves.

mod host;

use std::time::Duration;

use nordpass_simulator::faults::{Effect, Fault, When};
use nordpass_simulator::{Endpoint, SimulationOptions};

use crate::support::{World, history, http_client, output, program, said};
use host::{App, Handler, delivered};

async fn world(events: usize) -> World {
    World::new(SimulationOptions { events: history(21, events), ..SimulationOptions::default() }).await
}

/// A call may take ten seconds, the least that can be set.
const SHORT: (&str, &str) = ("NORDPASS_SENTINEL_TIME_LIMIT", "10s");

fn assert_all(world: &World, events: u64) {
    let verdict = world.simulation.verdict();
    let counts = (verdict.events_delivered, verdict.events_lost, verdict.events_duplicated);
    assert_eq!(counts, (events, 0, 0), "{verdict:?}");
}

/// Calls until everything is covered, as the timer does every minute. A call that meets an earlier one's run is answered at
/// once, and counts for nothing: a hundred of them fit into the last moments of that run.
async fn calls_until_done(handler: &Handler) -> usize {
    let (mut number, mut beside) = (0, 0);
    while number < 100 && beside < 12_000 {
        let invocation = handler.call().await;
        assert!(invocation.succeeded, "{invocation:?}");
        if invocation.logs.contains("already running") {
            beside += 1;
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        }
        number += 1;
        if invocation.logs.contains("covered everything up to now") {
            return number;
        }
    }
    panic!("not done after {number} calls, and {beside} beside an earlier one")
}

/// NordPass takes this long for each answer.
fn slow_nordpass(world: &World, delay: Duration) {
    let when = When { endpoint: Some(Endpoint::Nordpass), ..When::default() };
    let mut fault = Fault::new(when, Effect::None);
    fault.delay = delay;
    world.simulation.faults.add(fault);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_catches_up_and_the_next_one_has_nothing_to_do() {
    let world = world(800).await;
    let app = App::deployed(&world, &[]);
    let handler = app.start().await;
    let first = handler.call().await;
    assert!(first.succeeded, "{first:?}\n{}", app.log());
    for part in
        ["source nordpass: ", " read, 800 new, ", "behind", "sink asim_tables: 800 delivered", "covered everything"]
    {
        assert!(first.logs.contains(part), "{part} in\n{}", first.logs);
    }
    assert!(!first.logs.contains("example.com"), "no payload");
    let second = handler.call().await;
    assert!(second.succeeded && second.logs.contains("sink asim_tables: 0 delivered"), "{second:?}");
    assert_all(&world, 800);
    assert!(world.simulation.ingestion.table("NordPassConnectorHealth_CL").rows >= 6, "health of both calls");
    let arguments = std::fs::read_to_string(format!("/proc/{}/cmdline", handler.child.id())).expect("it runs");
    assert!(!arguments.contains(&world.simulation.nordpass.settings.token), "{arguments}");
    assert_eq!(handler.terminate().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_is_worked_off_call_by_call_within_the_limit() {
    let world = world(1_500).await;
    let app = App::deployed(&world, &[SHORT]);
    slow_nordpass(&world, Duration::from_millis(1_200));
    let handler = app.start().await;
    let first = handler.call().await;
    assert!(first.succeeded && first.logs.contains("out of time after"), "{first:?}");
    world.simulation.faults.clear();
    slow_nordpass(&world, Duration::from_millis(200));
    calls_until_done(&handler).await;
    assert_all(&world, 1_500);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_handler_is_started_again_and_goes_on() {
    let world = world(1_500).await;
    let app = App::deployed(&world, &[]);
    slow_nordpass(&world, Duration::from_millis(100));
    for least in [100, 600] {
        let handler = app.start().await;
        let call = handler.call_beside();
        delivered(&world, least).await;
        handler.kill();
        assert!(call.await.expect("no panic").is_none(), "the call died with it");
    }
    let handler = app.start().await;
    calls_until_done(&handler).await;
    let verdict = world.simulation.verdict();
    // What Azure had and wasn't committed yet is sent again, with the same ids.
    assert_eq!((verdict.events_delivered, verdict.events_lost), (1_500, 0), "{verdict:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn overlapping_calls_never_run_two_catch_ups() {
    let world = world(600).await;
    let app = App::deployed(&world, &[]);
    // For as long as the second call takes.
    slow_nordpass(&world, Duration::from_secs(2));
    let handler = app.start().await;
    let first = handler.call_beside();
    delivered(&world, 1).await;
    let second = handler.call().await;
    world.simulation.faults.clear();
    assert!(second.succeeded && second.logs.contains("already running"), "{second:?}");
    let first = first.await.expect("no panic").expect("an answer");
    assert!(first.succeeded && first.logs.contains("covered everything up to now"), "{first:?}");
    assert_all(&world, 600);
}

/// The host hangs up on a call that takes too long for it: the run goes on, and the next call waits for nobody.
#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_hangs_up_tears_nothing() {
    let world = world(600).await;
    let app = App::deployed(&world, &[]);
    slow_nordpass(&world, Duration::from_millis(300));
    let handler = app.start().await;
    let call = handler.call_beside();
    delivered(&world, 1).await;
    call.abort();
    delivered(&world, 600).await;
    world.simulation.faults.clear();
    calls_until_done(&handler).await;
    assert_all(&world, 600);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sick_nordpass_shows_red_until_it_is_well() {
    let world = world(300).await;
    let app = App::deployed(&world, &[SHORT]);
    let handler = app.start().await;
    let token = world.simulation.nordpass.settings.token.clone();
    world.simulation.nordpass.set_token(None);
    let red = handler.call().await;
    assert!(red.status == 500 && red.logs.contains("NordPass refuses the token (401)"), "{red:?}");
    assert!(app.log().contains("NordPass refuses the token"), "the host reads no body of a failed call");
    world.simulation.nordpass.set_token(Some(&token));
    calls_until_done(&handler).await;
    assert_all(&world, 300);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sick_azure_shows_red_and_loses_nothing() {
    let world = world(300).await;
    let app = App::deployed(&world, &[SHORT]);
    let handler = app.start().await;
    world.simulation.ingestion.set_forbidden(true);
    let red = handler.call().await;
    assert!(red.status == 500 && red.logs.contains("Monitoring Metrics Publisher"), "{red:?}");
    world.simulation.ingestion.set_forbidden(false);
    calls_until_done(&handler).await;
    assert_all(&world, 300);
}

#[tokio::test(flavor = "multi_thread")]
async fn junk_is_answered() {
    let world = world(50).await;
    let app = App::deployed(&world, &[]);
    let handler = app.start().await;
    for body in ["<html>", "{", "\0\0", "{\"Data\""] {
        let refused = handler.send(body.to_owned()).await.expect("an answer");
        assert_eq!(refused.status, 400, "{body}");
    }
    assert_eq!(world.simulation.log().at(Endpoint::Nordpass).len(), 0, "nothing ran");
    let client = http_client();
    for (request, status) in [
        (client.get(handler.url("nordpass-sentinel")), 405),
        (client.post(handler.url("")), 405),
        (client.post(handler.url("a/b")), 404),
        (client.post(handler.url("nordpass-sentinel")).body(vec![b' '; 2 << 20]), 413),
    ] {
        assert_eq!(request.send().await.expect("an answer").status().as_u16(), status);
    }
    // A shape that nobody has documented is a call all the same.
    let odd = handler
        .send(r#"{"Data":{"timer":"{\"IsPastDue\":true}"},"Metadata":{"RetryContext":{"RetryCount":1}}}"#.into());
    assert!(odd.await.expect("an answer").succeeded, "{}", app.log());
    assert_all(&world, 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_s_shutdown_drains_and_the_next_instance_doubles_nothing() {
    let world = world(1_500).await;
    let app = App::deployed(&world, &[]);
    slow_nordpass(&world, Duration::from_secs(1));
    let handler = app.start().await;
    let call = handler.call_beside();
    delivered(&world, 200).await;
    assert_eq!(handler.terminate().await, Some(0));
    let answer = call.await.expect("no panic").expect("it was answered");
    assert!(answer.succeeded && answer.logs.contains("the host ended it"), "{answer:?}");
    world.simulation.faults.clear();
    calls_until_done(&app.start().await).await;
    assert_all(&world, 1_500);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_the_settings_shows_in_each_call() {
    let world = world(50).await;
    let app = App::deployed(&world, &[]).without("DCR_IMMUTABLE_ID");
    let handler = app.start().await;
    let red = handler.call().await;
    assert!(red.status == 500 && red.logs.contains("DCR_IMMUTABLE_ID"), "{red:?}");
    let text = std::fs::read_to_string(app.file("pipeline.toml")).expect("a file");
    let id = &world.simulation.ingestion.settings.dcr.immutable_id;
    std::fs::write(app.file("pipeline.toml"), text.replace("${DCR_IMMUTABLE_ID}", id)).expect("writes");
    calls_until_done(&handler).await;
    assert_all(&world, 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schedule_setting_counts() {
    let world = world(1).await;
    let every_five = App::deployed(&world, &[("SCHEDULE", "0 */5 * * * *")]);
    assert_eq!(every_five.schedule().as_deref(), Some("0 */5 * * * *"));
    assert_eq!(App::deployed(&world, &[]).without("SCHEDULE").schedule(), None);

    let end = output(program(&["function"])).await;
    assert_eq!(end.status.code(), Some(2), "{}", said(&end));
    assert!(said(&end).contains("FUNCTIONS_CUSTOMHANDLER_PORT"), "{}", said(&end));
}
