//! Worlds whose pipeline file is reloaded at random moments: right files and wrong ones, while everything else goes wrong, too.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use nordpass_sentinel::pipeline::{self, Reloaded, Reloader};
use nordpass_sentinel::settings::Environment;
use tokio::time::Instant;

use crate::pipeline::text;
use crate::plan::{Action, Drawer, MINUTE, Plan, Tuning};
use crate::world::{Violations, World};

/// The share of worlds with reloads.
const RELOADED: f64 = 0.5;

/// Whether all worlds reload: `--reloads`.
pub static EVERYWHERE: AtomicBool = AtomicBool::new(false);
/// The components that a reload may change.
const COMPONENTS: [&str; 6] = ["nordpass", "sentinel", "official", "urgent", "receiver", "blobs"];
/// The longest that a reload may take: two drains, since it may have to wait for another one.
const LONGEST: u64 = 2 * MINUTE;

/// A change of the pipeline file.
#[derive(Clone, Copy, Debug)]
pub enum Reload {
    /// These components have other settings, by the bits of their numbers in [`COMPONENTS`].
    Change(u8),
    /// The optional sink comes or goes.
    Optional,
    /// Nothing has changed.
    Same,
    /// `data_dir`, which can't change while the program runs.
    DataDir,
    /// The file has an error.
    Wrong,
}

impl Plan {
    /// When the file changes, and how: at any time, or several times within seconds.
    pub fn plan_reloads(&mut self, draw: &mut Drawer) {
        if !draw.chance(RELOADED) && !EVERYWHERE.load(Ordering::Relaxed) {
            return;
        }
        while self.tunings.len() < 4 {
            let tuning = draw.tuning(&self.api);
            self.tunings.push(tuning);
        }
        for _ in 0..draw.size(1, 4) {
            let mut at = draw.between(0, self.chaos);
            for _ in 0..draw.of(&[1, 1, 2, 4]) {
                let reload = match draw.between(0, 9) {
                    0 => Reload::Same,
                    1 => Reload::DataDir,
                    2 => Reload::Wrong,
                    3 if self.optional => Reload::Optional,
                    // All but the source, the source, or any.
                    4..=5 => Reload::Change(1 << draw.between(1, 5)),
                    6 => Reload::Change(1),
                    _ => Reload::Change(u8::try_from(draw.between(1, 63)).unwrap_or(1)),
                };
                self.actions.push((at, Action::Reload(reload)));
                at += draw.of(&[0, 1, 5, 14, 60]);
            }
        }
        self.actions.retain(|(at, _)| *at <= self.chaos);
        self.actions.sort_by_key(|(at, _)| *at);
    }
}

/// What the pipeline file says now.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    /// Which of the plan's tunings each component has.
    tunings: BTreeMap<&'static str, usize>,
    /// Without the optional sink.
    pub lacks_optional: bool,
}

impl Layout {
    /// The settings of a component.
    pub fn tuning<'a>(&self, plan: &'a Plan, component: &str) -> &'a Tuning {
        &plan.tunings[self.tunings.get(component).copied().unwrap_or(0) % plan.tunings.len()]
    }

    /// Other settings for these components.
    fn change(&mut self, components: u8) {
        for (number, component) in COMPONENTS.into_iter().enumerate() {
            if components & (1 << number) != 0 {
                *self.tunings.entry(component).or_default() += 1;
            }
        }
    }

    /// Other settings for all components.
    pub fn change_all(&mut self) {
        self.change(u8::MAX);
    }
}

/// A request that isn't answered yet.
pub type Asked = BoxFuture<'static, (Instant, Reload, Reloaded)>;

/// A source that has begun anew in the same process, from its committed position.
pub struct Replay {
    pub life: u64,
    /// Not before that …
    pub since: Instant,
    /// … and not after that.
    pub at: Instant,
    /// The ids that were committed when the last reload was asked for. They are never sent again.
    pub known: Arc<BTreeSet<u128>>,
}

/// How often the world looks whether the source has begun anew. That may be long after the reload: what was abandoned comes to
/// its turn when all before it is delivered.
pub const LOOK: Duration = Duration::from_secs(1);

