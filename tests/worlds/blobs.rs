//! The archive in a storage account: each event is in one blob, once.

use nordpass_env::MemoryDisk;
use nordpass_simulator::Probes;
use nordpass_simulator::judge::received_in_files;

use crate::pipeline::CONTAINER;
use crate::world::{Violations, World};

/// What the blobs hold.
async fn received(world: &World) -> Result<Probes, String> {
    let disk = MemoryDisk::new();
    for name in world.blobs.names(CONTAINER) {
        disk.put(&name, world.blobs.content(CONTAINER, &name).unwrap_or_default());
    }
    Ok(received_in_files(&disk, &disk.paths()).await?.probes)
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
            violations.push(format!("blobs: {probe} happened {happened} times and is there {count} times"));
        }
    }
    let lost = lacking(world, origin).await.unwrap_or(usize::MAX);
    if blobs.required && lost > 0 {
        violations.push(format!("blobs: {lost} events are missing"));
    }
}
