//! Runs one world.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use nordpass_env::kafka::Broker;
use nordpass_env::{Clock as _, MemoryDisk, TestClock, mix};
use nordpass_simulator::entra::Tokens;
use nordpass_simulator::faults::{self, Faults};
use nordpass_simulator::ingestion::{self, Ingestion};
use nordpass_simulator::kafka::{Link, MemoryBroker};
use nordpass_simulator::nordpass::{self, NordPass};
use nordpass_simulator::{Gate, RequestLog, Service, SimulatedEvent};
use tokio::time::{Instant, sleep, sleep_until};

use super::files::{self, BROKER};
use super::judge;
use super::lie::{Enqueuing, Untruth};
use super::plan::{Action, Plan};
use super::topic::Topic;
use crate::books::{Accepting, Books};
use crate::others::Tally;
use crate::pipeline::{READY_TOKEN, host};
use crate::plan::Host;
use crate::process::{Process, wires};
use crate::traffic;
use crate::world::Violations;

/// How long everything may take to arrive once nothing fails any more.
const PATIENCE: Duration = Duration::from_secs(2 * 3_600);
/// How often the world looks.
const LOOK: Duration = Duration::from_secs(15);

/// A world at work.
pub struct World {
    pub plan: Plan,
    pub books: Books,
    pub topic: Topic,
    /// The events of the organizations.
    pub events: Vec<SimulatedEvent>,
    /// Each process's disk, also of those that are no more.
    pub disks: BTreeMap<usize, MemoryDisk>,
    truth: TestClock,
    tokens: Tokens,
    gates: Vec<(String, Gate)>,
    processes: BTreeMap<usize, (Process, MemoryBroker)>,
    lives: u64,
    began: Instant,
    deliveries_cut: bool,
    lie: Option<Untruth>,
    violations: Violations,
}

impl World {
    pub fn new(plan: Plan, lie: Option<Untruth>) -> Self {
        let start = Timestamp::from_second(plan.start).unwrap_or(Timestamp::UNIX_EPOCH);
        let (tokens, faults, log) =
            (Tokens::default(), Arc::new(Faults::new(faults::Plan::default(), start)), RequestLog::default());
        tokens.accept(READY_TOKEN);
        let gate = |service: Arc<dyn Service>| Gate::new(service, faults.clone(), tokens.clone(), log.clone());
        let books = Books::default();
        let (mut gates, mut all) = (Vec::new(), Vec::new());
        for (organization, counts) in plan.organizations.iter().enumerate() {
            let times = (plan.lookback, plan.chaos);
            let events = traffic::of_organization(organization, plan.seed, plan.start, times, *counts);
            let settings = nordpass::Settings { token: files::token(organization), ..nordpass::Settings::default() };
            gates.push((files::api(organization), gate(Arc::new(NordPass::new(settings, events.clone())))));
            all.extend(events);
        }
        let strict = ingestion::Settings { strict: true, ..ingestion::Settings::default() };
        let ingestion = Arc::new(Ingestion::new(strict, tokens.clone()));
        let accepting = Accepting { inner: ingestion, books: books.clone() };
        gates.push((host(Host::Ingestion).to_owned(), gate(Arc::new(accepting))));
        Self {
            topic: Topic::new(plan.partitions, plan.seed),
            plan,
            books,
            events: all,
            disks: BTreeMap::new(),
            truth: TestClock::starting_at(start),
            tokens,
            gates,
            processes: BTreeMap::new(),
            lives: 0,
            began: Instant::now(),
            deliveries_cut: false,
            lie,
            violations: Violations::new(),
        }
    }

    /// Runs it to its end.
    pub async fn run(&mut self) -> Tally {
        for process in 0..=self.plan.deliverers {
            self.start(process);
        }
        for (second, action) in self.plan.actions.clone() {
            sleep_until(self.began + Duration::from_secs(second)).await;
            self.look().await;
            self.act(action).await;
        }
        sleep_until(self.began + Duration::from_secs(self.plan.chaos)).await;
        self.settle();
        let ended = Instant::now() + PATIENCE;
        while !judge::is_done(self) && Instant::now() < ended {
            self.look().await;
            sleep(LOOK).await;
        }
        for process in self.processes.keys().copied().collect::<Vec<_>>() {
            self.stop(process).await;
        }
        let mut tally = judge::judge(self);
        tally.violations.append(&mut self.violations);
        tally.counts.push((self.lives, "processes"));
        tally
    }

