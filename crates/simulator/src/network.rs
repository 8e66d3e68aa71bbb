//! The simulators behind the product's own HTTP handle: no socket, no thread, the same every time for a seed.
//!
//! Delays pass in tokio's time, so a test at paused time waits for nothing. A client that gives up (its time limit, or
//! a dropped future) does so at the moment it would in real life: the request may have been taken by then.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response};

use super::dice::Dice;
use super::gate::Gate;
use super::reply::{Ending, Reply};
use nordpass_env::kafka::Broker;
use nordpass_env::{Clock, HttpClient, HttpError, HttpSettings, Mutex, Network};

/// A network that knows only the simulated hosts. Cloning shares it.
#[derive(Clone)]
pub struct SimulatedNetwork {
    clock: Arc<dyn Clock>,
    state: Arc<Mutex<State>>,
}

struct State {
    hosts: HashMap<String, Gate>,
    brokers: HashMap<String, Arc<dyn Broker>>,
    cut: HashSet<String>,
    dice: Dice,
    /// Time on the wire, to and fro, at least and at most.
    latency: (Duration, Duration),
}

impl SimulatedNetwork {
    /// A network without hosts and without latency.
    pub fn new(clock: Arc<dyn Clock>, seed: u64) -> Self {
        let latency = (Duration::ZERO, Duration::ZERO);
        let state = State {
            hosts: HashMap::new(),
            brokers: HashMap::new(),
            cut: HashSet::new(),
            dice: Dice::new(seed),
            latency,
        };
        Self { clock, state: Arc::new(Mutex::new(state)) }
    }

    /// Puts a simulator behind a host name (with a port if clients name one).
    #[must_use]
    pub fn route(self, host: &str, gate: Gate) -> Self {
        self.state.lock().hosts.insert(host.to_owned(), gate);
        self
    }

    /// Puts a broker behind an address. Latency and [`Self::cut`] are for hosts; a broker has its own.
    #[must_use]
    pub fn route_broker(self, address: &str, broker: Arc<dyn Broker>) -> Self {
        self.state.lock().brokers.insert(address.to_owned(), broker);
        self
    }

    /// Every request takes a time between these, drawn by the seed.
    #[must_use]
    pub fn latency(self, least: Duration, most: Duration) -> Self {
        self.state.lock().latency = (least, most.max(least));
        self
    }

    /// Cuts a host off: no connection until [`Self::restore`].
    pub fn cut(&self, host: &str) {
        self.state.lock().cut.insert(host.to_owned());
    }

    /// Brings a host back.
    pub fn restore(&self, host: &str) {
        self.state.lock().cut.remove(host);
    }

    /// The gate of a request's host and the time its two ways take.
    fn connect(&self, request: &Request<Bytes>) -> Result<(Gate, Duration, Duration), HttpError> {
        let uri = request.uri();
        let (host, authority) = (uri.host().unwrap_or_default(), uri.authority().map_or("", |it| it.as_str()));
        let refused = |reason: &str| HttpError::Connect { host: host.to_owned(), reason: reason.to_owned() };
        let mut state = self.state.lock();
        if state.cut.contains(host) || state.cut.contains(authority) {
            return Err(refused("connection refused"));
        }
        let gate = state.hosts.get(authority).or_else(|| state.hosts.get(host)).cloned();
        let gate = gate.ok_or_else(|| refused("failed to lookup address information: Name or service not known"))?;
        Ok((gate, state.wire(), state.wire()))
    }
}

impl State {
    fn wire(&mut self) -> Duration {
        let (least, most) = self.latency;
        if most.is_zero() {
            return Duration::ZERO;
        }
        (least + most.saturating_sub(least).mul_f64(self.dice.fraction())) / 2
    }
}

impl Network for SimulatedNetwork {
    fn client(&self, settings: &HttpSettings) -> Result<Arc<dyn HttpClient>, String> {
        Ok(Arc::new(SimulatedClient { network: self.clone(), settings: settings.clone() }))
    }

    fn broker(&self, bootstrap_servers: &[String]) -> Option<Arc<dyn Broker>> {
        let state = self.state.lock();
        bootstrap_servers.iter().find_map(|address| state.brokers.get(address).cloned())
    }
}

struct SimulatedClient {
    network: SimulatedNetwork,
    settings: HttpSettings,
}

impl HttpClient for SimulatedClient {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, HttpError>> {
        Box::pin(async move {
            let host = request.uri().host().unwrap_or_default().to_owned();
            let after = self.settings.request_timeout;
            let answer = tokio::time::timeout(after, self.exchange(&request, &host)).await;
            answer.unwrap_or(Err(HttpError::Timeout { host, after }))
        })
    }
}

