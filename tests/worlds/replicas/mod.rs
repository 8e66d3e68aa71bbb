//! Worlds with several replicas that share organizations: replicas come and go, crash and are cut off, their shards don't fit
//! together, organizations are added and removed, and each of them must be read by one replica and lose nothing.
//!
//! | file | what it is |
//! |---|---|
//! | [`plan`] | what a seed decides |
//! | [`files`] | the pipeline file, the list of organizations, and their secrets |
//! | [`forged`] | a storage account without leases |
//! | [`world`] | one world's run |
//! | [`judge`] | what must hold |

mod files;
mod forged;
mod judge;
mod plan;
mod world;

use plan::Plan;
use world::World;

use crate::others::{Kind, Lie, Tally, in_world};

/// Worlds with several replicas.
pub const KIND: Kind = Kind {
    flag: "--replicas",
    name: "worlds with several replicas",
    run: |seed| run(Plan::of(seed), false),
    describe: |seed| format!("{:#?}", Plan::of(seed)),
    lies: &[Lie {
        what: "without leases two replicas read one organization",
        worlds: 20,
        run: |seed| run(Plan::of(seed).with_an_index_twice(), true).violations,
        seen: " ask",
    }],
};

/// `forged`: the storage account grants every lease.
fn run(plan: Plan, forged: bool) -> Tally {
    in_world(|| async move { World::new(plan, forged).run().await })
}
