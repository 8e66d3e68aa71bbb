//! A recording through parser, transform and batches, in memory and on one thread: the whole path without files,
//! network, channels and checkpoint.

mod stages;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

/// The program's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const EVENTS: u64 = 10_000;

fn end_to_end(criterion: &mut Criterion) {
    let blocks = stages::blocks(EVENTS);
    let mut parser = stages::parser();
    let mut transform = stages::asim();
    let mut group = criterion.benchmark_group("end to end");
    group.throughput(Throughput::Elements(EVENTS)).sample_size(20);
    for level in [1, 6] {
        group.bench_function(format!("gzip {level}"), |bencher| {
            bencher.iter_batched(
                || blocks.clone(),
                |blocks| {
                    let rows = stages::map(transform.as_mut(), stages::parse(&mut parser, blocks));
                    stages::encode(&stages::batch(rows), level)
                },
                BatchSize::LargeInput,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, end_to_end);
criterion_main!(benches);
