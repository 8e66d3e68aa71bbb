//! A group: cooperative and sticky, as the classic protocol with that assignor is. A partition that moves is first revoked by its
//! member; a member that doesn't do that, poll, or live is removed, and its partitions are lost to it. A static member that comes back
//! within its session has what it had.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use nordpass_env::kafka::{ConsumerSettings, TopicPartition};

#[derive(Clone)]
struct Member {
    /// The name of a static member.
    instance: Option<String>,
    /// A static one that is closed: its session goes on without heartbeats.
    is_away: bool,
    /// It has what another one of its name had, and doesn't know that yet.
    is_back: bool,
    session_timeout: Duration,
    max_poll_interval: Duration,
    /// When it last showed that it lives, and when it last polled.
    seen: Instant,
    polled: Instant,
    /// Since when it should give partitions up.
    asked: Option<Instant>,
}

/// What a member has to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// It was removed from the group.
    Lost,
    /// Another member has its name.
    Fenced,
    /// It gives these up.
    Revoke(Vec<TopicPartition>),
    /// It gets these.
    Assign(Vec<TopicPartition>),
    /// Nothing.
    None,
}

/// A group's members and offsets.
#[derive(Default)]
pub struct Group {
    members: BTreeMap<u64, Member>,
    owners: BTreeMap<TopicPartition, u64>,
    offsets: BTreeMap<TopicPartition, i64>,
    /// Members whose name another one has taken.
    fenced: BTreeSet<u64>,
}

impl Group {
    pub fn join(&mut self, member: u64, settings: &ConsumerSettings) {
        let (now, instance) = (Instant::now(), settings.group_instance_id.clone());
        let same = |(id, known): (&u64, &Member)| (instance.is_some() && known.instance == instance).then_some(*id);
        let before = self.members.iter().find_map(same);
        if let Some(before) = before {
            self.members.remove(&before);
            self.owners.values_mut().filter(|owner| **owner == before).for_each(|owner| *owner = member);
            self.fenced.insert(before);
        }
        let (session_timeout, max_poll_interval) = (settings.session_timeout, settings.max_poll_interval);
        let (is_away, is_back, seen, polled, asked) = (false, before.is_some(), now, now, None);
        let new = Member { instance, is_away, is_back, session_timeout, max_poll_interval, seen, polled, asked };
        self.members.insert(member, new);
    }

    /// A member is closed. A static one doesn't leave.
    pub fn close(&mut self, member: u64) {
        match self.members.get_mut(&member).filter(|known| known.instance.is_some()) {
            Some(known) => known.is_away = true,
            None => self.leave(member),
        }
    }

    fn leave(&mut self, member: u64) {
        self.members.remove(&member);
        self.owners.retain(|_, owner| *owner != member);
    }

    pub fn has(&self, member: u64) -> bool {
        self.members.contains_key(&member)
    }

    pub fn polled(&mut self, member: u64) {
        if let Some(member) = self.members.get_mut(&member) {
            member.polled = Instant::now();
        }
    }

    /// Heartbeats go on by themselves, but for these members. Removes those that are silent for too long.
    pub fn tick(&mut self, silent: &BTreeSet<u64>) {
        let now = Instant::now();
        let mut gone = Vec::new();
        for (id, member) in &mut self.members {
            if !silent.contains(id) && !member.is_away {
                member.seen = now;
            }
            let late = |since: Instant, bound: Duration| now.duration_since(since) > bound;
            if late(member.seen, member.session_timeout)
                || late(member.polled, member.max_poll_interval)
                || member.asked.is_some_and(|asked| late(asked, member.max_poll_interval))
            {
                gone.push(*id);
            }
        }
        for member in gone {
            self.leave(member);
        }
    }

    /// The balanced assignment that moves the fewest partitions.
    fn target(&self, partitions: &BTreeSet<TopicPartition>) -> BTreeMap<TopicPartition, u64> {
        let mut shares: BTreeMap<u64, Vec<TopicPartition>> = self.members.keys().map(|id| (*id, Vec::new())).collect();
        if shares.is_empty() {
            return BTreeMap::new();
        }
        let mut free = Vec::new();
        for partition in partitions {
            match self.owners.get(partition).and_then(|owner| shares.get_mut(owner)) {
                Some(share) => share.push(partition.clone()),
                None => free.push(partition.clone()),
            }
        }
        for partition in free {
            shares.values_mut().min_by_key(|share| share.len()).expect("a member").push(partition);
        }
        loop {
            let most = *shares.iter().max_by_key(|(_, share)| share.len()).expect("a member").0;
            let least = *shares.iter().min_by_key(|(_, share)| share.len()).expect("a member").0;
            if shares[&most].len() <= shares[&least].len() + 1 {
                break;
            }
            let moved = shares.get_mut(&most).and_then(Vec::pop).expect("it has the most");
            shares.get_mut(&least).expect("a member").push(moved);
        }
        shares.into_iter().flat_map(|(id, share)| share.into_iter().map(move |partition| (partition, id))).collect()
    }

    /// What a member has to do next, of these partitions.
    pub fn step(&mut self, member: u64, partitions: &BTreeSet<TopicPartition>) -> Step {
        if self.fenced.contains(&member) {
            return Step::Fenced;
        }
        let Some(known) = self.members.get_mut(&member) else { return Step::Lost };
        if std::mem::take(&mut known.is_back) {
            return Step::Assign(self.owned(member));
        }
        let target = self.target(partitions);
        for (id, state) in &mut self.members {
            let moves = self.owners.iter().any(|(partition, owner)| owner == id && target.get(partition) != Some(id));
            state.asked = if moves { state.asked.or_else(|| Some(Instant::now())) } else { None };
        }
        let revoked: Vec<_> = self
            .owners
            .iter()
            .filter(|(partition, owner)| **owner == member && target.get(*partition) != Some(&member))
            .map(|(partition, _)| partition.clone())
            .collect();
        if !revoked.is_empty() {
            return Step::Revoke(revoked);
        }
        let assigned: Vec<_> = target
            .into_iter()
            .filter(|(partition, owner)| *owner == member && !self.owners.contains_key(partition))
            .map(|(partition, _)| partition)
            .collect();
        if assigned.is_empty() {
            return Step::None;
        }
        self.owners.extend(assigned.iter().map(|partition| (partition.clone(), member)));
        Step::Assign(assigned)
    }

    /// A member has given partitions up.
    pub fn release(&mut self, member: u64, partitions: &[TopicPartition]) {
        for partition in partitions {
            if self.owners.get(partition) == Some(&member) {
                self.owners.remove(partition);
            }
        }
    }

    pub fn owned(&self, member: u64) -> Vec<TopicPartition> {
        self.owners.iter().filter(|(_, owner)| **owner == member).map(|(partition, _)| partition.clone()).collect()
    }

    pub fn shares(&self) -> Vec<usize> {
        self.members.keys().map(|member| self.owned(*member).len()).collect()
    }

    pub fn committed(&self, partition: &TopicPartition) -> Option<i64> {
        self.offsets.get(partition).copied()
    }

    pub fn set_committed(&mut self, partition: TopicPartition, offset: i64) {
        self.offsets.insert(partition, offset);
    }

    pub fn forget_topic(&mut self, topic: &str) {
        self.offsets.retain(|partition, _| &*partition.topic != topic);
    }
}
