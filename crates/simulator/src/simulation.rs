//! One of each simulator, wired together: what the demo, `simulate` and the tests begin with.

use std::{collections::BTreeMap, io, sync::Arc};

use jiff::Timestamp;

use super::blob::BlobAccount;
use super::entra::{self, Entra, Tokens};
use super::event::SimulatedEvent;
use super::faults::{Faults, Plan};
use super::gate::{Gate, RequestLog};
use super::generator::Generator;
use super::ingestion::{self, Ingestion};
use super::judge::{Received, Verdict, judge};
use super::network::SimulatedNetwork;
use super::nordpass::{self, NordPass};
use super::probe::probe_of;
use super::receiver::{self, Receivers};
use super::reply::Service;
use super::server::{Authority, Server, ServerOptions};
use nordpass_env::Clock;

/// What the simulators are made of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SimulationOptions {
    /// The events that NordPass has from the start.
    pub events: Vec<SimulatedEvent>,
    /// The Activity Logs API.
    pub nordpass: nordpass::Settings,
    /// Entra ID.
    pub entra: entra::Settings,
    /// The Logs Ingestion API.
    pub ingestion: ingestion::Settings,
    /// The receivers of records over HTTP.
    pub receivers: receiver::Settings,
    /// What goes wrong.
    pub faults: Plan,
}

/// The three simulators with their faults and their log. Cloning shares them.
#[derive(Clone, Debug)]
pub struct Simulation {
    /// The Activity Logs API.
    pub nordpass: Arc<NordPass>,
    /// Entra ID.
    pub entra: Arc<Entra>,
    /// The Logs Ingestion API.
    pub ingestion: Arc<Ingestion>,
    /// The storage account.
    pub blobs: Arc<BlobAccount>,
    /// The receivers of records over HTTP.
    pub receivers: Arc<Receivers>,
    /// The faults of all of them.
    pub faults: Arc<Faults>,
    log: RequestLog,
}

/// The ports of the servers; 0 for a free one.
#[derive(Clone, Copy, Debug, Default)]
pub struct ServerPorts {
    /// The Activity Logs API.
    pub nordpass: u16,
    /// Entra ID and the managed-identity endpoints.
    pub entra: u16,
    /// The Logs Ingestion API.
    pub ingestion: u16,
    /// The receivers of records over HTTP.
    pub receivers: u16,
}

/// The simulators as servers; they end when this is dropped.
#[derive(Debug)]
pub struct Servers {
    /// The Activity Logs API.
    pub nordpass: Server,
    /// Entra ID. With TLS this is the token endpoint only as far as clients ask it over TLS.
    pub entra: Server,
    /// The managed-identity endpoints again, always plain: like the real ones they are asked over http.
    pub identity: Server,
    /// The Logs Ingestion API.
    pub ingestion: Server,
    /// The receivers of records over HTTP, by their paths.
    pub receivers: Server,
}

/// One event at both ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The JSON text that NordPass shows.
    pub event: String,
    /// The table of the row.
    pub table: String,
    /// The JSON text of the row, as it was sent.
    pub row: String,
}

impl Simulation {
    /// The URL of the Activity Logs API on [`Self::network`].
    pub const NORDPASS_URL: &str = "https://api-activities.eu.nordpass.com/activities/query";
    /// The URL of the Logs Ingestion API on [`Self::network`].
    pub const INGESTION_URL: &str = "https://nordpass-5kyl.westeurope-1.ingest.monitor.azure.com";
    /// The blob endpoint of the storage account on [`Self::network`].
    pub const BLOB_URL: &str = "https://nordpass5kyl.blob.core.windows.net";
    /// Where the receivers of records are on [`Self::network`].
    pub const RECEIVERS_URL: &str = "https://receivers.example";
    /// The App Service identity endpoint on [`Self::network`].
    pub const IDENTITY_URL: &str = "http://127.0.0.1:41741/msi/token";

    /// Simulators whose fault times count from `now`.
    pub fn new(options: SimulationOptions, now: Timestamp) -> Self {
        let tokens = Tokens::default();
        Self {
            nordpass: Arc::new(NordPass::new(options.nordpass, options.events)),
            entra: Arc::new(Entra::new(options.entra, tokens.clone())),
            ingestion: Arc::new(Ingestion::new(options.ingestion, tokens.clone())),
            receivers: Arc::new(Receivers::new(options.receivers, tokens.clone())),
            blobs: Arc::new(BlobAccount::new(tokens)),
            faults: Arc::new(Faults::new(options.faults, now)),
            log: RequestLog::default(),
        }
    }

    /// The requests to all three.
    pub fn log(&self) -> &RequestLog {
        &self.log
    }

    /// One of these simulators, or a service of one's own, with the faults and the log.
    pub fn gate(&self, service: Arc<dyn Service>) -> Gate {
        Gate::new(service, self.faults.clone(), self.entra.tokens.clone(), self.log.clone())
    }

    /// All of it behind the product's network handle, under the real host names; `seed` decides its latency.
    pub fn network(&self, clock: Arc<dyn Clock>, seed: u64) -> SimulatedNetwork {
        let network = SimulatedNetwork::new(clock, seed)
            .route("api-activities.eu.nordpass.com", self.gate(self.nordpass.clone()))
            .route("nordpass-5kyl.westeurope-1.ingest.monitor.azure.com", self.gate(self.ingestion.clone()))
            .route("nordpass5kyl.blob.core.windows.net", self.gate(self.blobs.clone()))
            .route("receivers.example", self.gate(self.receivers.clone()));
        let entra = ["login.microsoftonline.com", "169.254.169.254", "127.0.0.1:41741"];
        entra.iter().fold(network, |network, host| network.route(host, self.gate(self.entra.clone())))
    }

