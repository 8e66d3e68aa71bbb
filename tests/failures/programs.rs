//! What the operator's programs (`remap`, `vrl` in a `route`) do to the guarantee: nothing, however slow or wrong they are.

use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, ThreadId};
use std::time::Duration;

use jiff::Timestamp;
use nordpass_env::{Clock, Env, TestClock};
use nordpass_sentinel::pipeline::{Reloads, RunOptions};
use nordpass_sentinel::telemetry::Telemetry;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::common::process::process;
use crate::rig::{HOUR, MINUTE, Rig, START, event, history, keeping, until};

/// A clock at which a program hangs: asked on any thread but the runtime's, it answers only once it is let go.
struct Held {
    inner: TestClock,
    runtime: ThreadId,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    asked: bool,
    let_go: bool,
}

impl Held {
    fn new(inner: TestClock) -> Arc<Self> {
        Arc::new(Self { inner, runtime: thread::current().id(), state: Mutex::default(), changed: Condvar::new() })
    }

    fn is_asked(&self) -> bool {
        self.state.lock().expect("no panic").asked
    }

    fn let_go(&self) {
        self.state.lock().expect("no panic").let_go = true;
        self.changed.notify_all();
    }
}

impl Clock for Held {
    fn now(&self) -> Timestamp {
        if thread::current().id() != self.runtime {
            let mut state = self.state.lock().expect("no panic");
            state.asked = true;
            while !state.let_go {
                state = self.changed.wait(state).expect("no panic");
            }
        }
        self.inner.now()
    }
}

const PROGRAM: &str = "[transforms.mark]\ntype = \"remap\"\ninputs = [\"nordpass\"]\nsource = '.metadata.read_at = now()'\n\
                       [transforms.asim]\ntype = \"asim\"\ninputs = [\"mark\"]";

fn rig() -> Rig {
    Rig::new(keeping(history(40))).with("[transforms.asim]\ntype = \"asim\"\ninputs = [\"nordpass\"]", PROGRAM)
}

/// The runtime has one thread here. A program that hangs holds up what is behind it and nothing else: the archive beside it is
/// written, and the process ends when it is told to. What it held is read again.
#[tokio::test(start_paused = true)]
async fn a_program_that_hangs_holds_up_nobody_else() {
    let mut rig = rig();
    let clock = Held::new(rig.clock.clone());
    let env = Env { clock: clock.clone(), ..rig.env() };
    let (telemetry, signal) = (Telemetry::new(), CancellationToken::new());
    let task =
        tokio::spawn(process(env, rig.text.clone(), RunOptions::default(), telemetry, signal.clone(), Reloads::none()));
    // Time doesn't go on by itself while a thread is at work.
    let all = rig.simulation.nordpass.world().total();
    let mut steps = 0;
    while !(clock.is_asked() && rig.files("archive").await.events_delivered == all) {
        tokio::time::advance(Duration::from_millis(100)).await;
        thread::yield_now();
        steps += 1;
        assert!(steps < 1_000_000 && !task.is_finished(), "the archive waits for the program");
    }
    assert!(rig.rows().is_empty(), "it hangs");
    signal.cancel();
    while !task.is_finished() {
        tokio::time::advance(Duration::from_millis(100)).await;
    }
    let report = task.await.expect("no panic");
    assert!(report.failures.is_empty() && report.drain_timed_out, "{report:?}");
    clock.let_go();
    assert!(rig.once().await.failures.is_empty());
    rig.assert_exactly_once().await;
}

/// A record on which a program fails is kept, and sent into the mended program; the state doesn't wait for it. `abort` drops on
/// purpose, so it is known and never sent again.
#[tokio::test(start_paused = true)]
async fn what_a_program_fails_on_is_kept_and_what_it_drops_is_known() {
    let events = vec![
        event(START - HOUR, "good", &json!({"n": 1})),
        event(START - HOUR + 1, "wrong", &json!({"n": "one"})),
        event(START - HOUR + 2, "dropped", &json!({"n": 0})),
    ];
    let program = "[transforms.mark]\ntype = \"remap\"\ninputs = [\"nordpass\"]\n\
                   source = '''\nif .metadata.n == 0 { abort }\n.metadata.twice = int!(.metadata.n) * 2\n'''\n\
                   [transforms.asim]\ntype = \"asim\"\ninputs = [\"mark\"]";
    let mut rig =
        Rig::new(keeping(events)).with("[transforms.asim]\ntype = \"asim\"\ninputs = [\"nordpass\"]", program);
    let life = rig.start();
    until("the dead letter is written", 10 * MINUTE, || rig.dead_letters("mark").len() == 1).await;
    rig.stop(life).await;
    assert!(rig.once().await.failures.is_empty());
    assert_eq!(rig.rows().len(), 1);
    assert_eq!(rig.row("good")["AdditionalFields"]["twice"], 2);
    let letters = rig.dead_letters("mark");
    assert_eq!(letters.len(), 1, "once: {letters:?}");
    assert_eq!(letters[0]["reason"], "the program fails on this record");
    assert_eq!(letters[0]["record"]["metadata"]["n"], "one", "as it came");
    assert_eq!(rig.state().await.known.len(), 3);
}

/// A route whose program can't say where a record goes sends it nowhere by mistake.
#[tokio::test(start_paused = true)]
async fn a_record_that_a_condition_fails_on_takes_no_route() {
    let events = vec![
        event(START - HOUR, "small", &json!({"n": 1})),
        event(START - HOUR + 1, "large", &json!({"n": 9})),
        event(START - HOUR + 2, "wrong", &json!({"n": "one"})),
    ];
    let route = "[transforms.by]\ntype = \"route\"\ninputs = [\"nordpass\"]\n[transforms.by.routes]\n\
                 large = { vrl = 'int!(.metadata.n) > 5' }\n\
                 [sinks.rest]\ntype = \"blackhole\"\ninputs = [\"by._unmatched\"]\n\
                 [transforms.asim]\ntype = \"asim\"\ninputs = [\"by.large\"]";
    let mut rig = Rig::new(keeping(events)).with("[transforms.asim]\ntype = \"asim\"\ninputs = [\"nordpass\"]", route);
    assert!(rig.once().await.failures.is_empty());
    assert_eq!(rig.rows().len(), 1);
    assert_eq!(rig.row("large")["AdditionalFields"]["n"], 9);
    assert_eq!(rig.dead_letters("by").len(), 1);
    assert_eq!(rig.dead_letters("by")[0]["record"]["metadata"]["n"], "one");
}
