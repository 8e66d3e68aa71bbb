//! Peers that aren't broken but hostile: what they answer instead, or make of an answer. They can't make the process lose an
//! event, say a secret, or end.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use nordpass_env::mix;
use nordpass_simulator::Dice;
use nordpass_simulator::nordpass::{Order, Total};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::pipeline::{READY_TOKEN, host};
use crate::plan::{Host, Plan};
use crate::world::World;

/// Tokens are renewed all the time; the first ones are as good as any.
const MOST_SECRETS: usize = 8;

/// What is hostile in a world.
pub struct Hostile {
    seed: u64,
    /// The share of answers that are changed.
    share: f64,
    /// Where the counts and the pages of NordPass stop, for good.
    cap: Option<usize>,
    until: Instant,
    /// The secrets that were sent.
    secrets: Mutex<BTreeSet<String>>,
}

/// What is needed of a request to be hostile to it.
pub struct Asked {
    host: Option<Host>,
    authorization: String,
    body: Bytes,
}

#[derive(serde::Deserialize)]
struct Question {
    page: usize,
    per_page: usize,
}

#[derive(serde::Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    data: Vec<&'a RawValue>,
    metadata: Map<String, Value>,
}

impl Page<'_> {
    fn text(&self) -> String {
        let data: Vec<&str> = self.data.iter().map(|event| event.get()).collect();
        format!(r#"{{"data":[{}],"metadata":{}}}"#, data.join(","), Value::Object(self.metadata.clone()))
    }
}

impl Hostile {
    /// What the plan's seed decides.
    pub fn of(plan: &Plan) -> Self {
        let mut dice = Dice::new(plan.seed ^ 0x0b0d_e0f1_11e5);
        let share = if dice.chance(0.2) { *dice.pick(&[0.02, 0.1, 0.3]) } else { 0.0 };
        let orderly = matches!(plan.api.order, Order::Ascending | Order::Descending);
        let cap = (dice.chance(0.3) && orderly && plan.api.total == Total::Right).then_some(100);
        let until = Instant::now() + Duration::from_secs(plan.chaos);
        Self { seed: plan.seed, share, cap, until, secrets: Mutex::default() }
    }

    /// Whether events may get fields that NordPass didn't send.
    pub fn adds_fields(&self) -> bool {
        self.share > 0.0
    }

    /// For the report.
    pub fn kinds(&self) -> impl Iterator<Item = &'static str> {
        [(self.share > 0.0, "hostile answers"), (self.cap.is_some(), "a capped total")]
            .into_iter()
            .filter_map(|(is, name)| is.then_some(name))
    }

    /// Looks at a request before it is sent.
    pub fn asked(&self, request: &Request<Bytes>) -> Asked {
        let hosts = [Host::Nordpass, Host::Entra, Host::Ingestion, Host::Second, Host::Receiver];
        let host = hosts.into_iter().find(|known| request.uri().host() == Some(host(*known)));
        let authorization = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let authorization = authorization.unwrap_or_default().to_owned();
        if !authorization.is_empty() {
            // Without the scheme in front of it.
            let secret = authorization.rsplit(' ').next().unwrap_or_default().to_owned();
            let mut secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
            if secrets.len() < MOST_SECRETS {
                secrets.insert(secret);
            }
        }
        Asked { host, authorization, body: request.body().clone() }
    }

    /// What reaches the process, and whether that is still what the peer has said.
    pub fn change(&self, number: u64, asked: &Asked, answer: Response<Bytes>) -> (Response<Bytes>, bool) {
        let answer = match self.cap {
            Some(cap) if asked.host == Some(Host::Nordpass) && answer.status() == StatusCode::OK => {
                capped(cap, asked, answer)
            }
            _ => answer,
        };
        let mut dice = Dice::new(mix(self.seed ^ mix(number)));
        if Instant::now() >= self.until || !dice.chance(self.share) {
            return (answer, true);
        }
        match asked.host {
            Some(Host::Nordpass) => nordpass(&mut dice, asked, answer),
            Some(Host::Entra) => (entra(&mut dice, asked, answer), false),
            // What was accepted stays accepted: only the words about a refusal are its own.
            Some(_) if !answer.status().is_success() => (echo(asked, answer.status()), false),
            _ => (answer, true),
        }
    }

    /// Every output in which a secret stands: a sentence each.
    pub fn leaks(&self, world: &World) -> Vec<String> {
        let mut secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner).clone();
        secrets.extend([world.plan.api.token.clone(), READY_TOKEN.to_owned()]);
        secrets.insert(nordpass_simulator::entra::Settings::default().client_secret);
        secrets.insert(crate::shape::change::KEY.to_owned());
        let people = world.traffic.people();
        let has = |text: &[u8], words: &BTreeSet<String>| {
            words.iter().any(|word| memchr::memmem::find(text, word.as_bytes()).is_some())
        };
        let holds = |text: &[u8]| has(text, &secrets);
        let mut leaks = Vec::new();
        for path in world.disk.paths() {
            if world.disk.content(&path).is_some_and(|content| holds(&content)) {
                leaks.push(format!("a secret is in {}", path.display()));
            }
        }
        for telemetry in &world.lives.telemetries {
            let shown = format!("{:?}\n{}", telemetry.health(), telemetry.render());
            if holds(shown.as_bytes()) {
                leaks.push("a secret is in the health or the metrics".to_owned());
            }
            if has(shown.as_bytes(), &people) {
                leaks.push("a person's address is in the health or the metrics".to_owned());
            }
        }
        let log = LOG.take();
        if holds(&log) {
            leaks.push("a secret is in the log".to_owned());
        }
        if has(&log, &people) {
            leaks.push("a person's address is in the log".to_owned());
        }
        leaks
    }
}

