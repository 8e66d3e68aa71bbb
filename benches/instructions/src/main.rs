//! Runs a stage of the hot path on 1,000 events, for valgrind to count its instructions.
//!
//! `bench-instructions STAGE`. Only what happens inside [`measured`] is counted: `cargo xtask instructions` tells valgrind
//! its name. The allocator is the system's, not the product's: that one gives memory back by the clock, so that two runs
//! are never the same.
#![expect(clippy::print_stderr, reason = "this program is for people and scripts")]

#[path = "../../stages/mod.rs"]
mod stages;

use std::hint::black_box;
use std::process::ExitCode;

use nordpass_sentinel::component::Transform;
use nordpass_sentinel::event::Chunk;
use nordpass_sentinel::sources::recording::Parser;

const EVENTS: u64 = 1_000;
/// So that what is only made at the first use counts little.
const REPEATS: usize = 4;

/// What a stage works on, for each repetition.
enum Work {
    Parse(Vec<Vec<u8>>),
    Map(Vec<Chunk>),
    Gzip(Vec<(usize, Chunk)>, u32),
}

fn main() -> ExitCode {
    let stage = std::env::args().nth(1);
    let blocks = stages::blocks(EVENTS);
    let chunks = stages::parse(&mut stages::parser(), blocks.clone());
    let rows = stages::map(stages::asim().as_mut(), chunks.clone());
    let work = match stage.as_deref() {
        Some("parse") => Work::Parse(blocks),
        Some("map") => Work::Map(chunks),
        Some("gzip_1") => Work::Gzip(rows, 1),
        Some("gzip_6") => Work::Gzip(rows, 6),
        _ => {
            eprintln!("usage: bench-instructions parse|map|gzip_1|gzip_6");
            return ExitCode::from(2);
        }
    };
    let (mut parser, mut transform) = (stages::parser(), stages::asim());
    for _ in 0..REPEATS {
        measured(&work, &mut parser, transform.as_mut());
    }
    ExitCode::SUCCESS
}

/// One repetition. A function of its own in the program, not a part of `main`: valgrind finds it by its name.
#[inline(never)]
fn measured(work: &Work, parser: &mut Parser, transform: &mut dyn Transform) {
    match work {
        Work::Parse(blocks) => {
            black_box(stages::parse(parser, blocks.clone()));
        }
        Work::Map(chunks) => {
            black_box(stages::map(transform, chunks.clone()));
        }
        Work::Gzip(rows, level) => {
            black_box(stages::encode(&stages::batch(rows.clone()), *level));
        }
    }
}
