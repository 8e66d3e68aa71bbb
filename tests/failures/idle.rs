//! A quiet organization.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use nordpass_simulator::{Endpoint, Simulation, SimulationOptions};

use crate::rig::{DAY, HOUR, Rig, history, pass};

/// `state.log` gets one small frame for each poll, and is written anew when it would grow over this.
const LOG_BYTES: usize = 256 << 10;

/// A day without events: the files of the state must not grow with the polls, and NordPass must not be asked for more
/// than the polls, the sweeps and the audit.
#[tokio::test(start_paused = true)]
async fn a_quiet_day_grows_nothing_on_disk_and_asks_for_polls_sweeps_and_audits_only() {
    let mut rig = Rig::new(SimulationOptions { events: history(500), ..SimulationOptions::default() });
    let life = rig.start();
    pass(HOUR).await;
    rig.assert_exactly_once().await;
    let begun = rig.now();
    // All files, `state.log` aside; and `state.log`.
    let sizes = |rig: &Rig| {
        let files = rig.disk.paths().into_iter().filter_map(|path| {
            let length = rig.disk.content(&path)?.len();
            Some((path.ends_with("state.log"), length))
        });
        files.fold(
            (0, 0),
            |(others, log), (is_log, length)| {
                if is_log { (others, log + length) } else { (others + length, log) }
            },
        )
    };
    let (others, mut log) = sizes(&rig);
    let (mut largest, mut written_anew) = (0, 0);
    for _ in 0..24 * 12 {
        pass(300).await;
        let now = sizes(&rig);
        assert_eq!(now.0, others, "no other file grows");
        written_anew += u32::from(now.1 < log);
        log = now.1;
        largest = largest.max(log);
    }
    assert!(largest <= LOG_BYTES, "{largest} bytes of state.log");
    assert!(written_anew > 0, "{largest} bytes were the most: it was written anew on the way");

    let (mut polls, mut audits, mut sweeps) = (0, 0, 0);
    for (at, asked) in rig.questions().into_iter().filter(|(at, _)| *at >= begun) {
        let number = |name: &str| asked[name].as_i64().unwrap_or_default();
        match (number("per_page"), number("timestamp_to") - number("timestamp_from")) {
            (1, DAY..) => audits += 1,
            (_, ..=700) if number("timestamp_to") == at - 5 => polls += 1,
            _ => sweeps += 1,
        }
    }
    assert!((1_439..=1_441).contains(&polls), "{polls} polls");
    assert!(audits <= 8, "{audits} questions of the audit: one for each day of the look-back");
    assert!(sweeps <= 24 * 5 + 12, "{sweeps} questions of the sweeps");
    rig.stop(life).await;
    rig.assert_exactly_once().await;
}

/// Sixty organizations in one process don't connect in one moment, and after the start their polls come evenly over the minute and not in one moment.
#[tokio::test(start_paused = true)]
async fn the_polls_of_many_organizations_are_spread_over_the_interval() {
    let mut others = String::new();
    for number in 2..=60 {
        let _ = write!(
            others,
            "[sources.organization_{number}]\ntype = \"nordpass\"\nendpoint = \"{}\"\n\
             token = \"simulated-nordpass-token\"\n\n",
            Simulation::NORDPASS_URL
        );
    }
    let names: Vec<String> = (2..=60).map(|number| format!("\"organization_{number}\"")).collect();
    let all = format!("inputs = [\"nordpass\", {}]", names.join(", "));
    let mut rig = Rig::new(SimulationOptions { events: Vec::new(), ..SimulationOptions::default() })
        .with("[transforms.asim]", &format!("{others}[transforms.asim]"))
        .with("inputs = [\"nordpass\"]", &all);
    let life = rig.start();
    let started = rig.env().clock.now();
    pass(300).await;
    let at_once = rig.requests(Endpoint::Nordpass).into_iter().filter(|asked| (asked.at - started).as_millis() < 100);
    assert!(at_once.count() <= 6, "sources start one after the other");
    let begun = rig.now();
    pass(120).await;
    let mut seconds = BTreeMap::<i64, u32>::new();
    for (at, asked) in rig.questions().into_iter().filter(|(at, _)| *at >= begun) {
        if asked["timestamp_to"].as_i64() == Some(at - 5) {
            *seconds.entry(at).or_default() += 1;
        }
    }
    let (polls, most) = (seconds.values().sum::<u32>(), seconds.values().max().copied().unwrap_or(0));
    assert!((115..=125).contains(&polls), "{polls} polls of 60 organizations in two minutes");
    assert!(most <= 8, "{most} in one second: {seconds:?}");
    rig.stop(life).await;
}
