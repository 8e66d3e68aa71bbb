//! What stands in front of a simulator: the faults, and the log of requests.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use http::{Request, StatusCode};
use jiff::Timestamp;

use super::entra::Tokens;
use super::faults::{Effect, Fault, Faults};
use super::reply::{Busy, CONTROL_PATH, Ending, Endpoint, Reply, Service};
use nordpass_env::Mutex;

/// How many requests the log remembers.
const LOG_ENTRIES: usize = 100_000;

/// How much of a request's body it remembers: a query to NordPass is far shorter, a batch for Azure isn't kept.
const LOG_BODY: usize = 32 << 10;

const HTML: &str = "<!DOCTYPE html>\n<html><head><title>Service unavailable</title></head>\n<body><h1>We'll be right back</h1></body></html>\n";

/// A request as it was seen.
#[derive(Clone, Debug)]
pub struct LoggedRequest {
    /// When.
    pub at: Timestamp,
    /// Where.
    pub endpoint: Endpoint,
    /// Its method.
    pub method: http::Method,
    /// Path and query.
    pub path: String,
    /// A copy of its body; empty when longer than 32 KiB.
    pub body: Bytes,
    /// The body's length.
    pub body_length: usize,
    /// The status of the answer; `None` when the connection was reset instead.
    pub status: Option<StatusCode>,
    /// Whether a fault took part.
    pub fault: bool,
}

/// The requests of one or several gates, in order. Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct RequestLog(Arc<Mutex<Entries>>);

#[derive(Debug, Default)]
struct Entries {
    number: u64,
    entries: VecDeque<LoggedRequest>,
}

impl RequestLog {
    /// The latest requests.
    pub fn entries(&self) -> Vec<LoggedRequest> {
        self.0.lock().entries.iter().cloned().collect()
    }

    /// The latest requests at one endpoint.
    pub fn at(&self, endpoint: Endpoint) -> Vec<LoggedRequest> {
        self.entries().into_iter().filter(|entry| entry.endpoint == endpoint).collect()
    }

    /// How many requests there were in all.
    pub fn count(&self) -> u64 {
        self.0.lock().number
    }

    fn add(&self, entry: LoggedRequest) {
        let mut log = self.0.lock();
        log.number += 1;
        if log.entries.len() == LOG_ENTRIES {
            log.entries.pop_front();
        }
        log.entries.push_back(entry);
    }
}

/// A simulator with its faults and its log. Cloning shares all three.
#[derive(Clone)]
pub struct Gate {
    service: Arc<dyn Service>,
    faults: Arc<Faults>,
    tokens: Tokens,
    log: RequestLog,
}

impl Gate {
    /// A gate before `service`; `tokens` are those that [`Effect::ExpireTokens`] makes void.
    pub fn new(service: Arc<dyn Service>, faults: Arc<Faults>, tokens: Tokens, log: RequestLog) -> Self {
        Self { service, faults, tokens, log }
    }

    /// The answer to a request.
    pub fn handle(&self, request: &Request<Bytes>, now: Timestamp) -> Reply {
        if request.uri().path() == CONTROL_PATH {
            return self.service.handle(request, now);
        }
        let endpoint = self.service.endpoint(request.uri().path());
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let fault = self.faults.decide(endpoint, path, now);
        let reply = match &fault {
            None => self.service.handle(request, now),
            Some(fault) => self.spoilt(fault, request, now),
        };
        self.log.add(LoggedRequest {
            at: now,
            endpoint,
            method: request.method().clone(),
            path: path.to_owned(),
            // A copy: the sender's buffer may be much larger than what is in it.
            body: if request.body().len() <= LOG_BODY { Bytes::copy_from_slice(request.body()) } else { Bytes::new() },
            body_length: request.body().len(),
            status: (reply.ending != Ending::Reset).then(|| reply.status()),
            fault: fault.is_some(),
        });
        reply
    }

    fn spoilt(&self, fault: &Fault, request: &Request<Bytes>, now: Timestamp) -> Reply {
        let mut reply = match &fault.effect {
            Effect::None => self.service.handle(request, now),
            Effect::Status { status, body, headers, retry_after } => {
                let media_type = if body.is_empty() { "" } else { "application/json" };
                let reply = Reply::new(*status, media_type, body.clone());
                let reply = headers.iter().fold(reply, |reply, (name, value)| reply.with_header(name, value));
                match retry_after {
                    Some(shape) => reply.with_header("retry-after", &shape.value(now)),
                    None => reply,
                }
            }
            Effect::Html(status) => Reply::new(*status, "text/html; charset=utf-8", HTML),
            Effect::ResetBefore => reset(),
            Effect::ResetAfter => {
                self.service.handle(request, now);
                reset()
            }
            Effect::Truncate(bytes) => {
                let mut reply = self.service.handle(request, now);
                // An answer without a body can only be cut before its head is complete: nothing of it arrives.
                reply.ending = match reply.response.body().len() {
                    0 => Ending::Reset,
                    length => Ending::Cut((*bytes).min(length - 1)),
                };
                reply
            }
            Effect::ExpireTokens => {
                self.tokens.revoke_all();
                self.service.handle(request, now)
            }
            Effect::Busy(every) => {
                let mut request = request.clone();
                request.extensions_mut().insert(Busy(*every));
                self.service.handle(&request, now)
            }
        };
        reply.delay += fault.delay;
        reply
    }
}

