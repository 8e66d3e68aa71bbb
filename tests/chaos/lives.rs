//! The lives of the process, each with an ingestion server of its own: so each accepted row is known to be of one life,
//! whatever was still under way when the life before ended.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::{HeaderValue, Request};
use jiff::Timestamp;
use nordpass_simulator::faults::{Faults, Plan};
use nordpass_simulator::server::Server;
use nordpass_simulator::{Ending, Endpoint, Gate, Reply, RequestLog, Service};

use crate::ledger::{Ledger, NUMBER};
use crate::port::listen;
use crate::sink::Sink;
use crate::support::{World, now};

/// All lives so far.
pub struct Lives {
    sink: Sink,
    begun: Vec<(Arc<Life>, Server)>,
    requests: Arc<AtomicU64>,
}

/// One life's view of the destination.
struct Life {
    ledger: Arc<Ledger>,
    /// The destination behind the world's faults.
    gate: Gate,
    sink: Sink,
    requests: Arc<AtomicU64>,
}

impl Service for Life {
    fn endpoint(&self, _path: &str) -> Endpoint {
        self.sink.endpoint()
    }

    fn handle(&self, request: &Request<Bytes>, now: Timestamp) -> Reply {
        let number = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let mut numbered = request.clone();
        numbered.headers_mut().insert(NUMBER, HeaderValue::from(number));
        let reply = self.gate.handle(&numbered, now);
        if reply.ending == Ending::Whole && reply.status().is_success() {
            self.ledger.answered(number);
        }
        reply
    }
}

/// One accepted copy of a row.
#[derive(Clone, Copy, Debug)]
pub struct Copy {
    /// Which life sent it, counted from 1.
    pub life: usize,
    /// The request; they count through all lives.
    pub request: u64,
    /// Whether the request was answered, and its answer not lost on the wire.
    pub answered: bool,
}

impl Lives {
    /// None yet, of a program with this sink.
    pub fn of(sink: Sink) -> Self {
        Self { sink, begun: Vec::new(), requests: Arc::default() }
    }

    /// A new life begins. Where its destination is.
    pub async fn begin(&mut self, world: &World) -> String {
        let ledger = Arc::new(Ledger::new(world.simulation.ingestion.clone(), "", Box::new(|_, _, _, _| None)));
        let gate = world.simulation.gate(self.sink.service(world, &ledger));
        let life = Arc::new(Life { ledger, gate, sink: self.sink, requests: self.requests.clone() });
        // The faults are inside; out here nothing goes wrong, and nothing is logged twice.
        let none = Faults::new(Plan::default(), Timestamp::from_second(now()).expect("a time"));
        let tokens = world.simulation.entra.tokens.clone();
        let outer = Gate::new(life.clone(), Arc::new(none), tokens, RequestLog::default());
        let server = listen(outer, world.authority.as_ref(), 0).await;
        let url = server.url();
        self.begun.push((life, server));
        url
    }

    /// How many there were.
    pub fn count(&self) -> usize {
        self.begun.len()
    }

    /// Rows accepted from a life, those included that were still under way when it ended.
    pub fn rows_of(&self, life: usize) -> usize {
        self.begun[life - 1].0.ledger.books().rows(self.sink.destination()).values().map(Vec::len).sum()
    }

    /// Every accepted row by id, its copies in the order in which they were accepted.
    pub fn copies(&self) -> BTreeMap<u128, Vec<Copy>> {
        let mut copies: BTreeMap<u128, Vec<Copy>> = BTreeMap::new();
        for (number, (life, _)) in self.begun.iter().enumerate() {
            let books = life.ledger.books();
            for (id, deliveries) in books.rows(self.sink.destination()) {
                let here = deliveries.iter().map(|delivery| Copy {
                    life: number + 1,
                    request: delivery.request,
                    answered: books.answered.contains(&delivery.request),
                });
                copies.entry(*id).or_default().extend(here);
            }
        }
        copies
    }

    /// The probe of each id. The error: an id that stood for two events.
    pub fn probes(&self) -> Result<BTreeMap<u128, String>, String> {
        let mut probes = BTreeMap::new();
        for (life, _) in &self.begun {
            let books = life.ledger.books();
            if let Some(id) = books.confused.first() {
                return Err(format!("the id {id:032x} stands for two events"));
            }
            for (id, probe) in &books.probes {
                match probes.insert(*id, probe.clone()) {
                    Some(known) if known != *probe => return Err(format!("the id {id:032x} stands for two events")),
                    _ => {}
                }
            }
        }
        Ok(probes)
    }
}
