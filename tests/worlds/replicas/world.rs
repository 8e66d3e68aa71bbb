//! Runs one world.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use nordpass_env::{Clock as _, MemoryDisk, TestClock};
use nordpass_sentinel::pipeline::Reloaded;
use nordpass_simulator::blob::BlobAccount;
use nordpass_simulator::entra::Tokens;
use nordpass_simulator::faults::{self, Faults};
use nordpass_simulator::ingestion::{self, Ingestion};
use nordpass_simulator::nordpass::{self, NordPass};
use nordpass_simulator::{Gate, RequestLog, Service, SimulatedEvent};
use tokio::time::{Instant, sleep, sleep_until};

use super::files::{self, BLOBS, CONTAINER, Files};
use super::forged::Forged;
use super::judge;
use super::plan::{Action, Plan};
use crate::books::{Accepting, Books};
use crate::others::Tally;
use crate::pipeline::{READY_TOKEN, host};
use crate::plan::Host;
use crate::process::{Process, wires};
use crate::traffic;
use crate::world::Violations;

/// How long everything may take to arrive once nothing fails any more, in seconds.
const PATIENCE: u64 = 3_600;
/// How often the world looks.
const LOOK: Duration = Duration::from_secs(15);

/// A world at work.
pub struct World {
    pub plan: Plan,
    pub books: Books,
    pub events: Vec<Vec<SimulatedEvent>>,
    truth: TestClock,
    files: Files,
    gates: Vec<(String, Gate)>,
    blobs: Arc<BlobAccount>,
    /// By their index.
    replicas: BTreeMap<u16, Process>,
    /// How many replicas there should be.
    count: u16,
    lives: u64,
    began: Instant,
    deliveries_cut: bool,
    /// Processes that something has happened to which explains a copy.
    pub disturbed: std::collections::BTreeSet<u64>,
    /// The organizations that were in the list all the time.
    pub steady: Vec<usize>,
    violations: Violations,
}

