//! Worlds with several replicas that share organizations: replicas come and go, crash and are cut off, their shards don't fit
//! together, organizations are added and removed, and each of them must be read by one replica and lose nothing.
//!
//! | file | what it is |
//! |---|---|
//! | [`plan`] | what a seed decides |
//! | [`files`] | the pipeline file, the list of organizations, and their secrets |
//! | [`replica`] | one process |
//! | [`books`] | who asked which API when, and which rows were accepted |
//! | [`world`] | one world's run |
//! | [`judge`] | what must hold |

mod books;
mod files;
mod judge;
mod plan;
mod replica;
mod world;

use plan::Plan;
use world::World;

use crate::world::Violations;

/// Without leases, as many worlds must have one among them in which two replicas read one organization.
pub const FORGED: u64 = 20;

/// What a world came to.
#[derive(Default)]
pub struct Ran {
    pub violations: Violations,
    pub organizations: u64,
    pub lives: u64,
    pub events: u64,
    pub copies: u64,
}

/// Runs one world, in the runtime of the caller. `forged`: the storage account grants every lease.
pub async fn run(seed: u64, forged: bool) -> Ran {
    let mut world = World::new(Plan::of(seed), forged);
    world.run().await
}

/// The world of a seed, for people.
pub fn describe(seed: u64) -> String {
    format!("{:#?}", Plan::of(seed))
}