fn reset() -> Reply {
    let mut reply = Reply::new(StatusCode::OK, "", Bytes::new());
    reply.ending = Ending::Reset;
    reply
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::faults::{Plan, RetryAfter, When};

    /// Counts what reaches it.
    #[derive(Default)]
    struct Counter(Mutex<u64>);

    impl Service for Counter {
        fn endpoint(&self, _path: &str) -> Endpoint {
            Endpoint::Ingestion
        }

        fn handle(&self, _request: &Request<Bytes>, _now: Timestamp) -> Reply {
            *self.0.lock() += 1;
            Reply::json(StatusCode::OK, r#"{"ok":true}"#)
        }
    }

    /// The reply under a fault, whether the service saw the request, and the log's entry.
    fn under(effect: Effect) -> (Reply, bool, LoggedRequest) {
        let service = Arc::new(Counter::default());
        let now = Timestamp::from_second(1_800_000_000).expect("a time");
        let mut fault = Fault::new(When::default(), effect);
        fault.delay = Duration::from_secs(2);
        let plan = Plan { seed: 0, faults: vec![fault] };
        let log = RequestLog::default();
        let gate = Gate::new(service.clone(), Arc::new(Faults::new(plan, now)), Tokens::default(), log.clone());
        let request = Request::post("https://a.example/b?c=d").body(Bytes::from_static(b"{}")).expect("a request");
        let reply = gate.handle(&request, now);
        assert_eq!(reply.delay, Duration::from_secs(2));
        let seen = *service.0.lock() == 1;
        (reply, seen, log.entries().remove(0))
    }

    #[test]
    fn each_effect() {
        let status = Effect::Status {
            status: StatusCode::TOO_MANY_REQUESTS,
            body: "{}".into(),
            headers: BTreeMap::from([("x-a".to_owned(), "b".to_owned())]),
            retry_after: Some(RetryAfter::Seconds(5)),
        };
        let (reply, seen, logged) = under(status);
        assert_eq!((reply.status().as_u16(), seen, logged.fault), (429, false, true));
        assert_eq!(
            (&reply.response.headers()["retry-after"], &reply.response.headers()["x-a"]),
            (&"5".parse().unwrap(), &"b".parse().unwrap())
        );

        let (reply, seen, _) = under(Effect::Html(StatusCode::OK));
        assert!(reply.response.body().starts_with(b"<!DOCTYPE") && !seen);
        assert_eq!(reply.response.headers()["content-type"], "text/html; charset=utf-8");

        let (reply, seen, logged) = under(Effect::ResetBefore);
        assert_eq!((reply.ending, seen, logged.status), (Ending::Reset, false, None));
        let (reply, seen, _) = under(Effect::ResetAfter);
        assert_eq!((reply.ending, seen), (Ending::Reset, true));
        let (reply, seen, _) = under(Effect::Truncate(4));
        assert_eq!((reply.ending, seen), (Ending::Cut(4), true));
        let (_, seen, logged) = under(Effect::None);
        assert!(seen);
        assert_eq!((&*logged.path, &logged.body[..], logged.status), ("/b?c=d", &b"{}"[..], Some(StatusCode::OK)));
    }

    #[test]
    fn tokens_expire_before_the_request_is_looked_at() {
        let now = Timestamp::from_second(1_800_000_000).expect("a time");
        let tokens = Tokens::default();
        let token = tokens.issue("a", Duration::from_mins(1), now);
        let plan = Plan { seed: 0, faults: vec![Fault::new(When::default(), Effect::ExpireTokens)] };
        let gate = Gate::new(
            Arc::new(Counter::default()),
            Arc::new(Faults::new(plan, now)),
            tokens.clone(),
            RequestLog::default(),
        );
        gate.handle(&Request::get("https://a.example/").body(Bytes::new()).expect("a request"), now);
        assert!(tokens.check(&token, "a", now).is_err());
    }
}