    fn start(&mut self, number: usize) {
        self.lives += 1;
        let network = wires(&self.truth, self.plan.seed ^ self.lives, self.plan.latency, &self.gates);
        let broker = self.topic.broker.process();
        let mut reached: Arc<dyn Broker> = Arc::new(broker.clone());
        if self.lie == Some(Untruth::Enqueued) {
            reached = Arc::new(Enqueuing(reached));
        }
        let network = network.route_broker(BROKER, reached);
        if self.deliveries_cut {
            network.cut(host(Host::Ingestion));
        }
        let disk = self.disks.entry(number).or_default().clone();
        let config = files::config(&self.plan, number);
        let process =
            Process::start(self.lives, self.plan.seed, (0, 1), config, (&self.truth, disk), network, &self.books);
        self.processes.insert(number, (process, broker));
    }

    /// SIGTERM.
    async fn stop(&mut self, number: usize) {
        let Some((process, broker)) = self.processes.remove(&number) else { return };
        // A process that is stopped doesn't hear it.
        process.set_stopped(false);
        let life = process.life;
        if !process.stop().await && self.plan.calm {
            self.violations.push(format!("process {life} didn't end within a minute of SIGTERM"));
        }
        broker.set_link(Link::Gone);
        self.has_ended(number, false).await;
    }

    /// What a process has left behind, once it is gone.
    async fn has_ended(&self, number: usize, power_cut: bool) {
        // The runtime drops what it had spawned.
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        let Some(disk) = self.disks.get(&number) else { return };
        if power_cut { disk.crash(mix(self.plan.seed ^ self.lives)) } else { disk.restart() }
    }

    /// A process that ended by itself is no process that does its work.
    async fn look(&mut self) {
        for (process, _) in self.processes.values_mut() {
            if let Some(why) = process.ended().await {
                self.violations.push(format!("process {} ended by itself: {why}", process.life));
            }
        }
        if self.lie == Some(Untruth::Ahead) {
            self.topic.commit_all();
        }
    }

    async fn act(&mut self, action: Action) {
        match action {
            Action::Scale(count) => {
                for number in 1..=count {
                    if !self.processes.contains_key(&number) {
                        self.start(number);
                    }
                }
                let over: Vec<_> = self.processes.keys().copied().filter(|number| *number > count).collect();
                for number in over {
                    self.stop(number).await;
                }
            }
            Action::Restart(number) => {
                if self.processes.contains_key(&number) {
                    self.stop(number).await;
                    sleep(Duration::from_secs(3)).await;
                    self.start(number);
                }
            }
            Action::Crash(number, pause) => {
                if let Some((process, broker)) = self.processes.remove(&number) {
                    process.crash();
                    broker.set_link(Link::Gone);
                    self.has_ended(number, pause % 2 == 0).await;
                    sleep(Duration::from_secs(pause)).await;
                    self.start(number);
                }
            }
            Action::Stop(number, stop) => {
                if let Some((process, broker)) = self.processes.get(&number) {
                    process.set_stopped(stop);
                    broker.set_link(if stop { Link::Stopped } else { Link::Up });
                }
            }
            Action::Cut(number, cut) => {
                if let Some((_, broker)) = self.processes.get(&number) {
                    broker.set_link(if cut { Link::Cut } else { Link::Up });
                }
            }
            Action::Down(down) => self.topic.broker.set_down(down),
            Action::Sends(fault, count) => self.topic.broker.next_sends(vec![fault; count]),
            Action::Calls(call, answer, count) => self.topic.broker.next_calls(call, vec![answer; count]),
            Action::ForgetProducers => self.topic.broker.forget_producers(),
            Action::Deliveries(work) => self.set_deliveries(work),
            Action::Token(good) => self.set_token(good),
            Action::Foreign(foreign) => self.topic.write(foreign, self.truth.now().as_second()),
        }
    }

    fn set_deliveries(&mut self, work: bool) {
        self.deliveries_cut = !work;
        for (process, _) in self.processes.values() {
            if work {
                process.wires.restore(host(Host::Ingestion));
            } else {
                process.wires.cut(host(Host::Ingestion));
            }
        }
    }

    fn set_token(&self, good: bool) {
        if good { self.tokens.accept(READY_TOKEN) } else { self.tokens.revoke(READY_TOKEN) }
    }

    /// Nothing fails any more.
    fn settle(&mut self) {
        self.topic.broker.set_down(false);
        self.set_deliveries(true);
        self.set_token(true);
        for (process, broker) in self.processes.values() {
            process.set_stopped(false);
            broker.set_link(Link::Up);
        }
    }

    /// When it began.
    pub fn began(&self) -> Instant {
        self.began
    }
}
