//! The partitions of the organizations: one lease for each, shared out among the replicas.
//!
//! ```text
//! <container>/<prefix>/partitions/000 … 255        who had the partition last; the process that has it holds a lease
//!                      partitions/replicas/<id>    a replica's shard, and which partitions it waits for
//! ```
//!
//! Safety is the lease's and the version's of each state. The shard only decides who tries: a replica takes its own
//! partitions when they are free, and those of others when nobody else takes them for a while. What it took over it hands
//! back when their own replica asks. So every organization is read by somebody, whichever replicas there are.
//!
//! One request lists all leases. So looking costs the same for ten organizations and for ten thousand.
//!
//! | file | what it does |
//! |---|---|
//! | [`lease`] | a partition that this process has |
//! | [`replicas`] | what the replicas say of themselves |
//! | [`steps`] | decides what to do with a partition |

mod lease;
mod replicas;
mod steps;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Weak};

use futures::{StreamExt, future::join_all, stream};
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout};

use self::replicas::{Announcement, Replicas, Set, disagreement};
use self::steps::{Hold, Seen, Step, step};
use super::Base;
use super::attempts::Attempts;
use crate::azure::blob::{BlobError, Lease, Listed};
use crate::component::{CheckpointError, PARTITIONS, Partition};
use crate::state::Shard;
use nordpass_env::Mutex;

pub(super) use self::lease::PartitionLease;

/// How many partitions are taken or released side by side.
const SIDE_BY_SIDE: usize = 16;

/// The partitions, as far as the sources of this process need them.
pub(super) struct Partitions {
    base: Arc<Base>,
    shard: Shard,
    own: Set,
    seats: Mutex<BTreeMap<Partition, Seat>>,
    replicas: tokio::sync::Mutex<Replicas>,
    /// What is wrong between the shards, since when, and whether it was told.
    disagreement: Mutex<Option<(String, Instant, bool)>>,
    rounds: watch::Sender<Rounds>,
    wake: Arc<Notify>,
    task: Mutex<Option<AbortHandle>>,
}

/// The rounds of looking at the leases.
#[derive(Clone, Default)]
struct Rounds {
    begun: u64,
    ended: u64,
    /// Why the last one couldn't be made.
    error: Option<String>,
    /// How many partitions this process has, and how many of them belong to other replicas: as it was, and as it was told.
    held: (usize, usize),
    told: (usize, usize),
}

/// What this process knows about a partition that its sources need.
struct Seat {
    /// When a source asked for it last.
    asked: Instant,
    lease: Option<Arc<PartitionLease>>,
    handing_over: Option<Instant>,
    free_since: Option<Instant>,
    attempts: Attempts,
}

impl Seat {
    fn new() -> Self {
        let (lease, handing_over, free_since) = (None, None, None);
        Self { asked: Instant::now(), lease, handing_over, free_since, attempts: Attempts::default() }
    }

    fn hold(&self) -> Hold {
        match (&self.lease, self.handing_over) {
            (None, _) => Hold::None,
            (Some(lease), _) if lease.lease.is_lost() => Hold::Lost,
            (Some(_), Some(since)) => Hold::HandingOver { since },
            (Some(_), None) => Hold::Held,
        }
    }

    /// Whether a source reads it or has asked for it lately.
    fn is_wanted(&self, base: &Base) -> bool {
        let has_readers = self.lease.as_ref().is_some_and(|lease| Arc::strong_count(lease) > 1);
        has_readers || self.asked.elapsed() <= base.times.within
    }
}

impl Partitions {
    pub fn new(base: Arc<Base>, shard: Shard) -> Arc<Self> {
        let replicas = tokio::sync::Mutex::new(Replicas::new(&base));
        let (seats, disagreement, task) = (Mutex::default(), Mutex::default(), Mutex::default());
        let (rounds, wake) = (watch::Sender::default(), Arc::default());
        Arc::new(Self { base, shard, own: shard.own(), seats, replicas, disagreement, rounds, wake, task })
    }

