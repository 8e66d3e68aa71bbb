//! Worlds with a topic between polling and delivering: one process reads NordPass and writes to Kafka, several read the topic as a
//! group and deliver to Sentinel. Processes come and go, crash, are stopped and cut off, brokers and destinations fail, and others
//! write to the topic, too. No event may get lost, and no offset may be committed beyond what is delivered.
//!
//! | file | what it is |
//! |---|---|
//! | [`plan`] | what a seed decides |
//! | [`files`] | the pipeline files |
//! | [`topic`] | the topic, what others write to it, and what is committed |
//! | [`lie`] | brokers that the judge has to see through |
//! | [`world`] | one world's run |
//! | [`judge`] | what must hold |

mod files;
mod judge;
mod lie;
mod plan;
mod topic;
mod world;

use lie::Untruth;
use plan::Plan;
use world::World;

use crate::others::{Kind, Lie, Tally, in_world};

/// Worlds with a topic between polling and delivering.
pub const KIND: Kind = Kind {
    flag: "--kafka",
    name: "worlds with a topic between polling and delivering",
    run: |seed| run(seed, None),
    describe: |seed| format!("{:#?}", Plan::of(seed)),
    lies: &[
        Lie {
            what: "a producer that answers before it has written loses events",
            worlds: 30,
            run: |seed| run(seed, Some(Untruth::Enqueued)).violations,
            seen: "lost ",
        },
        Lie {
            what: "a commit of what isn't delivered loses events",
            worlds: 30,
            run: |seed| run(seed, Some(Untruth::Ahead)).violations,
            seen: "lost ",
        },
    ],
};

fn run(seed: u64, lie: Option<Untruth>) -> Tally {
    in_world(|| async move { World::new(Plan::of(seed), lie).run().await })
}
