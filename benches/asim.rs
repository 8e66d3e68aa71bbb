//! Parsing lines, and mapping events to rows.

mod stages;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

/// The program's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const EVENTS: u64 = 10_000;

fn asim(criterion: &mut Criterion) {
    let blocks = stages::blocks(EVENTS);
    let mut group = criterion.benchmark_group("asim");
    group.throughput(Throughput::Elements(EVENTS));
    let mut parser = stages::parser();
    group.bench_function("parse", |bencher| {
        bencher.iter_batched(|| blocks.clone(), |blocks| stages::parse(&mut parser, blocks), BatchSize::LargeInput);
    });
    let chunks = stages::parse(&mut parser, blocks);
    let mut transform = stages::asim();
    group.bench_function("map", |bencher| {
        bencher.iter_batched(
            || chunks.clone(),
            |chunks| stages::map(transform.as_mut(), chunks),
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

criterion_group!(benches, asim);
criterion_main!(benches);
