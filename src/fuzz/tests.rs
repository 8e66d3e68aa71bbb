//! Every target on every file of its corpus, on every regression, and on seeded mutations of them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use nordpass_env::SeededRandom;

use super::mutate::mutated;
use super::{TARGETS, Target};

/// Mutations of each target, spread over its files.
const MUTATIONS: usize = 4_000;

fn folder(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(kind)
}

fn files(kind: &str, target: &Target) -> Vec<(String, Vec<u8>)> {
    let Ok(entries) = fs::read_dir(folder(kind).join(target.name)) else { return Vec::new() };
    let mut files: Vec<_> = entries
        .map(|entry| {
            let path = entry.expect("an entry").path();
            (path.display().to_string(), fs::read(&path).expect("a readable file"))
        })
        .collect();
    files.sort();
    files
}

fn run(target: &Target, from: &str, input: &[u8]) {
    let Target { name, promise, run, .. } = target;
    let result = std::panic::catch_unwind(|| run(input));
    assert!(result.is_ok(), "`{name}` breaks its promise ({promise}) on {from}: b\"{}\"", input.escape_ascii());
}

#[test]
fn every_promise_holds_for_the_corpora_and_mutations_of_them() {
    for (number, target) in TARGETS.iter().enumerate() {
        let mut inputs = files("corpus", target);
        assert!(inputs.len() >= 3, "{} has hardly a corpus", target.name);
        inputs.extend(files("regressions", target));
        for (path, input) in &inputs {
            run(target, path, input);
        }
        run(target, "nothing", b"");
        for seed in 0..MUTATIONS {
            let dice = SeededRandom::new((number * MUTATIONS + seed) as u64);
            let (path, input) = &inputs[seed % inputs.len()];
            let (_, other) = &inputs[(seed / inputs.len()) % inputs.len()];
            run(target, &format!("mutation {seed} of {path}"), &mutated(input, other, &dice, target.longest));
        }
    }
}

#[test]
fn every_folder_of_inputs_is_a_target_and_small() {
    let names: BTreeSet<&str> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(names.len(), TARGETS.len(), "names are unique");
    for kind in ["corpus", "regressions"] {
        for entry in fs::read_dir(folder(kind)).into_iter().flatten() {
            let name = entry.expect("an entry").file_name();
            assert!(name.to_str().is_some_and(|name| names.contains(name)), "{kind}/{} is no target", name.display());
        }
        for target in TARGETS {
            for (path, input) in files(kind, target) {
                assert!(input.len() <= target.longest.min(8 << 10), "{path} has {} bytes", input.len());
            }
        }
    }
}