/// A window's answer of an API that counts, and shows, this far.
fn capped(cap: usize, asked: &Asked, answer: Response<Bytes>) -> Response<Bytes> {
    answer.map(|body| {
        let question: Option<Question> = serde_json::from_slice(&asked.body).ok();
        let page: Option<Page<'_>> = serde_json::from_slice(&body).ok();
        let (Some(question), Some(mut page)) = (question, page) else { return body };
        let size = page.metadata.get("per_page").and_then(Value::as_u64).and_then(|size| usize::try_from(size).ok());
        let before = question.page.saturating_sub(1) * size.unwrap_or(question.per_page);
        page.data.truncate(cap.saturating_sub(before));
        if let Some(total) = page.metadata.get_mut("total") {
            *total = total.as_u64().unwrap_or_default().min(cap as u64).into();
        }
        page.text().into()
    })
}

fn nordpass(dice: &mut Dice, asked: &Asked, answer: Response<Bytes>) -> (Response<Bytes>, bool) {
    let question: Option<Question> = serde_json::from_slice(&asked.body).ok();
    let per_page = question.map_or(100, |question| question.per_page);
    let text = |body: &Bytes| String::from_utf8_lossy(body).into_owned();
    let is_page = answer.status() == StatusCode::OK;
    match dice.below(7) {
        0 => {
            let elements = vec!["{}"; per_page.max(100) + 1 + dice.below(300)];
            let body = format!(r#"{{"data":[{}],"metadata":{{"total":7}}}}"#, elements.join(","));
            (Response::new(body.into()), false)
        }
        1 => (echo(asked, *dice.pick(&[StatusCode::OK, StatusCode::BAD_REQUEST, StatusCode::NOT_FOUND])), false),
        2 => (Response::new(format!(r#"{{"data":[{}"#, "[".repeat(50_000)).into()), false),
        3 if is_page => {
            let odd = r#""metadata":{"current_page":1e400,"total_pages":{"a":[-1]},"x":99999999999999999999999,"#;
            let paging = |text: String| match text.rsplit_once(r#""metadata":{"#) {
                Some((before, after)) => format!("{before}{odd}{after}"),
                None => text,
            };
            (answer.map(|body| paging(text(&body)).into()), true)
        }
        4 if is_page => (answer.map(|body| [b"\xef\xbb\xbf", &body[..]].concat().into()), true),
        5 if is_page => {
            let name = format!("{}{}", "n".repeat(dice.below(2_000)), dice.bits());
            let odd = format!(r#"{{"data":[{{"{name}":1,"type""#);
            (answer.map(|body| text(&body).replacen(r#"{"data":[{"type""#, &odd, 1).into()), true)
        }
        _ => (echo(asked, StatusCode::INTERNAL_SERVER_ERROR), false),
    }
}

fn entra(dice: &mut Dice, asked: &Asked, answer: Response<Bytes>) -> Response<Bytes> {
    if answer.status() != StatusCode::OK || dice.chance(0.3) {
        return echo(asked, StatusCode::BAD_REQUEST);
    }
    answer.map(|body| {
        let mut token: Map<String, Value> = serde_json::from_slice(&body).unwrap_or_default();
        match dice.below(3) {
            0 => drop(token.insert("expires_in".to_owned(), json!(1_000_000_000_000_u64))),
            1 => drop(token.insert("expires_in".to_owned(), json!(-1))),
            _ => drop(token.insert("access_token".to_owned(), json!("two\nlines"))),
        }
        Value::Object(token).to_string().into()
    })
}

/// A refusal that repeats what was sent.
fn echo(asked: &Asked, status: StatusCode) -> Response<Bytes> {
    let Asked { authorization, body, .. } = asked;
    let sent = format!("{authorization} {}", String::from_utf8_lossy(body).chars().take(2_000).collect::<String>());
    let body = json!({"error": {"code": sent, "message": sent}, "error_description": sent, sent.clone(): sent});
    let response = Response::builder().status(status).header("x-ms-error-code", authorization);
    response.body(body.to_string().into()).unwrap_or_default()
}

thread_local! {
    /// What this thread's world has logged.
    static LOG: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

struct Lines;

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.with_borrow_mut(|log| log.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Keeps what each world logs, so that it can be searched.
pub fn keep_logs() {
    let _ = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::INFO)
        .with_ansi(false)
        .with_writer(|| Lines)
        .try_init();
}

/// A world begins.
pub fn forget_logs() {
    LOG.with_borrow_mut(Vec::clear);
}
