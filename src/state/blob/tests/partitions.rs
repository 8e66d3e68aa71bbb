//! Which replica has which organization: always one, and never two.

use std::collections::BTreeMap;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::*;
use crate::component::Partition;
use nordpass_env::Mutex;
use nordpass_simulator::faults::{Effect, Fault, When};

const ORGANIZATIONS: usize = 24;

fn organization(number: usize) -> SourceKey {
    SourceKey { name: format!("@c-{number}"), endpoint: key().endpoint }
}

/// Who reads which organization, and what was wrong about it.
#[derive(Clone, Default)]
struct Readers(Arc<Mutex<Log>>);

#[derive(Default)]
struct Log {
    /// The replica that reads an organization, and since when; or since when nobody does.
    now: BTreeMap<usize, (Option<u64>, Option<Instant>)>,
    /// The longest time that nobody read one.
    longest_gap: Duration,
    commits: BTreeMap<usize, u64>,
    wrong: Vec<String>,
}

impl Readers {
    fn begins(&self, organization: usize, replica: u64) {
        let mut log = self.0.lock();
        if let Some((Some(other), _)) =
            log.now.insert(organization, (Some(replica), Some(Instant::now()))).map(|(who, at)| {
                if let (None, Some(since)) = (who, at) {
                    log.longest_gap = log.longest_gap.max(since.elapsed());
                }
                (who, at)
            })
        {
            log.wrong.push(format!("{organization} is read by {other} and {replica}"));
        }
    }

    fn ends(&self, organization: usize, replica: u64) {
        let mut log = self.0.lock();
        if log.now.get(&organization).is_some_and(|(who, _)| *who == Some(replica)) {
            log.now.insert(organization, (None, Some(Instant::now())));
        }
    }

    /// How many organizations each replica reads.
    fn shares(&self) -> BTreeMap<u64, usize> {
        let mut shares = BTreeMap::new();
        for replica in self.0.lock().now.values().filter_map(|(replica, _)| *replica) {
            *shares.entry(replica).or_default() += 1;
        }
        shares
    }
}

/// A replica that reads all organizations that it gets, as sources do.
struct Replica {
    number: u64,
    process: Arc<Process>,
    readers: Readers,
    sources: Vec<JoinHandle<()>>,
}

impl Replica {
    async fn start(world: &World, number: u64, shard: (u16, u16), readers: &Readers) -> Self {
        let shard = Shard { index: shard.0, count: shard.1 };
        let process = Arc::new(world.replica(number, shard).await);
        let sources = (0..ORGANIZATIONS)
            .map(|organization| tokio::spawn(read(process.clone(), number, organization, readers.clone())))
            .collect();
        Self { number, process, readers: readers.clone(), sources }
    }

    /// The process is gone.
    fn crash(self) {
        self.process.network.cut(HOST);
        self.end();
    }

    /// SIGTERM: sources end first, and then the store gives back what it has.
    async fn stop(self) {
        let process = self.process.clone();
        self.end();
        tokio::task::yield_now().await;
        process.store.close().await;
    }

    fn end(self) {
        for source in &self.sources {
            source.abort();
        }
        for organization in 0..ORGANIZATIONS {
            self.readers.ends(organization, self.number);
        }
    }
}

async fn read(process: Arc<Process>, replica: u64, organization: usize, readers: Readers) {
    loop {
        let opened = retry_until_ready(|| process.store.open_organization(self::organization(organization))).await;
        let source = opened.expect("a usable state");
        let guard = source.lease_guard();
        loop {
            tokio::select! {
                () = guard.held() => {}
                () = guard.lost() => break,
            }
            readers.begins(organization, replica);
            tokio::select! {
                () = guard.ended() => {}
                () = commits(&source, organization, &readers) => {}
            }
            readers.ends(organization, replica);
        }
    }
}

/// Commits again and again. A commit that counts has the number that comes next. Whether one counts that was cut off, only the state
/// tells.
async fn commits(source: &Arc<dyn SourceState>, organization: usize, readers: &Readers) {
    loop {
        let counted = readers.0.lock().commits.get(&organization).copied().unwrap_or(0);
        let document = String::from_utf8(source.document().unwrap_or_default()).expect("a text");
        let number = document.strip_prefix("document ").map_or(0, |last| last.parse::<u64>().expect("a number") + 1);
        if number != counted && number != counted + 1 {
            readers.0.lock().wrong.push(format!("{organization}: {counted} commits count, and the state has {number}"));
        }
        if source.commit(commit(number)).await.is_ok() {
            readers.0.lock().commits.insert(organization, number + 1);
        }
        pass(20).await;
    }
}

#[tokio::test(start_paused = true)]
async fn organizations_are_shared_out_and_read_by_one_replica_each() {
    let (world, readers) = (World::new(), Readers::default());
    let first = Replica::start(&world, 1, (0, 2), &readers).await;
    pass(10).await;
    let alone = Shard { index: 0, count: 2 };
    let own = (0..ORGANIZATIONS).filter(|number| alone.owns(Partition::of(&organization(*number).name))).count();
    assert_eq!(readers.shares(), [(1, own)].into(), "the other replica may be on its way");
    pass(50).await;
    assert_eq!(readers.shares(), [(1, ORGANIZATIONS)].into(), "nobody else reads them");
    let second = Replica::start(&world, 2, (1, 2), &readers).await;
    pass(60).await;
    assert_eq!(readers.shares(), [(1, own), (2, ORGANIZATIONS - own)].into(), "it gave back what isn't its own");
    second.crash();
    pass(70).await;
    assert_eq!(readers.shares(), [(1, ORGANIZATIONS)].into());
    first.stop().await;
    let log = readers.0.lock();
    assert_eq!(log.wrong, [""; 0]);
    assert!(log.longest_gap <= Duration::from_secs(60), "{:?}", log.longest_gap);
}

