//! The ratchet of errors: what each operation may answer with is either provoked by a test or listed, with a reason.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use ecru_model::{ErrorCode, Operation};

use crate::api::errors_seen_in;
use crate::{
    creation_templates, faults, get_images, layer_lookup, layers, lifecycle, manifests, policies,
    pull_through_cache, pull_time_exclusions, put_image, referrers, registry, registry_policy, replication,
    replication_backfill, repositories, resource_tags, scanning, signing, storage_class, tag_mutability,
    tokens,
};

const UNCOVERED: &str = include_str!("uncovered.txt");

type Pair = (Operation, ErrorCode);

static SEEN: LazyLock<BTreeSet<Pair>> = LazyLock::new(see);

/// Runs the tests that provoke errors once more, and looks at the answers itself.
fn see() -> BTreeSet<Pair> {
    let rooms = [
        creation_templates::PROVOKING,
        faults::PROVOKING,
        get_images::PROVOKING,
        layer_lookup::PROVOKING,
        layers::PROVOKING,
        lifecycle::PROVOKING,
        manifests::PROVOKING,
        policies::PROVOKING,
        pull_through_cache::PROVOKING,
        pull_time_exclusions::PROVOKING,
        put_image::PROVOKING,
        referrers::PROVOKING,
        registry::PROVOKING,
        registry_policy::PROVOKING,
        replication::PROVOKING,
        replication_backfill::PROVOKING,
        repositories::PROVOKING,
        resource_tags::PROVOKING,
        scanning::PROVOKING,
        signing::PROVOKING,
        storage_class::PROVOKING,
        tag_mutability::PROVOKING,
        tokens::PROVOKING,
    ];
    errors_seen_in(|| rooms.iter().copied().flatten().for_each(|test| test()))
}

fn modelled() -> BTreeSet<Pair> {
    Operation::ALL
        .iter()
        .copied()
        .flat_map(|operation| operation.errors().iter().map(move |code| (operation, *code)))
        .collect()
}

/// The pairs that are listed, each with why it cannot be seen.
fn listed() -> BTreeMap<Pair, &'static str> {
    let lines = UNCOVERED.lines().filter(|line| !line.is_empty());
    let listed = lines.clone().map(|line| {
        let (pair, reason) = line
            .split_once(": ")
            .unwrap_or_else(|| panic!("no reason: {line}"));
        let (operation, code) = pair.split_once(' ').unwrap_or_else(|| panic!("no error: {line}"));
        let operation = Operation::from_name(operation).unwrap_or_else(|| panic!("no operation: {line}"));
        let code = ErrorCode::ALL.iter().find(|known| known.name() == code);
        let code = *code.unwrap_or_else(|| panic!("no error: {line}"));
        assert!(!reason.trim().is_empty(), "no reason: {line}");
        ((operation, code), reason)
    });
    let listed = listed.collect::<BTreeMap<_, _>>();
    assert_eq!(listed.len(), lines.count(), "a pair is listed twice");
    listed
}

#[test]
fn every_modelled_error_is_provoked_or_listed_with_a_reason() {
    let (modelled, listed) = (modelled(), listed());
    let listed = listed.into_keys().collect::<BTreeSet<_>>();
    let unseen = modelled.difference(&SEEN).copied().collect::<BTreeSet<_>>();
    let lines = |pairs: &BTreeSet<Pair>| {
        let lines = pairs
            .iter()
            .map(|(operation, code)| format!("{operation} {code}: …"));
        lines.collect::<Vec<_>>().join("\n")
    };
    let missing = &unseen - &listed;
    assert!(
        missing.is_empty(),
        "neither provoked nor listed:\n{}",
        lines(&missing)
    );
    let stale = &listed - &unseen;
    assert!(
        stale.is_empty(),
        "listed, but provoked or not of the model:\n{}",
        lines(&stale)
    );
}

#[test]
fn no_operation_answers_with_an_error_that_its_model_does_not_know() {
    // Those that any operation may answer with, and our own, which stand for modelled ones.
    let beside = |(operation, code): &Pair| match code {
        ErrorCode::AccessDeniedException | ErrorCode::SerializationException => true,
        own => own.modelled() != *own && operation.errors().contains(&own.modelled()),
    };
    for pair in SEEN.difference(&modelled()) {
        assert!(beside(pair), "{} is no error of {}", pair.1, pair.0);
    }
}
