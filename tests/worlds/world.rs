//! Runs one world: the product's own pipeline on a machine that fails, between simulators that fail.

mod actions;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use http::StatusCode;
use jiff::Timestamp;
use nordpass_env::{Clock, Env, MemoryDisk, SeededRandom, TestClock, mix};
use nordpass_sentinel::http::LONGEST_RETRY_AFTER;
use nordpass_sentinel::pipeline::{Reloaded, RunOptions, RunReport, reloads};
use nordpass_sentinel::telemetry::Telemetry;
use nordpass_simulator::blob::BlobAccount;
use nordpass_simulator::entra::{self, Entra, Tokens};
use nordpass_simulator::faults::{self, Faults};
use nordpass_simulator::ingestion::{self, Ingestion};
use nordpass_simulator::network::SimulatedNetwork;
use nordpass_simulator::nordpass::NordPass;
use nordpass_simulator::receiver::{self, Receivers};
use nordpass_simulator::{Endpoint, Gate, LoggedRequest, RequestLog, Service};
use serde_json::Value;
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::common::process::process;
use crate::hostile::Hostile;
use crate::ledger::Ledger;
use crate::machine::{MachineClock, MachineNetwork};
use crate::oracle::{self, Lives, Snapshot};
use crate::pipeline;
use crate::plan::{Action, Host, Plan};
use crate::receiver::{AUDIENCE, books::ReceiverLedger};
use crate::reload::{Asked, LOOK, Layout, Reload, Watch};
use crate::shape::expected::Expected;
use crate::traffic::Traffic;

/// A world at work.
pub struct World {
    pub plan: Plan,
    pub traffic: Traffic,
    pub disk: MemoryDisk,
    pub ledger: Arc<Ledger>,
    pub expected: Arc<Expected>,
    pub log: RequestLog,
    pub faults: Arc<Faults>,
    pub lives: Lives,
    nordpass: Arc<NordPass>,
    entra: Arc<Entra>,
    ingestion: Arc<Ingestion>,
    pub blobs: Arc<BlobAccount>,
    truth: TestClock,
    pub clock: Arc<MachineClock>,
    wires: SimulatedNetwork,
    pub network: MachineNetwork,
    /// What counts until somebody ends it.
    disk_trouble: bool,
    /// What the pipeline file says.
    pub layout: Layout,
    pub watch: Option<Watch>,
    /// How many actions have been carried out.
    done: usize,
    /// Nothing goes wrong any more.
    settling: Option<Settling>,
    began: Instant,
}

/// As long as a sink leaves a destination alone that throttled last, and the answer under way by then.
const RESTS: Duration = LONGEST_RETRY_AFTER.saturating_add(Duration::from_mins(1));

/// How the world ends.
struct Settling {
    /// How long until the next look.
    step: Duration,
    arrived: bool,
}

/// Whether there is another life.
#[derive(PartialEq, Eq)]
enum Fate {
    Again,
    Over,
}

/// What ended a part of a life.
enum End {
    /// The world went on to its next action, or its time is over.
    Time,
    /// The machine went down.
    Down,
    /// The process ended by itself.
    Ended(RunReport),
    /// A reload was answered.
    Reloaded((Instant, Reload, Reloaded)),
}

/// Anything that must not be: a sentence each.
pub type Violations = Vec<String>;

