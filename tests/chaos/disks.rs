//! A disk that is full, or read-only, while the program runs: it waits in words, goes on by itself, and nothing is lost
//! or doubled.

use std::path::PathBuf;

use nordpass_env::{SystemClock, SystemDisk};
use nordpass_simulator::SimulationOptions;
use nordpass_simulator::generator::{Generator, Options};
use nordpass_simulator::judge::{judge, received_in_files};
use nordpass_simulator::server::Background;

use crate::mounts::SmallDisk;
use crate::program::{Program, command, free_port, pipeline, tail, with_api};
use crate::support::{World, found, history};

const EVENTS: usize = 3_000;
/// Events per second beside the history: something is always to be written.
const TRICKLE: f64 = 20.0;

/// What the disk holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// `data_dir`, with the state.
    State,
    /// The files of the archive.
    Archive,
}

impl Place {
    /// The component that has to say so.
    fn component(self) -> &'static str {
        match self {
            Self::State => "nordpass",
            Self::Archive => "archive",
        }
    }

    /// Below the world's folder.
    fn folder(self) -> PathBuf {
        match self {
            Self::State => "state/sources".into(),
            Self::Archive => "archive".into(),
        }
    }
}

/// The disk fills up.
pub async fn full(place: Place) -> String {
    run(place, SmallDisk::fill, "No space left on device", SmallDisk::make_room).await
}

/// The disk turns read-only.
pub async fn read_only(place: Place) -> String {
    run(place, SmallDisk::make_read_only, "Read-only file system", SmallDisk::make_writable).await
}

async fn run(place: Place, harm: fn(&SmallDisk), words: &str, cure: fn(&SmallDisk)) -> String {
    let world = World::new(SimulationOptions { events: history(5, EVENTS), ..SimulationOptions::default() }).await;
    let disk = SmallDisk::mount(&world.folder.path().join(place.folder()));
    let port = free_port();
    let file = with_api(&world, &pipeline(&world), port);
    let program = Program::start(command(&world, &file, &[]), &world, "disk", Some(port));
    let generator = Generator::new(6, Options::default());
    let clock = std::sync::Arc::new(SystemClock);
    let trickle = Background::spawn(world.simulation.clone().trickle(generator, TRICKLE, clock));

    arrived(&world, &program, EVENTS as u64 / 4).await;
    harm(&disk);
    let waiting = program.waits_for(place.component(), words).await;
    // While it lasts: it goes on waiting, and doesn't end.
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let ready = program.ready().await.expect("it lives, and answers");
    assert_eq!(ready["ready"], false, "{ready:#}");
    cure(&disk);

    // Further ones come, too.
    arrived(&world, &program, EVENTS as u64 + 100).await;
    drop(trickle);
    let (lost, doubled) = settled(&world, &program).await;
    assert_eq!((lost, doubled), (0, 0), "lost and doubled\n{}", tail(&program.log()));
    program.is_ready().await;
    format!("{place:?}: /ready said {waiting}; nothing lost or doubled")
}

/// Waits until so many rows have arrived.
async fn arrived(world: &World, program: &Program, rows: u64) {
    let all = || world.simulation.ingestion.rows().values().sum::<u64>() >= rows;
    let arrived = found(async || all().then_some(())).await.is_some();
    let there = world.simulation.ingestion.rows();
    assert!(arrived, "waited for {rows} rows, {there:?}\n{}", tail(&program.log()));
}

/// Waits until everything has arrived at both ends. What is lost and doubled, both ends together.
async fn settled(world: &World, program: &Program) -> (u64, u64) {
    let everything = world.simulation.nordpass.world();
    arrived(world, program, everything.total()).await;
    let azure = world.simulation.verdict();
    // A file may be read in the middle of an append: then it is read again.
    let mut files = None;
    let complete = async || {
        let received = received_in_files(&SystemDisk, &world.files("archive")).await.ok()?;
        let verdict = files.insert(judge(&everything, &everything, &everything, &received));
        (verdict.events_lost == 0).then_some(())
    };
    found(complete).await;
    let files = files.expect("files that can be read");
    (azure.events_lost + files.events_lost, azure.events_duplicated + files.events_duplicated)
}
