//! Collecting rows in batches, and compressing them.

mod stages;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};

/// The program's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const EVENTS: u64 = 10_000;

fn batch(criterion: &mut Criterion) {
    let chunks = stages::parse(&mut stages::parser(), stages::blocks(EVENTS));
    let rows = stages::map(stages::asim().as_mut(), chunks);
    let mut group = criterion.benchmark_group("batch");
    group.throughput(Throughput::Elements(EVENTS));
    group.bench_function("collect", |bencher| {
        bencher.iter_batched(|| rows.clone(), stages::batch, BatchSize::LargeInput);
    });
    let batches = stages::batch(rows);
    group.sample_size(20);
    for level in [1, 6] {
        group.bench_function(format!("gzip {level}"), |bencher| bencher.iter(|| stages::encode(&batches, level)));
    }
    group.finish();
}

criterion_group!(benches, batch);
criterion_main!(benches);