impl World {
    pub fn new(plan: Plan) -> Self {
        let start = Timestamp::from_second(plan.start).unwrap_or(Timestamp::UNIX_EPOCH);
        let truth = TestClock::starting_at(start);
        let clock = Arc::new(MachineClock::new(truth.clone(), plan.skew));
        let traffic = Traffic::of(&plan);
        let tokens = Tokens::default();
        let mut entra_settings =
            entra::Settings { lifetime: Duration::from_secs(plan.token_life), ..entra::Settings::default() };
        entra_settings.audiences.push(AUDIENCE.to_owned());
        let entra = Arc::new(Entra::new(entra_settings, tokens.clone()));
        let nordpass = Arc::new(NordPass::new(plan.api.clone(), traffic.events.clone()));
        nordpass.hold_back(traffic.held_back.clone());
        let settings = ingestion::Settings { strict: true, ..ingestion::Settings::default() };
        let ingestion = Arc::new(Ingestion::new(settings, tokens.clone()));
        let settings = receiver::Settings { audience: Some(AUDIENCE.to_owned()), ..receiver::Settings::default() };
        let receivers = Arc::new(Receivers::new(settings, tokens.clone()));
        if let Some(probe) = &traffic.poison {
            ingestion.set_poison(Some(&format!("\"probe\":\"{probe}\"")));
            receivers.set_poison(Some(&format!("\"probe\":\"{probe}\"")));
        }
        if plan.ready_token {
            tokens.accept(pipeline::READY_TOKEN);
        }
        let hostile = Hostile::of(&plan);
        let (destinations, shape) = (plan.destinations(), plan.shape.as_ref());
        let expected = Arc::new(Expected::of(destinations, shape, &traffic, hostile.adds_fields()));
        let check = {
            let expected = expected.clone();
            move |to, probe: &str, id, row: &Value| expected.wrong_row(to, probe, id, row)
        };
        let ledger = Arc::new(Ledger::new(ingestion.clone(), pipeline::host(Host::Second), Box::new(check)));
        let receivers = ReceiverLedger { ledger: ledger.clone(), receivers };
        let faults_plan =
            faults::Plan { seed: plan.seed, faults: plan.faults.iter().map(|(_, fault)| fault.clone()).collect() };
        let faults = Arc::new(Faults::new(faults_plan, start));
        let log = RequestLog::default();
        let blobs = Arc::new(BlobAccount::new(tokens.clone()));
        blobs.create_container(pipeline::CONTAINER);
        let gate = |service: Arc<dyn Service>| Gate::new(service, faults.clone(), tokens.clone(), log.clone());
        let wires = SimulatedNetwork::new(Arc::new(truth.clone()), plan.seed)
            .latency(Duration::from_millis(plan.latency.0), Duration::from_millis(plan.latency.1))
            .route(pipeline::host(Host::Nordpass), gate(nordpass.clone()))
            .route(pipeline::host(Host::Entra), gate(entra.clone()))
            .route(pipeline::host(Host::Ingestion), gate(ledger.clone()))
            .route(pipeline::host(Host::Second), gate(ledger.clone()))
            .route(pipeline::host(Host::Receiver), gate(Arc::new(receivers)))
            .route(pipeline::host(Host::Blobs), gate(blobs.clone()));
        let network = MachineNetwork::new(wires.clone(), ledger.clone(), hostile);
        Self {
            traffic,
            disk: MemoryDisk::new(),
            ledger,
            expected,
            log,
            faults,
            lives: Lives::default(),
            nordpass,
            entra,
            ingestion,
            blobs,
            truth,
            clock,
            wires,
            network,
            disk_trouble: false,
            layout: Layout::default(),
            watch: None,
            done: 0,
            settling: None,
            began: Instant::now(),
            plan,
        }
    }

    /// Logs what was asked of the simulators, and what they answered.
    pub fn log_requests(&self) {
        for (number, request) in self.log.entries().into_iter().enumerate() {
            let LoggedRequest { at, endpoint, path, body, body_length, status, fault, .. } = request;
            let question = if endpoint == Endpoint::Nordpass { String::from_utf8_lossy(&body) } else { "".into() };
            tracing::trace!(target: "nordpass_sentinel::worlds", %at, path, %question, body_length, ?status, fault, "request {number}");
        }
    }

    /// Runs it to its end, and says what was wrong.
    pub async fn run(&mut self) -> Violations {
        let mut violations = Violations::new();
        while self.life(&mut violations).await == Fate::Again {}
        violations.extend(oracle::judge(self).await);
        violations
    }

    fn at(&self, second: u64) -> Instant {
        self.began + Duration::from_secs(second)
    }

    fn env(&self) -> Env {
        let seed = mix(self.plan.seed ^ mix(self.ledger.life() + 1));
        Env {
            clock: self.clock.clone(),
            random: Arc::new(SeededRandom::new(seed)),
            disk: Arc::new(self.disk.clone()),
            network: Arc::new(self.network.clone()),
        }
    }

    /// The state on disk now.
    pub async fn snapshot(&self) -> Snapshot {
        let times = self.plan.start - 100 * 86_400..self.plan.start + 100 * 86_400;
        Snapshot::of(&self.disk, self.ledger.life() + 1, self.now(), times, self.env()).await
    }