    /// The lease of a partition, if this process has it. Otherwise it is taken as soon as that is this replica's turn.
    pub async fn lease(self: &Arc<Self>, partition: Partition) -> Result<Arc<PartitionLease>, CheckpointError> {
        let is_new = {
            let mut seats = self.seats.lock();
            let is_new = !seats.contains_key(&partition);
            seats.entry(partition).or_insert_with(Seat::new).asked = Instant::now();
            is_new
        };
        if is_new {
            // A round that has begun may not have seen it.
            let first = self.rounds.borrow().begun + 1;
            self.begin();
            self.wake.notify_one();
            let _ = self.rounds.subscribe().wait_for(|rounds| rounds.ended >= first).await;
        }
        let held = self.seats.lock().get(&partition).and_then(|seat| {
            let lease = seat.lease.as_ref().filter(|_| seat.handing_over.is_none())?;
            (!lease.lease.is_lost()).then(|| lease.clone())
        });
        match (held, self.rounds.borrow().error.clone()) {
            (Some(lease), _) => Ok(lease),
            (None, Some(reason)) => Err(CheckpointError::Storage { reason, wait: Some(self.base.times.look) }),
            (None, None) => Err(self.base.held()),
        }
    }

    /// Starts the rounds, at the first partition.
    fn begin(self: &Arc<Self>) {
        let mut task = self.task.lock();
        if task.is_none() {
            let (weak, wake, env, look) =
                (Arc::downgrade(self), self.wake.clone(), self.base.env.clone(), self.base.times.look);
            let rounds = async move {
                while let Some(partitions) = Weak::upgrade(&weak) {
                    partitions.round().await;
                    drop(partitions);
                    // Not all replicas at the same moment.
                    let pause = look.mul_f64(0.8 + 0.4 * env.random.fraction());
                    let _ = timeout(pause, wake.notified()).await;
                }
            };
            *task = Some(tokio::spawn(rounds).abort_handle());
        }
    }

    /// Looks at all leases, and takes, hands over and releases partitions.
    async fn round(&self) {
        self.rounds.send_modify(|rounds| rounds.begun += 1);
        let error = self.look_and_act().await.err().map(|error| super::names::reason(&error));
        let held = self.held();
        let Rounds { held: before, mut told, .. } = self.rounds.borrow().clone();
        // Once they are all there, not one after the other.
        if held == before && held != told {
            told = held;
            let (all, others) = held;
            tracing::info!(
                "this replica (shard {}) has {all} of the {PARTITIONS} partitions of the organizations, {others} of them for \
                 other replicas",
                self.shard
            );
        }
        self.rounds.send_modify(|rounds| {
            *rounds = Rounds { ended: rounds.begun, error, held, told, ..*rounds };
        });
    }

    /// How many partitions this process has, and how many of them belong to other replicas.
    fn held(&self) -> (usize, usize) {
        let seats = self.seats.lock();
        let held = seats.iter().filter(|(_, seat)| seat.hold() == Hold::Held).map(|(partition, _)| *partition);
        held.fold((0, 0), |(all, others), partition| {
            (all + 1, others + usize::from(!self.own[usize::from(partition.0)]))
        })
    }

    async fn look_and_act(&self) -> Result<(), BlobError> {
        let listed = match self.base.container.listed(&self.base.partitions_prefix(), "").await {
            Ok((listed, _)) => listed,
            // The first partition that is taken creates it.
            Err(BlobError::NoContainer) => Vec::new(),
            Err(error) => return Err(error),
        };
        let asked_back = self.look_at_replicas(&listed).await;
        let steps = self.steps(&listed, &asked_back);
        stream::iter(steps).for_each_concurrent(SIDE_BY_SIDE, |(partition, step)| self.act(partition, step)).await;
        Ok(())
    }

    /// Exchanges announcements. Returns the partitions that their own replicas wait for.
    async fn look_at_replicas(&self, listed: &[Listed]) -> Set {
        let mut replicas = self.replicas.lock().await;
        replicas.look(&self.base, listed).await;
        let mut waits_for = [false; PARTITIONS];
        for (partition, seat) in &*self.seats.lock() {
            let place = usize::from(partition.0);
            waits_for[place] = self.own[place] && seat.lease.is_none();
        }
        replicas.announce(&self.base, Announcement { shard: self.shard, waits_for }).await;
        let mut asked_back = [false; PARTITIONS];
        let mut own: HashMap<(u16, u16), Set> = HashMap::new();
        for other in replicas.others(self.base.times.within) {
            let own = own.entry((other.shard.index, other.shard.count)).or_insert_with(|| other.shard.own());
            for (place, asked_back) in asked_back.iter_mut().enumerate() {
                *asked_back |= other.waits_for[place] && own[place];
            }
        }
        self.tell_disagreement(disagreement(self.shard, replicas.others(self.base.times.within)));
        asked_back
    }