/// What Kubernetes does when its number of replicas changes: the new ones first, then the others one after the other; and
/// back again.
#[tokio::test(start_paused = true)]
async fn while_the_number_of_replicas_changes_every_organization_is_read() {
    let (world, readers) = (World::new(), Readers::default());
    let mut replicas: Vec<Replica> = Vec::new();
    let mut number = 0;
    for index in 0..4 {
        number += 1;
        replicas.push(Replica::start(&world, number, (index, 4), &readers).await);
    }
    pass(120).await;
    assert_eq!(readers.shares().len(), 4);
    for count in [5, 4] {
        for index in 0..count.max(4) {
            if index == 4 && count == 5 {
                number += 1;
                replicas.push(Replica::start(&world, number, (4, 5), &readers).await);
            }
        }
        if count == 4 {
            replicas.pop().expect("the fifth").stop().await;
        }
        pass(15).await;
        for index in (0..4).rev() {
            replicas.remove(usize::from(index)).stop().await;
            pass(11).await;
            number += 1;
            replicas.insert(usize::from(index), Replica::start(&world, number, (index, count), &readers).await);
            pass(15).await;
        }
        pass(120).await;
        let shares = readers.shares();
        assert_eq!((shares.len(), shares.values().sum()), (usize::from(count), ORGANIZATIONS), "{shares:?}");
    }
    let log = readers.0.lock();
    assert_eq!(log.wrong, [""; 0]);
    assert!(log.longest_gap <= Duration::from_secs(60), "{:?}", log.longest_gap);
}

/// Without shards, a second process stands by.
#[tokio::test(start_paused = true)]
async fn without_shards_the_second_replica_takes_over_all_of_them() {
    let (world, readers) = (World::new(), Readers::default());
    let first = Replica::start(&world, 1, (0, 1), &readers).await;
    pass(30).await;
    let _second = Replica::start(&world, 2, (0, 1), &readers).await;
    pass(3_600).await;
    assert_eq!(readers.shares(), [(1, ORGANIZATIONS)].into());
    first.crash();
    pass(60).await;
    assert_eq!(readers.shares(), [(2, ORGANIZATIONS)].into());
    let log = readers.0.lock();
    assert_eq!(log.wrong, [""; 0]);
    assert!(log.longest_gap <= Duration::from_secs(60), "{:?}", log.longest_gap);
}

/// A process that is cut off, and one that hangs longer than its lease lasts, must not read or commit beside the next one.
#[tokio::test(start_paused = true)]
async fn a_replica_that_is_cut_off_for_any_time_reads_nothing_beside_another() {
    for cut in [10, 44, 46, 60, 90, 600] {
        let (world, readers) = (World::new(), Readers::default());
        let first = Replica::start(&world, 1, (0, 2), &readers).await;
        let _second = Replica::start(&world, 2, (1, 2), &readers).await;
        pass(90).await;
        first.process.network.cut(HOST);
        pass(cut).await;
        first.process.network.restore(HOST);
        pass(180).await;
        let shares = readers.shares();
        assert_eq!((shares.len(), shares.values().sum()), (2, ORGANIZATIONS), "cut for {cut}: {shares:?}");
        assert_eq!(readers.0.lock().wrong, [""; 0], "cut for {cut}");
    }
}

/// Thousands of organizations cost no more than 256 leases.
#[tokio::test(start_paused = true)]
async fn what_it_costs_doesnt_grow_with_the_organizations() {
    let world = World::new();
    let process = world.process(1).await;
    let mut sources = Vec::new();
    for number in 0..600 {
        let source = retry_until_ready(|| process.store.open_organization(organization(number))).await;
        sources.push(source.expect("a usable state"));
    }
    pass(60).await;
    let before = world.requests().len();
    pass(600).await;
    let a_second = (world.requests().len() - before) / 600;
    assert!((15..=20).contains(&a_second), "{a_second} requests a second");
    drop(sources);
    pass(180).await;
    let before = world.requests().len();
    pass(600).await;
    let a_second = (world.requests().len() - before) / 600;
    assert_eq!(a_second, 0, "leases that nobody needs are given back");
}

/// A process of a version that knows no partitions, or a source that isn't an organization's, has a lease of its own.
#[tokio::test(start_paused = true)]
async fn a_state_with_a_lease_of_its_own_is_waited_for() {
    let world = World::new();
    let (old, new) = (world.process(1).await, world.process(2).await);
    let source = old.open().await;
    source.commit(commit(0)).await.expect("commits");
    let error = new.store.open_organization(key()).await.err().expect("held");
    assert!(error.to_string().contains("held by another process"), "{error}");
    old.store.close().await;
    let taken = retry_until_ready(|| new.store.open_organization(key())).await.expect("opens");
    assert_eq!(all(&taken).await, expected(1));
    assert!(source.commit(commit(1)).await.is_err());
}

/// What failed before the state was ever read counted as if it had been there: it was then missing for good.
#[tokio::test(start_paused = true)]
async fn a_state_that_was_never_seen_is_made_whatever_fails_first() {
    for effect in [Effect::ResetBefore, Effect::ResetAfter, Effect::Html(http::StatusCode::OK)] {
        for number in 1..=5 {
            let world = World::new();
            let when = When { path: Some("/state".to_owned()), nth: vec![number], ..When::default() };
            world.simulation.faults.add(Fault::new(when, effect.clone()));
            let process = world.process(1).await;
            let opening = retry_until_ready(|| process.store.open_organization(organization(1)));
            let opened = tokio::time::timeout(Duration::from_secs(600), opening).await;
            assert!(opened.is_ok_and(|opened| opened.is_ok()), "{effect:?} at request {number}");
        }
    }
}