    /// One life of the process.
    async fn life(&mut self, violations: &mut Violations) -> Fate {
        let snapshot = self.snapshot().await;
        self.lives.snapshots.push(snapshot);
        let life = self.ledger.next_life();
        let tuning = self.layout.tuning(&self.plan, "nordpass").clone();
        self.network.held().begin(life, tuning, self.expected.clone());
        let signal = CancellationToken::new();
        let shutdown = signal.clone();
        let telemetry = Telemetry::new();
        self.lives.telemetries.push(telemetry.clone());
        self.watch = None;
        let (reloader, reloads) = reloads();
        let text = pipeline::text(&self.plan, &self.layout);
        let process = process(self.env(), text, RunOptions::default(), telemetry, shutdown, reloads);
        let (mut process, mut asked) = (Box::pin(process), FuturesUnordered::<Asked>::new());
        loop {
            if self.settling.is_none() && Instant::now() >= self.at(self.plan.chaos) {
                self.everything_works_again();
            }
            let next = self.plan.actions.get(self.done).map(|(second, action)| (self.at(*second), action.clone()));
            let due = match (&self.settling, &next) {
                (Some(settling), _) => Instant::now() + settling.step,
                (None, Some((at, _))) => *at,
                (None, None) => self.at(self.plan.chaos),
            };
            let end = loop {
                // Once everything has arrived, nothing is abandoned any more.
                let arrived = self.settling.as_ref().is_some_and(|settling| settling.arrived);
                let watches = self.watch.is_some() && !arrived;
                break tokio::select! {
                    biased;
                    report = &mut process => End::Ended(report),
                    () = self.disk.went_down() => End::Down,
                    () = self.network.went_down() => End::Down,
                    Some(answer) = asked.next(), if !asked.is_empty() => End::Reloaded(answer),
                    () = sleep_until(due) => End::Time,
                    () = sleep(LOOK), if watches => {
                        self.look();
                        continue;
                    }
                };
            };
            match end {
                End::Ended(report) => {
                    self.look();
                    return self.ended_by_itself(&report, violations).await;
                }
                End::Down => {
                    // It may have begun anew since the last look.
                    self.look();
                    drop(process);
                    self.crashed().await;
                    return Fate::Again;
                }
                End::Reloaded(answer) => {
                    self.reloaded(answer, violations);
                    continue;
                }
                End::Time => {}
            }
            if self.settling.is_some() {
                if self.settled(violations).await {
                    self.stop(process, &signal, violations).await;
                    return Fate::Over;
                }
                continue;
            }
            let Some((_, action)) = next else { continue };
            self.done += 1;
            match action {
                Action::Crash => {
                    self.network.go_down();
                    self.look();
                    drop(process);
                    self.crashed().await;
                    return Fate::Again;
                }
                Action::Restart => {
                    self.stop(process, &signal, violations).await;
                    self.layout.change_all();
                    return Fate::Again;
                }
                Action::Reload(reload) => asked.extend(self.reload(reload, Some(&reloader)).await),
                action => self.act(&action),
            }
        }
    }

    /// Whether the world is over: everything has arrived and some time has passed since, or patience has run out.
    async fn settled(&mut self, violations: &mut Violations) -> bool {
        let shown = u64::try_from(self.traffic.last_shown - self.plan.start).unwrap_or(0);
        let patience = self.at(self.plan.chaos.max(shown) + self.plan.patience());
        let arrived = oracle::arrived(self).await;
        let Some(settling) = &mut self.settling else { return false };
        if settling.arrived {
            return true;
        }
        if arrived {
            settling.arrived = true;
            settling.step = Duration::from_secs(self.plan.linger);
            return self.plan.linger == 0;
        }
        settling.step = (settling.step * 3 / 2).min(Duration::from_secs(900));
        if Instant::now() > patience {
            if !oracle::arrived_at_last(self).await {
                violations.push(format!("not everything arrived in time: {}", oracle::missing(self).await));
            }
            return true;
        }
        false
    }

