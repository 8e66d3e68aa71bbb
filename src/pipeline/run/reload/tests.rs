//! What a reload does to a set at work.

use tokio::time::Instant;

use super::rig::{Notes, Numbers, Rig, Shared, config, notes, seconds};
use super::*;
use crate::pipeline::Reloaded;

fn applied(reloaded: Reloaded) -> Changes {
    let Reloaded::Applied(changes) = reloaded else { panic!("{reloaded:?}") };
    changes
}

fn stuck(name: &'static str, shared: &Shared) -> Notes {
    Notes { is_stuck: true, ..notes(name, shared) }
}

#[tokio::test(start_paused = true)]
async fn a_changed_sink_drains_and_the_next_one_opens_when_it_has_ended() {
    let shared = Shared::default();
    let rig =
        Rig::start(&shared, true, vec![("kept", notes("kept", &shared)), ("changed", notes("old", &shared))]).await;
    seconds(10).await;
    let sinks = vec![("kept", notes("kept", &shared)), ("changed", notes("new", &shared))];
    let changes = applied(rig.reload(sinks).await);
    assert_eq!((changes.begun, changes.removed.len(), changes.kept), (vec!["changed".to_owned()], 0, 2));
    seconds(10).await;
    assert_eq!((rig.begun(), rig.committed() >= 18), (1, true), "the source went on");
    let notes = shared.notes();
    let at = |note: &str| notes.iter().position(|it| it == note).unwrap_or_else(|| panic!("{note}: {notes:?}"));
    assert!(at("old ends") < at("new opens"));
    for number in 0..rig.committed() {
        let times = notes.iter().filter(|it| **it == format!("old {number}") || **it == format!("new {number}"));
        assert_eq!(times.count(), 1, "{number} to exactly one of the two: {notes:?}");
    }
    assert_eq!(notes.iter().filter(|it| *it == "kept opens").count(), 1);
    assert!(rig.end().await.failures.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_does_not_drain_is_abandoned_and_its_source_goes_back_in_the_same_process() {
    let shared = Shared::default();
    let rig = Rig::start(&shared, true, vec![("changed", stuck("old", &shared))]).await;
    seconds(5).await;
    assert_eq!(rig.committed(), 0);
    let began = Instant::now();
    let changes = applied(rig.reload(vec![("changed", notes("new", &shared))]).await);
    assert_eq!((changes.aborted, began.elapsed().as_secs()), (vec!["changed".to_owned()], 15));
    seconds(30).await;
    assert!(rig.begun() == 2 && rig.committed() > 20, "{} {:?}", rig.committed(), shared.notes());
    let report = rig.end().await;
    assert!(report.failures.is_empty() && !report.drain_timed_out, "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn the_only_sink_can_go_while_it_holds_events() {
    let shared = Shared::default();
    let rig = Rig::start(&shared, true, vec![("first", notes("first", &shared))]).await;
    seconds(5).await;
    let changes = applied(rig.reload(vec![("second", stuck("second", &shared))]).await);
    assert_eq!((changes.begun, changes.removed), (vec!["second".to_owned()], vec!["first".to_owned()]));
    let names: Vec<String> = rig.telemetry.components().iter().map(|it| it.name().to_owned()).collect();
    assert_eq!(names, ["numbers", "second"], "what is gone is shown no more");
    seconds(5).await;
    let changes = applied(rig.reload(vec![("third", notes("third", &shared))]).await);
    assert_eq!(changes.aborted, ["second"]);
    seconds(30).await;
    assert!(rig.committed() > 30, "{:?}", shared.notes());
    assert!(rig.end().await.failures.is_empty());
}

#[tokio::test(start_paused = true)]
async fn nothing_changes_for_the_same_set() {
    let shared = Shared::default();
    let rig = Rig::start(&shared, true, vec![("a", notes("a", &shared))]).await;
    seconds(3).await;
    assert!(applied(rig.reload(vec![("a", notes("a", &shared))]).await).is_empty());
    seconds(3).await;
    assert_eq!((rig.begun(), shared.notes().iter().filter(|it| *it == "a opens").count()), (1, 1));
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_this_machine_lacks_refuses_the_reload_and_what_fails_later_is_waited_for() {
    let shared = Shared::default();
    let rig = Rig::start(&shared, true, vec![("a", notes("a", &shared))]).await;
    let lacking = Notes { lacks: Some("there is no such folder"), ..notes("b", &shared) };
    let refused = rig.reload(vec![("a", lacking)]).await;
    let expected = ("`a`: there is no such folder".to_owned(), "give it that".to_owned());
    assert_eq!(refused, Reloaded::Refused { message: expected.0, hint: expected.1 });
    let broken = Notes { broken: Some("the table is gone"), ..notes("b", &shared) };
    applied(rig.reload(vec![("a", broken)]).await);
    seconds(60).await;
    let health = rig.telemetry.health();
    assert!(health.iter().any(|it| it.state.reason() == Some("the table is gone")), "{health:?}");
    applied(rig.reload(vec![("a", notes("c", &shared))]).await);
    seconds(60).await;
    assert!(rig.committed() > 50, "{}", rig.committed());
    assert!(rig.end().await.failures.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_newest_of_several_requests_follows_the_present_one() {
    let shared = Shared::default();
    let rig = Rig::start(&shared, true, vec![("a", stuck("one", &shared))]).await;
    seconds(3).await;
    let began = Instant::now();
    let (two, three, four) = tokio::join!(
        rig.reload(vec![("a", notes("two", &shared))]),
        async {
            seconds(1).await;
            rig.reload(vec![("a", notes("three", &shared))]).await
        },
        async {
            seconds(2).await;
            rig.reload(vec![("a", notes("four", &shared))]).await
        },
    );
    assert_eq!(applied(two).aborted, ["a"]);
    assert_eq!(three, Reloaded::Superseded);
    assert!(applied(four).aborted.is_empty() && began.elapsed().as_secs() < 20);
    seconds(10).await;
    assert!(!shared.notes().contains(&"three opens".to_owned()), "{:?}", shared.notes());
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_program_does_not_wait_for_a_reload() {
    let shared = Shared::default();
    let rig = Rig::start(&shared, true, vec![("a", stuck("old", &shared))]).await;
    seconds(3).await;
    let began = Instant::now();
    let (reloaded, ()) = tokio::join!(rig.reload(vec![("a", notes("new", &shared))]), async {
        seconds(5).await;
        rig.shutdown.cancel();
    });
    assert_eq!(reloaded, Reloaded::Ended);
    let report = rig.end().await;
    assert!(report.drain_timed_out && report.failures.is_empty(), "{report:?}");
    assert_eq!(began.elapsed().as_secs(), 20, "the drain's deadline");
}

#[tokio::test(start_paused = true)]
async fn behind_a_source_that_cannot_go_back_nothing_is_drained() {
    let shared = Shared::default();
    let rig = Rig::start(&shared, false, vec![("a", notes("a", &shared))]).await;
    let same = Numbers { shared: shared.clone(), goes_back: false };
    let changed = config(same.clone(), vec![("a", notes("b", &shared))]);
    let Reloaded::Refused { message, .. } = rig.reloader.reload(changed).await else { panic!("it was applied") };
    assert!(message.starts_with("`a` can't change while `numbers` runs"), "{message}");
    let one_more = config(same, vec![("a", notes("a", &shared)), ("more", notes("more", &shared))]);
    assert_eq!(applied(rig.reloader.reload(one_more).await).begun, ["more"], "a sink that is new drops nothing");
    seconds(10).await;
    assert!(shared.notes().iter().any(|it| it.starts_with("more 5")), "{:?}", shared.notes());
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_cannot_change_is_said_and_changes_nothing() {
    let shared = Shared::default();
    let rig = Rig::start(&shared, true, vec![("a", notes("a", &shared))]).await;
    let source = Numbers { shared: shared.clone(), goes_back: true };
    let mut changed = config(source, vec![("a", notes("b", &shared))]);
    changed.data_dir = "elsewhere".into();
    let Reloaded::Refused { message, .. } = rig.reloader.reload(changed).await else { panic!("it was applied") };
    assert!(message.starts_with("`data_dir` can't change while the program runs"), "{message}");
    seconds(5).await;
    assert!(!shared.notes().contains(&"b opens".to_owned()));
    rig.end().await;
}

#[tokio::test(start_paused = true)]
async fn two_sinks_that_swap_what_each_has_for_itself_wait_for_each_other() {
    let shared = Shared::default();
    let with = |name, resource| Notes { resource: Some(resource), ..notes(name, &shared) };
    let rig = Rig::start(&shared, true, vec![("a", with("a1", "x")), ("b", with("b1", "y"))]).await;
    seconds(5).await;
    applied(rig.reload(vec![("a", with("a2", "y")), ("b", with("b2", "x"))]).await);
    seconds(5).await;
    let notes = shared.notes();
    let at = |note: &str| notes.iter().position(|it| it == note).unwrap_or_else(|| panic!("{note}: {notes:?}"));
    assert!(at("a1 ends").max(at("b1 ends")) < at("a2 opens").min(at("b2 opens")));
    assert!(rig.end().await.failures.is_empty());
}