    /// All of it on loopback sockets.
    pub async fn serve(
        &self,
        ports: ServerPorts,
        tls: Option<&Authority>,
        clock: Arc<dyn Clock>,
    ) -> io::Result<Servers> {
        let start = |gate, port, tls: Option<&Authority>| {
            Server::start(gate, clock.clone(), ServerOptions { port, tls: tls.cloned(), chunked: false })
        };
        Ok(Servers {
            nordpass: start(self.gate(self.nordpass.clone()), ports.nordpass, tls).await?,
            entra: start(self.gate(self.entra.clone()), ports.entra, tls).await?,
            identity: start(self.gate(self.entra.clone()), 0, None).await?,
            ingestion: start(self.gate(self.ingestion.clone()), ports.ingestion, tls).await?,
            receivers: start(self.gate(self.receivers.clone()), ports.receivers, tls).await?,
        })
    }

    /// Lets events happen at `rate` per second, for ever; each shows within a second.
    pub async fn trickle(self, mut generator: Generator, rate: f64, clock: Arc<dyn Clock>) {
        let mut from = clock.now_seconds();
        loop {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            let to = clock.now_seconds();
            self.nordpass.extend(generator.live(from, to, rate));
            from = to.max(from);
        }
    }

    /// What arrived at each receiver that has records, by its name in a faults file, compared with what NordPass has.
    pub fn receiver_verdicts(&self) -> BTreeMap<&'static str, Verdict> {
        let received = self.receivers.all_received();
        received.iter().map(|(name, received)| (*name, self.verdict_on(received))).collect()
    }

    /// What arrived at the ingestion side, compared with what NordPass has.
    pub fn verdict(&self) -> Verdict {
        self.verdict_on(&self.ingestion.received())
    }

    /// An event with the table and row that it became: of the tables with rows, the first by name.
    pub fn sample(&self) -> Option<Sample> {
        let (table, row) = self.ingestion.first_rows().into_iter().next()?;
        let event = self.nordpass.event(&probe_of(&row)?)?;
        Some(Sample { event: event.json().to_owned(), table, row: row.into() })
    }

    /// What arrived anywhere, such as in files, compared with what NordPass has.
    pub fn verdict_on(&self, received: &Received) -> Verdict {
        judge(&self.nordpass.world(), &self.nordpass.shown(), &self.nordpass.due(), received)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;
    use http::Request;
    use serde_json::Value;

    use super::*;
    use crate::generator::Options;
    use nordpass_env::{HttpSettings, Network as _, TestClock};

    const NOW: i64 = 1_800_000_000;

    /// A reader and writer of a few lines: the judge has to see what it does wrong.
    async fn pipe(skip: Option<usize>, twice: Option<usize>) -> Verdict {
        let start = Timestamp::from_second(NOW).expect("a time");
        let events = Generator::new(1, Options { twins: 0.05, ..Options::default() }).history(NOW - 86_400, NOW, 90);
        let simulation = Simulation::new(SimulationOptions { events, ..SimulationOptions::default() }, start);
        let network = simulation.network(Arc::new(TestClock::starting_at(start)), 1);
        let client = network.client(&HttpSettings::default()).expect("a client");

        let body = format!(r#"{{"timestamp_from":{},"timestamp_to":{NOW},"page":1,"per_page":100}}"#, NOW - 90_000);
        let request = Request::post(Simulation::NORDPASS_URL)
            .header("authorization", "simulated-nordpass-token")
            .header("content-type", "application/json")
            .body(Bytes::from(body));
        let page = client.send(request.expect("a request")).await.expect("an answer");
        let page: Value = serde_json::from_slice(page.body()).expect("JSON");

        let mut rows = Vec::new();
        for (number, event) in page["data"].as_array().expect("events").iter().enumerate() {
            let copies = if skip == Some(number) { 0 } else { 1 + usize::from(twice == Some(number)) };
            let row = serde_json::json!({"event_type": event["type"], "metadata": event["metadata"]});
            rows.extend(std::iter::repeat_n(row, copies));
        }
        let token = simulation.entra.tokens.issue("https://monitor.azure.com", Duration::from_mins(1), start);
        let url = format!(
            "{}/dataCollectionRules/{}/streams/Custom-NordPassEventLogs_CL?api-version=2023-01-01",
            Simulation::INGESTION_URL,
            ingestion::IMMUTABLE_ID
        );
        let request = Request::post(url)
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .body(Bytes::from(Value::from(rows).to_string()));
        let answer = client.send(request.expect("a request")).await.expect("an answer");
        assert_eq!(answer.status(), 204, "{:?}", answer.body());
        simulation.verdict()
    }

    #[tokio::test(start_paused = true)]
    async fn the_judge_sees_every_slip() {
        let good = pipe(None, None).await;
        assert_eq!((good.events_read, good.events_delivered, good.events_lost, good.events_duplicated), (90, 90, 0, 0));
        assert_eq!((good.rows["NordPassEventLogs_CL"], good.rows_without_probe), (90, 0));
        let lost = pipe(Some(7), None).await;
        assert_eq!((lost.events_read, lost.events_delivered, lost.events_lost), (90, 89, 1));
        let doubled = pipe(None, Some(7)).await;
        assert_eq!((doubled.events_delivered, doubled.events_lost, doubled.events_duplicated), (90, 0, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn events_trickle() {
        let start = Timestamp::from_second(NOW).expect("a time");
        let clock = Arc::new(TestClock::starting_at(start));
        let simulation = Simulation::new(SimulationOptions::default(), start);
        let generator = Generator::new(1, Options::default());
        let trickle = simulation.clone().trickle(generator, 2.0, clock);
        let _ = tokio::time::timeout(Duration::from_millis(10_500), trickle).await;
        assert_eq!(simulation.nordpass.count(), 20);
    }
}
