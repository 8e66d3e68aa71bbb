//! One process: its own disk and way to the network.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response};
use nordpass_env::kafka::Broker;
use nordpass_env::{Env, MemoryDisk, SeededRandom, TestClock, mix};
use nordpass_sentinel::http::{HttpClient, HttpError, HttpSettings, Network};
use nordpass_sentinel::pipeline::{self, Config, Reloader, RunOptions, RunReport, Stores, reloads};
use nordpass_sentinel::telemetry::Telemetry;
use nordpass_simulator::Gate;
use nordpass_simulator::network::SimulatedNetwork;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::books::{Books, LIFE};

/// A process's way to these hosts, with a latency of so many milliseconds, at least and at most.
pub fn wires(clock: &TestClock, seed: u64, (least, most): (u64, u64), gates: &[(String, Gate)]) -> SimulatedNetwork {
    let network = SimulatedNetwork::new(Arc::new(clock.clone()), seed);
    let network = network.latency(Duration::from_millis(least), Duration::from_millis(most));
    gates.iter().fold(network, |wires, (host, gate)| wires.route(host, gate.clone()))
}

/// A process from its start to its end.
pub struct Process {
    pub life: u64,
    pub shard: (u16, u16),
    pub wires: SimulatedNetwork,
    signals: Arc<Signals>,
    shutdown: CancellationToken,
    pub reloader: Reloader,
    handle: JoinHandle<Option<RunReport>>,
}

impl Process {
    pub fn start(
        life: u64,
        seed: u64,
        shard: (u16, u16),
        config: Config,
        (clock, disk): (&TestClock, MemoryDisk),
        wires: SimulatedNetwork,
        books: &Books,
    ) -> Self {
        let signals = Arc::<Signals>::default();
        let network = Wires { life, inner: Arc::new(wires.clone()), signals: signals.clone(), books: books.clone() };
        let env = Env {
            clock: Arc::new(clock.clone()),
            random: Arc::new(SeededRandom::new(mix(seed ^ mix(life)))),
            disk: Arc::new(disk),
            network: Arc::new(network),
        };
        let shutdown = CancellationToken::new();
        let (reloader, reloads) = reloads();
        let ends = shutdown.clone();
        let run = async move {
            let stores = Stores::open(&config.checkpoint, config.shard, &config.data_dir, &env).await.ok()?;
            let options = RunOptions::default();
            Some(pipeline::run_with_reloads(config, options, env, stores, Telemetry::new(), ends, reloads).await)
        };
        Self { life, shard, wires, signals, shutdown, reloader, handle: tokio::spawn(run) }
    }

    /// Whether it has ended, and why.
    pub async fn ended(&mut self) -> Option<String> {
        if !self.handle.is_finished() {
            return None;
        }
        match (&mut self.handle).await {
            Ok(Some(report)) => Some(format!("{:?}", report.failures)),
            Ok(None) => Some("its stores can't be opened".to_owned()),
            Err(error) => Some(error.to_string()),
        }
    }

    /// SIGTERM. False: it didn't end within a minute.
    pub async fn stop(self) -> bool {
        self.shutdown.cancel();
        let ended = tokio::time::timeout(Duration::from_secs(60), self.handle).await.is_ok();
        self.signals.gone.store(true, Ordering::Relaxed);
        ended
    }

    /// SIGSTOP, or SIGCONT: none of its requests is sent meanwhile, and no answer arrives.
    pub fn set_stopped(&self, stopped: bool) {
        self.signals.stopped.store(stopped, Ordering::Relaxed);
    }

    /// The machine is gone: nothing of it is sent any more.
    pub fn crash(self) {
        self.signals.gone.store(true, Ordering::Relaxed);
        self.handle.abort();
    }
}

/// What has happened to a process from outside.
#[derive(Default)]
struct Signals {
    stopped: AtomicBool,
    gone: AtomicBool,
}

impl Signals {
    /// Waits while it is stopped; for ever if it is gone.
    async fn running(&self) {
        while self.stopped.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        if self.gone.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    }
}

/// The network of one process.
#[derive(Clone)]
struct Wires {
    life: u64,
    inner: Arc<dyn Network>,
    signals: Arc<Signals>,
    books: Books,
}

impl Network for Wires {
    fn client(&self, settings: &HttpSettings) -> Result<Arc<dyn HttpClient>, String> {
        Ok(Arc::new(Wire { client: self.inner.client(settings)?, wires: self.clone() }))
    }

    fn broker(&self, bootstrap_servers: &[String]) -> Option<Arc<dyn Broker>> {
        self.inner.broker(bootstrap_servers)
    }
}

struct Wire {
    client: Arc<dyn HttpClient>,
    wires: Wires,
}

impl HttpClient for Wire {
    fn send(&self, mut request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, HttpError>> {
        Box::pin(async move {
            self.wires.signals.running().await;
            request.headers_mut().insert(LIFE, self.wires.life.into());
            let organization = request
                .uri()
                .host()
                .and_then(|host| host.strip_suffix(".nordpass.example")?.strip_prefix('o')?.parse::<usize>().ok());
            let asking = organization.map(|organization| self.wires.books.asks(organization, self.wires.life));
            let answer = self.client.send(request).await;
            self.wires.signals.running().await;
            drop(asking);
            answer
        })
    }
}
