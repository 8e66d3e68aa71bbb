//! Asking a running set to become another one.

use std::sync::Arc;

use tokio::sync::{Notify, oneshot};

use crate::pipeline::Config;
use nordpass_env::Mutex;

/// Asks a running set to reload. Clones share the set.
#[derive(Clone)]
pub struct Reloader(Arc<Queue>);

/// The running set's end.
pub struct Reloads(Arc<Queue>);

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reloaded {
    /// The set is what the request wanted.
    Applied(Changes),
    /// The set is as it was.
    Refused {
        /// Why, in a sentence.
        message: String,
        /// What to do.
        hint: String,
    },
    /// A later request came before this one was begun: that one counts.
    Superseded,
    /// The set has ended, or is about to.
    Ended,
}

/// What a reload has changed, by the components' names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// They began, or began anew.
    pub begun: Vec<String>,
    /// They are gone.
    pub removed: Vec<String>,
    /// How many went on.
    pub kept: usize,
    /// They didn't drain in time. What they held is read again.
    pub aborted: Vec<String>,
}

impl Changes {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.begun.is_empty() && self.removed.is_empty()
    }
}

impl std::fmt::Display for Changes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_empty() {
            return f.write_str("nothing has changed");
        }
        let mut separator = "";
        for (what, names) in
            [("begun", &self.begun), ("removed", &self.removed), ("not drained in time", &self.aborted)]
        {
            if !names.is_empty() {
                write!(f, "{separator}{what}: {}", names.join(", "))?;
                separator = "; ";
            }
        }
        write!(f, "; unchanged: {}", self.kept)
    }
}

/// At most one request waits.
#[derive(Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    asked: Notify,
}

#[derive(Default)]
struct Waiting {
    request: Option<Request>,
    is_closed: bool,
}

/// A request, and who waits for its outcome.
pub(super) struct Request {
    pub config: Config,
    pub reply: oneshot::Sender<Reloaded>,
}

/// A reloader and the reloads of the set that it is for.
pub fn reloads() -> (Reloader, Reloads) {
    let queue = Arc::new(Queue::default());
    (Reloader(queue.clone()), Reloads(queue))
}

impl Reloader {
    /// Asks for this set. It is begun when the present reload is over; if more requests come meanwhile, the newest one is.
    pub async fn reload(&self, config: Config) -> Reloaded {
        let (reply, outcome) = oneshot::channel();
        {
            let mut waiting = self.0.waiting.lock();
            if waiting.is_closed {
                return Reloaded::Ended;
            }
            if let Some(older) = waiting.request.replace(Request { config, reply }) {
                let _ = older.reply.send(Reloaded::Superseded);
            }
        }
        self.0.asked.notify_one();
        outcome.await.unwrap_or(Reloaded::Ended)
    }
}

impl Reloads {
    /// Those of a set that is never reloaded.
    pub fn none() -> Self {
        reloads().1
    }

    /// The next request.
    pub(super) async fn next(&mut self) -> Request {
        loop {
            let request = self.0.waiting.lock().request.take();
            if let Some(request) = request {
                return request;
            }
            self.0.asked.notified().await;
        }
    }
}

/// Nobody waits for an outcome any more.
impl Drop for Reloads {
    fn drop(&mut self) {
        let mut waiting = self.0.waiting.lock();
        waiting.is_closed = true;
        waiting.request = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_in_words() {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let mut changes = Changes { kept: 3, ..Changes::default() };
        assert_eq!(changes.to_string(), "nothing has changed");
        changes.begun = names(&["sentinel", "archive"]);
        assert_eq!(changes.to_string(), "begun: sentinel, archive; unchanged: 3");
        changes.removed = names(&["console"]);
        changes.aborted = names(&["sentinel"]);
        assert_eq!(
            changes.to_string(),
            "begun: sentinel, archive; removed: console; not drained in time: sentinel; unchanged: 3"
        );
    }
}