    /// SIGTERM. While things go wrong it may fail to drain in time; that is no violation.
    async fn stop(
        &mut self,
        process: impl Future<Output = RunReport>,
        signal: &CancellationToken,
        violations: &mut Violations,
    ) {
        signal.cancel();
        let mut process = Box::pin(process);
        let ended = tokio::select! {
            biased;
            report = &mut process => Some(report),
            () = self.disk.went_down() => None,
            () = self.network.went_down() => None,
            () = sleep(Duration::from_secs(60)) => {
                violations.push("the process didn't end within a minute of SIGTERM".to_owned());
                None
            }
        };
        drop(process);
        self.look();
        let Some(report) = ended else { return self.crashed().await };
        let buggy = self.has_panicked();
        self.complain(&report, buggy, violations);
        let held = oracle::holds_a_suspect(self);
        // Nobody waits for an optional archive, so it may have much left.
        let behind = self.plan.blobs.as_ref().is_some_and(|blobs| !blobs.required);
        let arrived = self.settling.as_ref().is_some_and(|settling| settling.arrived);
        let works = arrived && !held && !behind && !self.has_throttled();
        if report.drain_timed_out && works {
            violations.push("the last drain ran out of time though everything works".to_owned());
        }
        self.disk.restart();
    }

    /// Whether somebody has asked lately to be left alone. Everything may have arrived meanwhile: another answer was lost.
    fn has_throttled(&self) -> bool {
        let statuses = [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE].map(Some);
        let since = Timestamp::from_second(self.now()).unwrap_or_default() - RESTS;
        self.log.entries().iter().any(|request| request.at >= since && statuses.contains(&request.status))
    }

    /// The process ended though nobody told it to: only the disk may be the reason, while a component opens, or a panic.
    async fn ended_by_itself(&mut self, report: &RunReport, violations: &mut Violations) -> Fate {
        let buggy = self.has_panicked();
        self.complain(report, buggy, violations);
        if !(self.disk_trouble || buggy) || report.failures.is_empty() {
            violations.push("the process ended by itself".to_owned());
        }
        self.disk.restart();
        // What a supervisor does.
        self.pause(Duration::from_secs(10)).await;
        if self.settling.is_none() || buggy { Fate::Again } else { Fate::Over }
    }

    /// Whether a component of this life has panicked, as it was ordered to.
    fn has_panicked(&mut self) -> bool {
        let panicked = self.network.take_panicked();
        self.lives.panics += u64::from(panicked);
        panicked
    }

    fn complain(&self, report: &RunReport, buggy: bool, violations: &mut Violations) {
        if self.disk_trouble || buggy {
            return;
        }
        for failure in &report.failures {
            violations.push(format!("{} {} failed: {}", failure.kind.as_str(), failure.name, failure.error));
        }
    }

    /// After a crash: by the seed a power cut, which tears what wasn't synced, or only the process's end. Then some
    /// time until it is started again.
    async fn crashed(&mut self) {
        self.lives.crashes += 1;
        self.has_panicked();
        let luck = mix(self.plan.seed ^ mix(self.lives.crashes));
        // The runtime drops what the process had spawned.
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        if luck.is_multiple_of(3) {
            self.disk.restart();
        } else {
            self.disk.crash(luck);
        }
        self.network.restart();
        if (luck >> 8).is_multiple_of(2) {
            self.layout.change_all();
        }
        let pause = [0, 1, 30, 300, 1800][usize::try_from((luck >> 16) % 5).unwrap_or(0)];
        if self.settling.is_none() {
            self.pause(Duration::from_secs(pause)).await;
        }
    }

    /// Time passes without the process; what goes wrong goes on going wrong.
    async fn pause(&mut self, time: Duration) {
        let end = (Instant::now() + time).min(self.at(self.plan.chaos));
        while let Some((second, action)) = self.plan.actions.get(self.done).cloned() {
            if self.at(second) > end {
                break;
            }
            sleep_until(self.at(second)).await;
            self.done += 1;
            // A machine that is down can't go down.
            if !matches!(action, Action::Crash | Action::CrashAtDisk(_) | Action::CrashAtRequest(..)) {
                match action {
                    Action::Reload(reload) => _ = self.reload(reload, None).await,
                    action => self.act(&action),
                }
            }
        }
        sleep_until(end).await;
    }

    /// Whether the disk fails, or is full.
    pub fn disk_trouble(&self) -> bool {
        self.disk_trouble
    }

    /// How many seconds after the world's beginning that was.
    pub fn second(&self, at: Instant) -> f64 {
        at.saturating_duration_since(self.began).as_secs_f64()
    }

    /// The Unix second now, in truth.
    pub fn now(&self) -> i64 {
        self.truth.now().as_second()
    }
}