    /// Warns when the shards don't fit together for longer than an update of all replicas makes likely.
    fn tell_disagreement(&self, found: Option<String>) {
        let mut known = self.disagreement.lock();
        match (found, &mut *known) {
            (Some(found), Some((told, since, was_told))) if found == *told => {
                if !*was_told && since.elapsed() > 2 * self.base.times.within {
                    *was_told = true;
                    tracing::warn!(
                        "{found}\nhint: give all replicas the same count, and each one its own index from 0; nothing is read \
                         twice meanwhile"
                    );
                }
            }
            (found, known) => *known = found.map(|found| (found, Instant::now(), false)),
        }
    }

    fn steps(&self, listed: &[Listed], asked_back: &Set) -> Vec<(Partition, Step)> {
        let prefix = self.base.partitions_prefix();
        let leases: HashMap<&str, Lease> = listed
            .iter()
            .filter_map(|blob| Some((blob.name.strip_prefix(&prefix)?, blob.lease.unwrap_or(Lease::Held))))
            .collect();
        let now = Instant::now();
        let mut seats = self.seats.lock();
        seats.retain(|_, seat| seat.lease.is_some() || seat.is_wanted(&self.base));
        let steps = seats.iter_mut().map(|(partition, seat)| {
            let place = usize::from(partition.0);
            let lease = leases.get(&*Base::partition_name(*partition)).copied().unwrap_or(Lease::Free);
            let is_ours = seat.attempts.may_be_ours();
            seat.free_since = if lease == Lease::Held { None } else { seat.free_since.or(Some(now)) };
            if lease == Lease::Broken && seat.lease.is_none() {
                seat.attempts.saw_broken(&self.base);
            }
            let seen = Seen {
                lease: if is_ours { Lease::Free } else { lease },
                free_since: seat.free_since,
                is_own: self.own[place],
                is_wanted: seat.is_wanted(&self.base),
                is_asked_back: asked_back[place],
            };
            (*partition, step(seat.hold(), &seen, now, &self.base.times))
        });
        steps.filter(|(_, step)| *step != Step::Nothing).collect()
    }

    async fn act(&self, partition: Partition, step: Step) {
        match step {
            Step::Nothing => {}
            Step::Take | Step::TakeOver => self.take(partition).await,
            Step::EndReading => {
                if let Some(seat) = self.seats.lock().get_mut(&partition) {
                    seat.handing_over = Some(Instant::now());
                    if let Some(lease) = &seat.lease {
                        lease.end_reading();
                    }
                }
            }
            Step::Release | Step::Forget => {
                let lease = self.seats.lock().get_mut(&partition).and_then(|seat| {
                    // The others see it free from now on, too.
                    (seat.handing_over, seat.free_since) = (None, None);
                    seat.lease.take()
                });
                let Some(lease) = lease else { return };
                if step == Step::Release { lease.release().await } else { lease.end() }
            }
        }
    }

    async fn take(&self, partition: Partition) {
        let attempts = self.seats.lock().get_mut(&partition).map(|seat| std::mem::take(&mut seat.attempts));
        let Some(mut attempts) = attempts else { return };
        let taken = PartitionLease::take(&self.base, partition, &mut attempts).await;
        if let Err(error) = &taken
            && !matches!(error, CheckpointError::Held { .. })
        {
            tracing::debug!("can't take partition {partition} yet: {error}");
        }
        if let Some(seat) = self.seats.lock().get_mut(&partition) {
            seat.attempts = attempts;
            seat.lease = taken.ok();
        }
    }

    /// Ends all leases, and releases them.
    pub async fn close(&self) {
        if let Some(task) = self.task.lock().take() {
            task.abort();
        }
        let leases: Vec<_> = self.seats.lock().values_mut().filter_map(|seat| seat.lease.take()).collect();
        join_all(leases.iter().map(|lease| lease.release())).await;
        self.replicas.lock().await.leave(&self.base).await;
    }
}

impl Drop for Partitions {
    fn drop(&mut self) {
        if let Some(task) = self.task.lock().take() {
            task.abort();
        }
    }
}
