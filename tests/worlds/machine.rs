//! The machine that the pipeline runs on: its clock, its way to the network, and its end.
//!
//! A crash is a matter of outside effects: what matters is which disk operations and which requests had happened. So a
//! crash can be ordered at any of these, besides at any moment; from then on no operation ever ends.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response};
use jiff::{SignedDuration, Timestamp};
use nordpass_env::{Clock, TestClock};
use nordpass_sentinel::http::{HttpClient, HttpError, HttpSettings, Network};
use nordpass_simulator::network::SimulatedNetwork;
use tokio::sync::Notify;

use crate::held::Held;
use crate::hostile::Hostile;
use crate::ledger::{Ledger, NUMBER};
use crate::pipeline::host;
use crate::plan::Host;
use crate::receiver::lie;

/// A clock that may be wrong.
pub struct MachineClock {
    truth: TestClock,
    skew: AtomicI64,
    /// Since when, in truth, it was how wrong.
    history: Mutex<Vec<(Timestamp, i64)>>,
}

impl MachineClock {
    pub fn new(truth: TestClock, skew: i64) -> Self {
        let history = Mutex::new(vec![(Timestamp::MIN, skew)]);
        Self { truth, skew: AtomicI64::new(skew), history }
    }

    /// How many seconds it was ahead at this time.
    pub fn was_ahead(&self, at: Timestamp) -> i64 {
        let history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        history.iter().rev().find(|(since, _)| *since <= at).map_or(0, |(_, skew)| *skew)
    }

    fn set(&self, skew: i64) {
        self.skew.store(skew, Ordering::Relaxed);
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        history.push((self.truth.now(), skew));
    }

    /// Jumps by these seconds.
    pub fn jump(&self, by: i64) {
        self.set(self.skew.load(Ordering::Relaxed) + by);
    }

    /// Somebody sets it right.
    pub fn set_right(&self) {
        self.set(0);
    }
}

impl Clock for MachineClock {
    fn now(&self) -> Timestamp {
        let skew = SignedDuration::from_secs(self.skew.load(Ordering::Relaxed));
        self.truth.now().checked_add(skew).unwrap_or(Timestamp::MAX)
    }
}

/// The machine's network. Cloning shares it.
#[derive(Clone)]
pub struct MachineNetwork(Arc<Shared>);

struct Shared {
    world: SimulatedNetwork,
    ledger: Arc<Ledger>,
    hostile: Hostile,
    /// What the process has to hold in memory.
    held: Mutex<Held>,
    down: AtomicBool,
    went_down: Notify,
    requests: AtomicU64,
    /// At which request the machine goes down, and whether the other side has that request by then.
    down_at: Mutex<Option<(u64, bool)>>,
    /// The same for a panic.
    panic_at: Mutex<Option<(u64, bool)>>,
    panicked: AtomicBool,
}

impl MachineNetwork {
    pub fn new(world: SimulatedNetwork, ledger: Arc<Ledger>, hostile: Hostile) -> Self {
        Self(Arc::new(Shared {
            world,
            ledger,
            hostile,
            held: Mutex::default(),
            down: AtomicBool::new(false),
            went_down: Notify::new(),
            requests: AtomicU64::new(0),
            down_at: Mutex::new(None),
            panic_at: Mutex::new(None),
            panicked: AtomicBool::new(false),
        }))
    }

    /// What the process has to hold in memory.
    pub fn held(&self) -> MutexGuard<'_, Held> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Panics in whoever sends the `number`th request from now on (0: the next).
    pub fn panic_at(&self, number: u64, taken: bool) {
        let at = self.0.requests.load(Ordering::Relaxed) + number;
        *self.0.panic_at.lock().unwrap_or_else(PoisonError::into_inner) = Some((at, taken));
    }

    /// Without a panic, if there was none yet.
    pub fn spare(&self) {
        *self.0.panic_at.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Whether there was one since this was last asked.
    pub fn take_panicked(&self) -> bool {
        self.0.panicked.swap(false, Ordering::Relaxed)
    }

    /// Goes down at the `number`th request from now on (0: the next).
    pub fn go_down_at(&self, number: u64, taken: bool) {
        let at = self.0.requests.load(Ordering::Relaxed) + number;
        *self.0.down_at.lock().unwrap_or_else(PoisonError::into_inner) = Some((at, taken));
    }

    /// Resolves once it has gone down.
    pub async fn went_down(&self) {
        loop {
            let notified = self.0.went_down.notified();
            if self.0.down.load(Ordering::Relaxed) {
                return;
            }
            notified.await;
        }
    }

    pub fn go_down(&self) {
        self.0.down.store(true, Ordering::Relaxed);
        self.0.went_down.notify_waiters();
    }

    /// Comes up again, without orders.
    pub fn restart(&self) {
        self.0.down.store(false, Ordering::Relaxed);
        *self.0.down_at.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    async fn send(&self, client: &dyn HttpClient, mut request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        if self.0.down.load(Ordering::Relaxed) {
            return std::future::pending().await;
        }
        let number = self.0.requests.fetch_add(1, Ordering::Relaxed);
        let order = *self.0.down_at.lock().unwrap_or_else(PoisonError::into_inner);
        request.headers_mut().insert(NUMBER, number.into());
        if let Some((at, taken)) = order
            && number >= at
        {
            if taken {
                let _ = client.send(request).await;
            }
            self.go_down();
            return std::future::pending().await;
        }
        let bug = *self.0.panic_at.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, taken)) = bug
            && number >= at
        {
            self.spare();
            if taken {
                let _ = client.send(request).await;
            }
            self.0.panicked.store(true, Ordering::Relaxed);
            panic!("ordered by the world");
        }
        let question = (request.uri().host() == Some(host(Host::Nordpass))).then(|| request.body().clone());
        let receiver = (request.uri().host() == Some(host(Host::Receiver))).then(|| request.uri().path().to_owned());
        let asked = self.0.hostile.asked(&request);
        let answer = client.send(request).await;
        if self.0.down.load(Ordering::Relaxed) {
            return std::future::pending().await;
        }
        let (mut answer, is_own) = self.0.hostile.change(number, &asked, answer?);
        if let Some(path) = receiver {
            answer = lie::heard(&path, answer);
        }
        if is_own {
            self.0.ledger.answered(number);
        }
        if let Some(question) = question {
            let news = std::mem::take(&mut self.0.ledger.books().news);
            self.held().shown(&question, if is_own { answer.body() } else { b"" }, news);
        }
        Ok(answer)
    }

    /// What is hostile.
    pub fn hostile(&self) -> &Hostile {
        &self.0.hostile
    }
}

impl Network for MachineNetwork {
    fn client(&self, settings: &HttpSettings) -> Result<Arc<dyn HttpClient>, String> {
        Ok(Arc::new(MachineClient { network: self.clone(), inner: self.0.world.client(settings)? }))
    }
}

struct MachineClient {
    network: MachineNetwork,
    inner: Arc<dyn HttpClient>,
}

impl HttpClient for MachineClient {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, HttpError>> {
        Box::pin(self.network.send(self.inner.as_ref(), request))
    }
}
