//! What the files of a world hold.

use std::path::PathBuf;

use nordpass_simulator::Probes;
use nordpass_simulator::judge::received_in_files;

use crate::shape::{Destination, judge};
use crate::world::{Violations, World};

/// What the files below a folder hold.
pub async fn in_files(world: &World, folder: &str) -> Result<Probes, String> {
    let paths = world.disk.paths().into_iter().filter(|path| path.starts_with(folder));
    let paths: Vec<PathBuf> = paths.filter(|path| path.to_string_lossy().contains(".ndjson")).collect();
    Ok(received_in_files(&world.disk, &paths).await?.probes)
}

/// How many events are due and not there.
pub fn lacking_in(files: &Probes, world: &World, origin: i64) -> usize {
    let due = world.traffic.due(origin);
    let wanted = due.iter().filter(|(probe, _)| world.expected.wants(probe, Destination::Archive));
    wanted.filter(|(probe, count)| files.count(probe) < **count).count()
}

/// Files hold each event exactly once.
pub async fn judge_files(world: &World, origin: i64, violations: &mut Violations) {
    for (folder, required) in [("archive", true), ("extra", false)] {
        let there = if required { world.plan.archive.is_some() } else { world.plan.optional };
        if !there {
            continue;
        }
        let received = match in_files(world, folder).await {
            Ok(received) => received,
            Err(error) => {
                violations.push(format!("{folder}: {error}"));
                continue;
            }
        };
        let all = world.traffic.due(i64::MIN);
        for (probe, count) in received.iter() {
            let happened = all.get(probe).copied().unwrap_or(0);
            if required && !world.expected.wants(probe, Destination::Archive) {
                violations.push(format!("{folder}: {probe} was left out on purpose and stands there"));
            }
            if count > happened {
                violations.push(format!("{folder}: {probe} happened {happened} times and stands there {count} times"));
            }
        }
        if required {
            violations.extend(judge::wrong_lines(world, folder));
            let lost = lacking_in(&received, world, origin);
            if lost > 0 {
                violations.push(format!("{folder}: {lost} events are missing"));
            }
        }
    }
}
