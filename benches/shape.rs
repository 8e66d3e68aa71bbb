//! What each shaping transform costs, on events and on rows.

mod stages;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use nordpass_sentinel::component::{ReadSettings, Transform};
use nordpass_sentinel::settings::{Environment, Section};
use nordpass_sentinel::telemetry::ComponentReporter;
use nordpass_sentinel::transforms;

/// The program's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const EVENTS: u64 = 10_000;

/// A transform of this type with these settings.
fn transform(name: &str, settings: &str) -> Box<dyn Transform> {
    let component = transforms::TYPES.iter().find(|known| known.name == name).expect("a type");
    let ReadSettings::Transform(read) = component.read else { panic!("no transform") };
    let mut section = Section::parse(settings, component.fields, Environment::default());
    let settings = read(&mut section);
    settings.build(ComponentReporter::detached())
}

fn shape(criterion: &mut Criterion) {
    let chunks = stages::parse(&mut stages::parser(), stages::blocks(EVENTS));
    let rows: Vec<_> = stages::map(stages::asim().as_mut(), chunks.clone()).into_iter().map(|(_, rows)| rows).collect();
    let mut group = criterion.benchmark_group("shape");
    group.throughput(Throughput::Elements(EVENTS));
    let key = "key = \"0123456789abcdef0123456789abcdef\"";
    for (name, settings, on_rows) in [
        ("filter", "exclude = [\"item_access.item_autofilled\"]", "exclude = [\"item_access.item_autofilled\"]"),
        ("filter", "exclude_addresses = [\"10.0.0.0/8\"]", "exclude_addresses = [\"10.0.0.0/8\"]"),
        ("modify", "set = { Tenant = \"acme\" }", "set = { Tenant = \"acme\" }"),
        ("modify", "set = { \"metadata.tenant\" = \"acme\" }", "set = { \"AdditionalFields.Tenant\" = \"acme\" }"),
        (
            "route",
            "routes = { a = { include_groups = [\"admin\"] } }",
            "routes = { a = { include_groups = [\"admin\"] } }",
        ),
        ("remap", "source = '.Tenant = \"acme\"'", "source = '.Tenant = \"acme\"'"),
        (
            "route",
            "routes = { a = { vrl = '.type == \"login\"' } }",
            "routes = { a = { vrl = '.EventType == \"Logon\"' } }",
        ),
        (
            "pseudonymize",
            &format!("fields = [\"user.*\", \"metadata.*email*\"]\n{key}"),
            &format!("fields = [\"ActorUser*\", \"TargetUser*\"]\n{key}"),
        ),
    ] {
        for (kind, settings, chunks) in [("events", settings, &chunks), ("rows", on_rows, &rows)] {
            let mut transform = transform(name, settings);
            let what: String = settings.chars().take_while(|c| *c != '\n').collect();
            group.bench_function(format!("{name} {kind}: {what}"), |bencher| {
                bencher.iter_batched(
                    || chunks.clone(),
                    |chunks| stages::map(transform.as_mut(), chunks),
                    BatchSize::LargeInput,
                );
            });
        }
    }
    group.finish();
}

criterion_group!(benches, shape);
criterion_main!(benches);