impl World {
    pub fn new(plan: Plan, forged: bool) -> Self {
        let start = Timestamp::from_second(plan.start).unwrap_or(Timestamp::UNIX_EPOCH);
        let truth = TestClock::starting_at(start);
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
            let api: Arc<dyn Service> = Arc::new(NordPass::new(settings, events.clone()));
            gates.push((files::api(organization), gate(api)));
            all.push(events);
        }
        let ingestion =
            Ingestion::new(ingestion::Settings { strict: true, ..ingestion::Settings::default() }, tokens.clone());
        gates.push((
            host(Host::Ingestion).to_owned(),
            gate(Arc::new(Accepting { inner: Arc::new(ingestion), books: books.clone() })),
        ));
        let blobs = Arc::new(BlobAccount::new(tokens.clone()));
        let account: Arc<dyn Service> = if forged { Arc::new(Forged(blobs.clone())) } else { blobs.clone() };
        gates.push((BLOBS.to_owned(), gate(account)));
        let files = Files::new(plan.lookback, plan.organizations.len(), &plan.absent);
        let toggled = |number: &usize| {
            plan.actions.iter().any(|(_, action)| matches!(action, Action::Toggle(toggled) if toggled == number))
        };
        let steady = files.listed.iter().copied().filter(|number| !toggled(number)).collect();
        Self {
            count: plan.replicas,
            plan,
            books,
            events: all,
            truth,
            files,
            gates,
            blobs,
            replicas: BTreeMap::new(),
            lives: 0,
            began: Instant::now(),
            deliveries_cut: false,
            disturbed: std::collections::BTreeSet::new(),
            steady,
            violations: Violations::new(),
        }
    }

    /// Runs it to its end.
    pub async fn run(&mut self) -> Tally {
        for index in 0..self.count {
            self.start(index, (index, self.count));
            sleep(Duration::from_secs(self.plan.seed % 7)).await;
        }
        for (second, action) in self.plan.actions.clone() {
            sleep_until(self.began + Duration::from_secs(second)).await;
            self.look_at_replicas().await;
            self.act(action).await;
        }
        sleep_until(self.began + Duration::from_secs(self.plan.chaos)).await;
        self.settle().await;
        let ended = Instant::now() + Duration::from_secs(PATIENCE);
        while !judge::missing(self).is_empty() && Instant::now() < ended {
            self.look_at_replicas().await;
            sleep(LOOK).await;
        }
        for index in self.replicas.keys().copied().collect::<Vec<_>>() {
            self.stop(index).await;
        }
        let mut tally = judge::judge(self);
        tally.violations.append(&mut self.violations);
        tally.counts.push((self.lives, "processes"));
        tally
    }

    fn start(&mut self, index: u16, shard: (u16, u16)) {
        self.lives += 1;
        let wires = wires(&self.truth, self.plan.seed ^ self.lives, self.plan.latency, &self.gates);
        if self.deliveries_cut {
            wires.cut(host(Host::Ingestion));
        }
        let config = self.files.config(shard);
        let disk = MemoryDisk::new();
        self.files.put_secrets(&disk);
        let replica =
            Process::start(self.lives, self.plan.seed, shard, config, (&self.truth, disk), wires, &self.books);
        self.replicas.insert(index, replica);
    }

    async fn stop(&mut self, index: u16) {
        let Some(replica) = self.replicas.remove(&index) else { return };
        let life = replica.life;
        if self.deliveries_cut {
            self.disturbed.insert(life);
        }
        if !replica.stop().await && !self.deliveries_cut {
            self.violations.push(format!("process {life} didn't end within a minute of SIGTERM"));
        }
    }

    /// A process that ended by itself is no process that does its work.
    async fn look_at_replicas(&mut self) {
        for replica in self.replicas.values_mut() {
            if let Some(why) = replica.ended().await {
                self.violations.push(format!("process {} ended by itself: {why}", replica.life));
            }
        }
    }

    async fn act(&mut self, action: Action) {
        match action {
            Action::Scale(count) => self.scale(count).await,
            Action::Restart(index) => {
                if let Some(shard) = self.replicas.get(&index).map(|replica| replica.shard) {
                    self.stop(index).await;
                    sleep(Duration::from_secs(3)).await;
                    self.start(index, shard);
                }
            }
            Action::Crash(index, pause) => {
                if let Some(replica) = self.replicas.remove(&index) {
                    let shard = replica.shard;
                    self.disturbed.insert(replica.life);
                    replica.crash();
                    sleep(Duration::from_secs(pause)).await;
                    self.start(index, shard);
                }
            }
            Action::Cut(index) => {
                if let Some(replica) = self.replicas.get(&index) {
                    replica.wires.cut(BLOBS);
                    self.disturbed.insert(replica.life);
                }
            }
            Action::Restore(index) => {
                if let Some(replica) = self.replicas.get(&index) {
                    replica.wires.restore(BLOBS);
                }
            }
            Action::WrongIndex(index) => {
                if self.replicas.contains_key(&index) {
                    self.stop(index).await;
                    self.start(index, ((index + 1) % self.count.max(1), self.count));
                }
            }
            Action::BreakLease(organization) => {
                let partition = blake3::hash(files::key(organization).as_bytes()).as_bytes()[0];
                self.blobs.break_lease(CONTAINER, &format!("partitions/{partition:03}"));
                self.disturbed.extend(self.replicas.values().map(|replica| replica.life));
            }
            Action::Toggle(organization) => {
                self.files.toggle(organization);
                self.reload().await;
            }
            Action::Deliveries(work) => {
                self.deliveries_cut = !work;
                for replica in self.replicas.values() {
                    self.disturbed.insert(replica.life);
                    if work {
                        replica.wires.restore(host(Host::Ingestion));
                    } else {
                        replica.wires.cut(host(Host::Ingestion));
                    }
                }
            }
            Action::LoseAnswers => {
                for replica in self.replicas.values() {
                    replica.wires.cut(BLOBS);
                    self.disturbed.insert(replica.life);
                }
                sleep(Duration::from_secs(1)).await;
                for replica in self.replicas.values() {
                    replica.wires.restore(BLOBS);
                }
            }
        }
    }

    /// Each replica reads the list again, at a moment of its own.
    async fn reload(&mut self) {
        let mut asked = Vec::new();
        for replica in self.replicas.values() {
            let (reloader, config) = (replica.reloader.clone(), self.files.config(replica.shard));
            asked.push(async move { reloader.reload(config).await });
        }
        for answer in futures::future::join_all(asked).await {
            if let Reloaded::Refused { message, .. } = answer {
                self.violations.push(format!("a reload was refused: {message}"));
            }
        }
        if self.deliveries_cut {
            // What can't be delivered is abandoned, and read again.
            self.disturbed.extend(self.replicas.values().map(|replica| replica.life));
        }
    }

    async fn scale(&mut self, count: u16) {
        for index in self.count..count {
            self.start(index, (index, count));
        }
        for index in (count..self.count).rev() {
            self.stop(index).await;
        }
        for index in (0..self.count.min(count)).rev() {
            if self.replicas.contains_key(&index) {
                self.stop(index).await;
                sleep(Duration::from_secs(4)).await;
                self.start(index, (index, count));
                sleep(Duration::from_secs(10)).await;
            }
        }
        self.count = count;
    }

    /// Nothing fails any more, and every organization is in the list.
    async fn settle(&mut self) {
        self.deliveries_cut = false;
        for replica in self.replicas.values() {
            replica.wires.restore(BLOBS);
            replica.wires.restore(host(Host::Ingestion));
        }
        self.files.list_all();
        self.reload().await;
    }

    /// When it began.
    pub fn began(&self) -> Instant {
        self.began
    }

    /// The Unix second now.
    pub fn now(&self) -> i64 {
        self.truth.now().as_second()
    }
}