impl SimulatedClient {
    async fn exchange(&self, request: &Request<Bytes>, host: &str) -> Result<Response<Bytes>, HttpError> {
        let (host, limit) = (host.to_owned(), self.settings.max_body_bytes);
        let (gate, there, back) = self.network.connect(request)?;
        sleep(there).await;
        let Reply { response, delay, ending } = gate.handle(request, self.network.clock.now());
        sleep(back + delay).await;
        match ending {
            Ending::Reset => Err(HttpError::Connect { host, reason: "connection reset by peer".to_owned() }),
            Ending::Cut(_) => {
                Err(HttpError::Body { host, reason: "connection closed before message completed".to_owned() })
            }
            Ending::Whole if response.body().len() > limit => Err(HttpError::TooLarge { host, limit }),
            Ending::Whole => Ok(response),
        }
    }
}

/// A sleep of zero would still yield: what takes no time must not change the order of things.
async fn sleep(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use tokio::time::Instant;

    use super::*;
    use crate::faults::{Effect, Fault, When};
    use crate::reply::Endpoint;
    use crate::{Simulation, SimulationOptions};
    use nordpass_env::TestClock;

    fn start() -> Timestamp {
        Timestamp::from_second(1_800_000_000).expect("a time")
    }

    fn simulation() -> (Simulation, SimulatedNetwork) {
        let clock = Arc::new(TestClock::starting_at(start()));
        let simulation = Simulation::new(SimulationOptions::default(), start());
        let network =
            SimulatedNetwork::new(clock, 1).route("api.example", simulation.gate(simulation.nordpass.clone()));
        (simulation, network)
    }

    async fn ask(network: &SimulatedNetwork, settings: &HttpSettings, host: &str) -> Result<u16, HttpError> {
        let client = network.client(settings).expect("a client");
        let request = Request::post(format!("https://{host}/activities/query"))
            .header("authorization", "simulated-nordpass-token")
            .header("content-type", "application/json")
            .body(Bytes::from_static(b"{}"))
            .expect("a request");
        client.send(request).await.map(|response| response.status().as_u16())
    }

    #[tokio::test(start_paused = true)]
    async fn hosts_answer_unless_unknown_or_cut() {
        let (_, network) = simulation();
        let settings = HttpSettings::default();
        assert_eq!(ask(&network, &settings, "api.example").await, Ok(200));
        assert!(matches!(ask(&network, &settings, "b.example").await, Err(HttpError::Connect { .. })));
        network.cut("api.example");
        assert!(matches!(ask(&network, &settings, "api.example").await, Err(HttpError::Connect { .. })));
        network.restore("api.example");
        assert_eq!(ask(&network, &settings, "api.example").await, Ok(200));
    }

    #[tokio::test(start_paused = true)]
    async fn delays_pass_and_time_runs_out() {
        let (simulation, network) = simulation();
        let slow = |seconds| Fault { delay: Duration::from_secs(seconds), ..Fault::new(When::default(), Effect::None) };
        let settings = HttpSettings { request_timeout: Duration::from_secs(10), ..HttpSettings::default() };
        simulation.faults.add(slow(9));
        let began = Instant::now();
        assert_eq!(ask(&network, &settings, "api.example").await, Ok(200));
        assert_eq!(began.elapsed(), Duration::from_secs(9));
        simulation.faults.clear();
        simulation.faults.add(slow(11));
        let timeout = HttpError::Timeout { host: "api.example".into(), after: Duration::from_secs(10) };
        assert_eq!(ask(&network, &settings, "api.example").await, Err(timeout));
        assert_eq!(began.elapsed(), Duration::from_secs(19));
        assert_eq!(simulation.log().at(Endpoint::Nordpass).len(), 2, "the request was taken all the same");
    }

    #[tokio::test(start_paused = true)]
    async fn faults_become_errors() {
        let (simulation, network) = simulation();
        let settings = HttpSettings::default();
        for (effect, connect) in [(Effect::ResetBefore, true), (Effect::ResetAfter, true), (Effect::Truncate(3), false)]
        {
            simulation.faults.clear();
            simulation.faults.add(Fault::new(When::default(), effect.clone()));
            let error = ask(&network, &settings, "api.example").await.expect_err("no answer");
            assert_eq!(matches!(error, HttpError::Connect { .. }), connect, "{effect:?}: {error}");
            assert_eq!(matches!(error, HttpError::Body { .. }), !connect, "{effect:?}: {error}");
        }
        simulation.faults.clear();
        let small = HttpSettings { max_body_bytes: 10, ..HttpSettings::default() };
        assert!(matches!(ask(&network, &small, "api.example").await, Err(HttpError::TooLarge { limit: 10, .. })));
    }

    #[tokio::test(start_paused = true)]
    async fn latency_follows_the_seed() {
        let mut times = Vec::new();
        for _ in 0..2 {
            let (_, network) = simulation();
            let network = network.latency(Duration::from_millis(10), Duration::from_millis(50));
            let began = Instant::now();
            for _ in 0..5 {
                ask(&network, &HttpSettings::default(), "api.example").await.expect("an answer");
            }
            times.push(began.elapsed());
        }
        assert_eq!(times[0], times[1]);
        assert!((Duration::from_millis(50)..=Duration::from_millis(260)).contains(&times[0]), "{times:?}");
    }
}
