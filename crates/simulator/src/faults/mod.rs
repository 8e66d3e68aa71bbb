//! Faults: what goes wrong, where and when. The same types serve tests in Rust and a TOML file:
//!
//! ```toml
//! seed = 7                       # decides the probabilities
//!
//! [[fault]]
//! endpoint = "ingestion"         # nordpass, entra, identity, ingestion, blob, splunk, elastic, otlp, http; all when absent
//! every = 10                     # or nth = [3, 4], probability = 0.05, after = "10s", before = "2m", path = "/streams/"
//! times = 2                      # at most so often
//! status = 429
//! retry_after = "5s"             # or "date:30s", "past", "huge", "junk"
//!
//! [[fault]]
//! endpoint = "nordpass"
//! probability = 0.02
//! truncate = 100                 # or reset = "before" | "after", html = true, expire_tokens = true, busy = 2
//! delay = "2s"
//! ```

mod file;
mod retry_after;

use std::{collections::BTreeMap, time::Duration};

use http::StatusCode;
use jiff::Timestamp;

pub use retry_after::RetryAfter;

use super::dice::Dice;
use super::reply::Endpoint;
use nordpass_env::{Mutex, mix};

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing but the delay.
    None,
    /// Another answer. The simulator doesn't see the request.
    Status {
        /// The status.
        status: StatusCode,
        /// The body.
        body: String,
        /// Headers.
        headers: BTreeMap<String, String>,
        /// `Retry-After`.
        retry_after: Option<RetryAfter>,
    },
    /// A page of a proxy or portal in the place of JSON, with this status.
    Html(StatusCode),
    /// The connection is reset before the simulator has the request.
    ResetBefore,
    /// The simulator takes the request, and its answer is lost: the client can't know.
    ResetAfter,
    /// The simulator takes the request, and its answer breaks off after this many bytes of the body.
    Truncate(usize),
    /// Every token issued so far is void; the request goes on and meets that.
    ExpireTokens,
    /// A receiver has no room for each so-manieth record of the request: Elastic says so of each, the others refuse the request.
    Busy(u64),
}

/// When it goes wrong. Everything that is given must hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct When {
    /// Only at this endpoint.
    pub endpoint: Option<Endpoint>,
    /// Only if the path contains this.
    pub path: Option<String>,
    /// At these requests of those that match endpoint and path, counted from 1; any when empty.
    pub nth: Vec<u64>,
    /// At each request whose number is a multiple of this.
    pub every: Option<u64>,
    /// From this long after the start.
    pub after: Option<Duration>,
    /// Until this long after the start.
    pub before: Option<Duration>,
    /// By chance.
    pub probability: Option<f64>,
    /// At most so often.
    pub times: Option<u64>,
}

/// One fault.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// When.
    pub when: When,
    /// What.
    pub effect: Effect,
    /// How long the answer takes besides.
    pub delay: Duration,
}

impl Fault {
    /// A fault without a delay.
    pub fn new(when: When, effect: Effect) -> Self {
        Self { when, effect, delay: Duration::ZERO }
    }

    /// A bare status at one endpoint, at these requests (counted from 1; all when empty).
    pub fn status(endpoint: Endpoint, nth: &[u64], status: u16) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let effect = Effect::Status { status, body: String::new(), headers: BTreeMap::new(), retry_after: None };
        Self::new(When { endpoint: Some(endpoint), nth: nth.to_vec(), ..When::default() }, effect)
    }
}

/// The plan of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Decides the probabilities.
    pub seed: u64,
    /// The faults. The first that applies to a request is the one that happens.
    pub faults: Vec<Fault>,
}

impl Plan {
    /// Reads a faults file. The error says where it is wrong.
    pub fn from_toml(text: &str) -> Result<Self, String> {
        file::read(text)
    }
}

/// A plan in action: it counts requests.
#[derive(Debug)]
pub struct Faults {
    started: Timestamp,
    seed: u64,
    rules: Mutex<Vec<Rule>>,
}

#[derive(Debug)]
struct Rule {
    fault: Fault,
    seen: u64,
    happened: u64,
}

impl Faults {
    /// Begins now.
    pub fn new(plan: Plan, started: Timestamp) -> Self {
        let rules = plan.faults.into_iter().map(Rule::new).collect();
        Self { started, seed: plan.seed, rules: Mutex::new(rules) }
    }

