//! The archive in a storage account: its settings and troubles, and the judge: each event is in one blob, once.

use nordpass_env::MemoryDisk;
use nordpass_simulator::judge::received_in_files;
use nordpass_simulator::{Endpoint, Probes};

use crate::pipeline::CONTAINER;
use crate::plan::{Action, Drawer, Host, Plan};
use crate::world::{Violations, World};

/// An archive in a storage account.
#[derive(Clone, Debug)]
pub struct Blobs {
    pub path: &'static str,
    pub max_bytes: u64,
    pub seconds: u64,
    pub required: bool,
}

impl Plan {
    /// An archive in a storage account that has its own troubles.
    pub fn plan_blobs(&mut self, draw: &mut Drawer) {
        self.blobs = Some(Blobs {
            path: draw.of(&["{date}/{organization}/{hour}.ndjson.gz", "{date}.ndjson", "all.ndjson.zst"]),
            max_bytes: draw.of(&[2_000, 50_000, 16_000_000]),
            seconds: draw.of(&[1, 20, 300]),
            required: draw.chance(0.8),
        });
        for _ in 0..draw.size(0, 3) {
            self.plan_fault(draw, Endpoint::Blob);
        }
        self.faults.sort_by_key(|(name, _)| *name != "400");
        if draw.chance(0.4) {
            let from = draw.between(0, self.chaos);
            let until = from + draw.between(1, self.chaos - from + 1);
            self.actions.extend([(from, Action::Cut(Host::Blobs)), (until, Action::Restore(Host::Blobs))]);
        }
        for _ in 0..draw.of(&[0, 0, 1, 2]) {
            self.actions.push((draw.between(0, self.chaos), Action::ExpireBlocks));
        }
        for _ in 0..draw.of(&[0, 1, 2]) {
            let (at, taken) = (draw.between(0, self.chaos), draw.chance(0.5));
            self.actions.push((at, Action::CrashAtRequest(draw.between(0, 20), taken)));
        }
        self.actions.sort_by_key(|(at, _)| *at);
    }
}

/// What the blobs hold.
async fn received(world: &World) -> Result<Probes, String> {
    let disk = MemoryDisk::new();
    for name in world.blobs.names(CONTAINER) {
        disk.put(&name, world.blobs.content(CONTAINER, &name).unwrap_or_default());
    }
    Ok(received_in_files(&disk, &disk.paths()).await?.probes)
}

/// The blobs that hold an event.
async fn places(world: &World, probe: &str) -> Vec<String> {
    let mut places = Vec::new();
    for name in world.blobs.names(CONTAINER) {
        let disk = MemoryDisk::new();
        disk.put(&name, world.blobs.content(CONTAINER, &name).unwrap_or_default());
        let count = received_in_files(&disk, &disk.paths()).await.map_or(0, |received| received.probes.count(probe));
        places.extend((count > 0).then_some(name));
    }
    places
}

/// How many events are due and not there.
pub async fn lacking(world: &World, origin: i64) -> Result<usize, String> {
    let received = received(world).await?;
    Ok(world.traffic.due(origin).iter().filter(|(probe, count)| received.count(probe) < **count).count())
}

/// Nothing is there more often than it happened; what somebody waits for is there.
pub async fn judge(world: &World, origin: i64, violations: &mut Violations) {
    let Some(blobs) = &world.plan.blobs else { return };
    let received = match received(world).await {
        Ok(received) => received,
        Err(error) => return violations.push(format!("blobs: {error}")),
    };
    let all = world.traffic.due(i64::MIN);
    for (probe, count) in received.iter() {
        let happened = all.get(probe).copied().unwrap_or(0);
        if count > happened {
            let places = places(world, probe).await;
            violations.push(format!("blobs: {probe} happened {happened} times and is there {count} times: {places:?}"));
        }
    }
    let lost = lacking(world, origin).await.unwrap_or(usize::MAX);
    if blobs.required && lost > 0 {
        violations.push(format!("blobs: {lost} events are missing"));
    }
}
