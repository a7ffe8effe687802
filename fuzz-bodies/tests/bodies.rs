//! Each body with its seeds, with what once broke it, and with mutations of both.
//!
//! `BATON_FUZZ_SECONDS` says for how long to go on, in all; without it each body gets a fixed number of
//! cases.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fuzz_bodies::{BODIES, Body};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// How many cases each body gets in an ordinary run.
const CASES: u32 = 800;
const MOST_OCTETS: usize = 600;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the checkout").join("fuzz")
}

/// The files in a folder of the fuzz targets for one body.
fn inputs(folder: &str, name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(fuzz().join(folder).join(name)).into_iter().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(path).expect("readable"))).collect()
}

fn seeds(name: &str) -> Vec<Vec<u8>> {
    let found = inputs("seeds", name).into_iter().chain(inputs("regressions", name));
    found.map(|(_, octets)| octets).collect()
}

/// Octets that came from nowhere, or from a seed that was cut, spliced and altered.
fn any_input(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let alterations = vec((any::<Index>(), any::<u8>(), 0..4_u8), 0..6);
    let altered = (select(seeds.clone()), select(seeds), any::<Option<Index>>(), alterations).prop_map(
        |(mut octets, other, splice, alterations)| {
            if let Some(at) = splice {
                let (at, from) = (at.index(octets.len() + 1), at.index(other.len() + 1));
                octets.truncate(at);
                octets.extend(&other[from..]);
            }
            for (at, octet, kind) in alterations {
                let at = at.index(octets.len() + 1);
                match (kind, octets.get_mut(at)) {
                    (0, Some(here)) => *here = octet,
                    (1, Some(here)) => *here ^= 1 << (octet % 8),
                    (2, Some(_)) => drop(octets.remove(at)),
                    (_, _) => octets.insert(at, octet),
                }
            }
            octets
        },
    );
    prop_oneof![1 => vec(any::<u8>(), 0..MOST_OCTETS), 3 => altered]
}

fn run((name, body): Body, cases: u32, seed: u64) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let mut octets = [0; 32];
    octets[..8].copy_from_slice(&seed.to_le_bytes());
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &octets));
    let outcome = runner.run(&any_input(seeds(name)), |octets| {
        body(&octets);
        Ok(())
    });
    assert!(outcome.is_ok(), "{name}: {}", outcome.expect_err("a failure"));
}

#[test]
fn every_body_holds_for_its_seeds_and_for_what_once_broke_it() {
    for (name, body) in BODIES {
        assert!(!inputs("seeds", name).is_empty(), "{name} has no seed");
        for (path, octets) in inputs("seeds", name).into_iter().chain(inputs("regressions", name)) {
            println!("{}", path.display());
            body(&octets);
        }
    }
}

#[test]
fn every_body_holds_for_mutated_seeds_and_for_any_octets() {
    let Some(seconds) = std::env::var("BATON_FUZZ_SECONDS").ok() else {
        return BODIES.into_iter().for_each(|body| run(body, CASES, 0));
    };
    let each = Duration::from_secs(seconds.parse().expect("BATON_FUZZ_SECONDS is a number"))
        / u32::try_from(BODIES.len()).expect("a few");
    let origin = std::time::UNIX_EPOCH.elapsed().expect("a clock").as_secs();
    for body in BODIES {
        let (started, mut rounds) = (Instant::now(), 0);
        while started.elapsed() < each {
            run(body, CASES, origin + rounds);
            rounds += 1;
        }
        let cases = rounds * u64::from(CASES);
        println!("{}: {cases} cases, seeds from {origin}", body.0);
    }
}

#[test]
fn every_body_has_a_fuzz_target_that_does_nothing_else() {
    let targets = fs::read_dir(fuzz().join("fuzz_targets")).expect("the targets");
    let stems: BTreeSet<_> = targets
        .map(|entry| {
            entry.expect("an entry").path().file_stem().expect("a name").to_string_lossy().into_owned()
        })
        .collect();
    assert_eq!(stems, BODIES.map(|(name, _)| name.to_owned()).into());
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).expect("the manifest");
    for (name, _) in BODIES {
        let target = fs::read_to_string(fuzz().join(format!("fuzz_targets/{name}.rs"))).expect("readable");
        assert!(
            target.contains(&format!("fuzz_bodies::{name}(data)")) && target.lines().count() < 10,
            "{name}"
        );
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} is not built");
    }
}