/// What the world looks at since the first reload of a life.
pub struct Watch {
    runs: Vec<u8>,
    known: Arc<BTreeSet<u128>>,
    /// Whether there was no state when the last reload was asked for: a source that begins anew connects for the first time.
    stateless: bool,
    looked: Instant,
}

impl World {
    /// Changes the file, and asks a running process for it. A process that isn't there reads it when it starts.
    pub async fn reload(&mut self, reload: Reload, reloader: Option<&Reloader>) -> Option<Asked> {
        match reload {
            Reload::Change(components) => self.layout.change(components),
            Reload::Optional => self.layout.lacks_optional ^= true,
            Reload::Same | Reload::DataDir | Reload::Wrong => {}
        }
        let mut text = text(&self.plan, &self.layout);
        match reload {
            Reload::DataDir => text = text.replace("data_dir = \"", "data_dir = \"other-"),
            Reload::Wrong => text.push_str("\n[sinks.more]\ntype = \"sentinel\"\n"),
            _ => {}
        }
        let reloader = reloader?.clone();
        let files = [("world.toml".into(), text)];
        // A wrong file never gets as far as the process.
        let Ok((config, _)) = pipeline::load(&files, &Environment::of::<&str, &str>([])) else {
            assert!(matches!(reload, Reload::Wrong), "the world's pipeline file is wrong");
            return None;
        };
        self.ledger.next_epoch();
        let snapshot = self.snapshot().await;
        self.look();
        let (known, stateless) = (Arc::new(snapshot.known), snapshot.document.is_none());
        self.watch = Some(Watch { runs: self.runs(), known, stateless, looked: Instant::now() });
        self.network.held().widen(self.layout.tuning(&self.plan, "nordpass"));
        let began = Instant::now();
        Some(async move { (began, reload, reloader.reload(config).await) }.boxed())
    }

    /// A request was answered.
    pub fn reloaded(&mut self, (began, reload, reloaded): (Instant, Reload, Reloaded), violations: &mut Violations) {
        if began.elapsed().as_secs() > LONGEST && !self.disk_trouble() {
            violations.push(format!("a reload took {} s", began.elapsed().as_secs()));
        }
        let changes = match reloaded {
            Reloaded::Applied(changes) => changes,
            Reloaded::Refused { message, .. } => {
                self.lives.reloads.refused += 1;
                if !matches!(reload, Reload::DataDir) && !self.disk_trouble() {
                    violations.push(format!("a reload was refused: {message}"));
                }
                return;
            }
            Reloaded::Superseded | Reloaded::Ended => return,
        };
        if matches!(reload, Reload::DataDir) {
            violations.push("a reload changed `data_dir`".to_owned());
        }
        self.lives.reloads.applied += 1;
        self.ledger.next_epoch();
        if !changes.aborted.is_empty() {
            self.lives.reloads.aborted += 1;
        }
        let tuning = self.layout.tuning(&self.plan, "nordpass").clone();
        self.network.held().reloaded(tuning);
    }

    /// Which runs of the source the state knows.
    fn runs(&self) -> Vec<u8> {
        let paths = self.disk.paths().into_iter();
        let path = paths.filter(|path| path.starts_with("data/sources")).find(|path| path.ends_with("runs"));
        path.and_then(|path| self.disk.content(path)).unwrap_or_default()
    }

    /// Notes it when the source has begun anew.
    pub fn look(&mut self) {
        let runs = self.runs();
        let (life, now) = (self.ledger.life(), self.now());
        let Some(watch) = &mut self.watch else { return };
        let since = std::mem::replace(&mut watch.looked, Instant::now());
        if watch.runs != runs {
            watch.runs = runs;
            if watch.stateless {
                self.lives.stateless.push(now);
            }
            self.lives.replays.push(Replay { life, since, at: Instant::now(), known: watch.known.clone() });
            self.network.held().begins_anew();
        }
    }
}

/// How many of them there were.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reloads {
    pub applied: u64,
    pub refused: u64,
    /// Those in which something didn't drain in time.
    pub aborted: u64,
}