    /// Adds a fault while it runs; its requests are counted from here on.
    pub fn add(&self, fault: Fault) {
        self.rules.lock().push(Rule::new(fault));
    }

    /// Ends all faults.
    pub fn clear(&self) {
        self.rules.lock().clear();
    }

    /// Counts a request, and says what goes wrong with it.
    pub fn decide(&self, endpoint: Endpoint, path: &str, now: Timestamp) -> Option<Fault> {
        let since = Duration::try_from(now.duration_since(self.started)).unwrap_or_default();
        let mut decided = None;
        for (number, rule) in self.rules.lock().iter_mut().enumerate() {
            let when = &rule.fault.when;
            let here = when.endpoint.is_none_or(|at| at == endpoint)
                && when.path.as_deref().is_none_or(|part| path.contains(part));
            if !here {
                continue;
            }
            // Every rule counts every request of its place, whichever rule wins.
            rule.seen += 1;
            // The draw depends on the request's number alone, so that one rule never shifts another's luck.
            let luck = Dice::new(mix(self.seed ^ mix(number as u64 + 1)) ^ rule.seen).fraction();
            if decided.is_none() && rule.applies(since, luck) {
                rule.happened += 1;
                decided = Some(rule.fault.clone());
            }
        }
        decided
    }

    /// How often the faults have happened, in the order of the plan.
    pub fn happened(&self) -> Vec<u64> {
        self.rules.lock().iter().map(|rule| rule.happened).collect()
    }
}

impl Rule {
    fn new(fault: Fault) -> Self {
        Self { fault, seen: 0, happened: 0 }
    }

    fn applies(&self, since: Duration, luck: f64) -> bool {
        let when = &self.fault.when;
        (when.nth.is_empty() || when.nth.contains(&self.seen))
            && when.every.is_none_or(|every| self.seen.is_multiple_of(every.max(1)))
            && when.after.is_none_or(|after| since >= after)
            && when.before.is_none_or(|before| since < before)
            && when.probability.is_none_or(|probability| luck < probability)
            && when.times.is_none_or(|times| self.happened < times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).expect("a time")
    }

    fn decisions(when: When, count: i64) -> Vec<i64> {
        let faults = Faults::new(Plan { seed: 1, faults: vec![Fault::new(when, Effect::None)] }, at(0));
        (1..=count).filter(|second| faults.decide(Endpoint::Nordpass, "/a/b", at(*second)).is_some()).collect()
    }

    #[test]
    fn every_condition_counts() {
        let when = When::default;
        assert_eq!(decisions(When { nth: vec![2, 4], ..when() }, 5), [2, 4]);
        assert_eq!(decisions(When { every: Some(3), ..when() }, 9), [3, 6, 9]);
        assert_eq!(decisions(When { after: Some(Duration::from_secs(4)), ..when() }, 6), [4, 5, 6]);
        assert_eq!(decisions(When { before: Some(Duration::from_secs(3)), ..when() }, 6), [1, 2]);
        assert_eq!(decisions(When { times: Some(2), ..when() }, 6), [1, 2]);
        assert_eq!(decisions(When { every: Some(2), times: Some(1), ..when() }, 6), [2]);
        assert_eq!(decisions(When { path: Some("/b".into()), ..when() }, 2), [1, 2]);
        assert!(decisions(When { path: Some("/c".into()), ..when() }, 2).is_empty());
        assert!(decisions(When { endpoint: Some(Endpoint::Entra), ..when() }, 2).is_empty());
    }

    #[test]
    fn chance_follows_the_seed() {
        let when = When { probability: Some(0.2), ..When::default() };
        let decided = decisions(when.clone(), 1000);
        assert!((140..260).contains(&decided.len()), "{}", decided.len());
        assert_eq!(decided, decisions(when, 1000));
    }

    #[test]
    fn the_first_that_applies_wins_and_all_count() {
        let nth = |nth| Fault::status(Endpoint::Nordpass, &[nth], 500);
        let faults = Faults::new(Plan { seed: 0, faults: vec![nth(1), nth(1), nth(2)] }, at(0));
        faults.decide(Endpoint::Nordpass, "/", at(0));
        faults.decide(Endpoint::Nordpass, "/", at(0));
        assert_eq!(faults.happened(), [1, 0, 1]);
        faults.clear();
        faults.add(nth(1));
        assert!(faults.decide(Endpoint::Nordpass, "/", at(0)).is_some());
    }
}
