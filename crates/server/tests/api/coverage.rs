//! The ratchet of errors: for each modelled answer of an operation, `shown.txt` names a test that shows it,
//! or `uncovered.txt` has a line with the reason why none does.
//!
//! `ECRU_TESTS_WRITE_SHOWN=1 cargo test -p ecru-server --test api coverage` runs all tests again and writes `shown.txt`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use ecru_model::{ErrorCode, Operation};

use crate::api::SEEN_TO;

const SHOWN: &str = include_str!("shown.txt");
const UNCOVERED: &str = include_str!("uncovered.txt");
const WRITE_SHOWN: &str = "ECRU_TESTS_WRITE_SHOWN";

/// An operation, and an error or a success of it.
type Pair = (Operation, Option<ErrorCode>);

struct Lines<'a>(&'a BTreeSet<Pair>);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|pair| writeln!(formatter, "{}", spell(*pair)))
    }
}

fn spell((operation, code): Pair) -> String {
    format!("{operation} {}", code.map_or("success", ErrorCode::name))
}

fn pair(operation: &str, what: &str) -> Option<Pair> {
    let operation = Operation::from_name(operation)?;
    if what == "success" {
        return Some((operation, None));
    }
    let code = ErrorCode::ALL.iter().find(|code| code.name() == what)?;
    Some((operation, Some(*code)))
}

/// The answers that all tests saw, in a separate run.
static SEEN: LazyLock<BTreeMap<Pair, BTreeSet<String>>> = LazyLock::new(|| {
    let named = shown().into_values().collect::<BTreeSet<_>>();
    if writes_shown() {
        run_tests(&["--skip", "coverage::"])
    } else {
        let mut arguments = vec!["--exact"];
        arguments.extend(named);
        run_tests(&arguments)
    }
});

#[expect(
    clippy::disallowed_methods,
    reason = "whether to write is for who runs the tests to say"
)]
fn writes_shown() -> bool {
    std::env::var_os(WRITE_SHOWN).is_some()
}

fn run_tests(arguments: &[&str]) -> BTreeMap<Pair, BTreeSet<String>> {
    let directory = tempfile::TempDir::new().unwrap();
    let to = directory.path().join("seen");
    // With a single thread, the runner would not name the thread after the test.
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--quiet", "--test-threads", "2"])
        .args(arguments)
        .env(SEEN_TO, &to)
        .env_remove(WRITE_SHOWN)
        .stdout(Stdio::null())
        .status();
    assert!(
        status.unwrap().success(),
        "the tests fail when they are run again"
    );
    let mut seen = BTreeMap::<Pair, BTreeSet<String>>::new();
    for line in std::fs::read_to_string(&to).unwrap_or_default().lines() {
        let [operation, what, test] = line.split(' ').collect::<Vec<_>>()[..] else {
            // Tests also send names that are not operations.
            continue;
        };
        if let Some(pair) = pair(operation, what) {
            seen.entry(pair).or_default().insert(test.to_owned());
        }
    }
    seen
}

/// The test for each pair, from the committed file.
fn shown() -> BTreeMap<Pair, &'static str> {
    let lines = SHOWN.lines().map(|line| {
        let parsed = line.split_once(": ").and_then(|(shown, test)| {
            let (operation, what) = shown.split_once(' ')?;
            Some((pair(operation, what)?, test))
        });
        parsed.unwrap_or_else(|| panic!("no line of shown.txt: {line}"))
    });
    lines.collect()
}

fn modelled() -> BTreeSet<Pair> {
    Operation::ALL
        .iter()
        .flat_map(|operation| {
            let errors = operation.errors().iter().copied().map(Some);
            errors.chain([None]).map(move |what| (*operation, what))
        })
        .collect()
}

/// The pairs that a line of `uncovered.txt` explains, each with the line.
///
/// `<operation>, <operation> <error>: <reason>` explains the named operations. `* <error> beside <other>:
/// <reason>` explains every operation that has both errors and is not named in another line.
fn listed(unseen: &BTreeSet<Pair>) -> BTreeMap<Pair, &'static str> {
    let mut listed = BTreeMap::new();
    let (rules, lines): (Vec<_>, Vec<_>) = UNCOVERED.lines().partition(|line| line.starts_with("* "));
    for line in lines {
        let (about, reason) = line
            .split_once(": ")
            .unwrap_or_else(|| panic!("no reason: {line}"));
        assert!(!reason.trim().is_empty(), "no reason: {line}");
        let (operations, code) = about
            .rsplit_once(' ')
            .unwrap_or_else(|| panic!("no error: {line}"));
        for operation in operations.split(", ") {
            let pair = pair(operation, code).unwrap_or_else(|| panic!("`{operation} {code}`: {line}"));
            assert!(
                listed.insert(pair, line).is_none(),
                "{} is listed twice",
                spell(pair)
            );
        }
    }
    for line in rules {
        let about = line
            .trim_start_matches("* ")
            .split_once(": ")
            .and_then(|(about, _)| about.split_once(" beside "));
        let (code, other) = about.unwrap_or_else(|| panic!("no rule: {line}"));
        let covered = unseen
            .iter()
            .filter(|(operation, what)| {
                let knows_other = operation.errors().iter().any(|known| known.name() == other);
                what.is_some_and(|what| what.name() == code) && knows_other
            })
            .filter(|pair| !listed.contains_key(pair))
            .copied()
            .collect::<Vec<_>>();
        assert!(!covered.is_empty(), "about nothing: {line}");
        listed.extend(covered.into_iter().map(|pair| (pair, line)));
    }
    listed
}

#[test]
fn every_modelled_answer_is_shown_or_listed_with_a_reason() {
    let modelled = modelled();
    let seen = SEEN.keys().copied().collect::<BTreeSet<_>>();
    let unseen = &modelled - &seen;
    let listed = listed(&unseen).into_keys().collect::<BTreeSet<_>>();
    let missing = &unseen - &listed;
    assert!(
        missing.is_empty(),
        "neither shown nor listed:\n{}",
        Lines(&missing)
    );
    let stale = &listed - &unseen;
    assert!(
        stale.is_empty(),
        "listed, but shown or not of the model:\n{}",
        Lines(&stale)
    );
}

#[test]
fn the_tests_that_are_named_show_what_they_are_named_for() {
    let modelled = modelled();
    let seen = SEEN.iter().filter(|(pair, _)| modelled.contains(pair));
    if writes_shown() {
        write_shown();
        return;
    }
    let shown = shown();
    for (pair, tests) in seen {
        let test = shown.get(pair).copied();
        assert!(
            test.is_some_and(|test| tests.contains(test)),
            "{} is shown by {tests:?}, and {test:?} is named: write shown.txt again",
            spell(*pair)
        );
    }
    let named = shown.into_keys().collect::<BTreeSet<_>>();
    let unseen = &named - &SEEN.keys().copied().collect();
    assert!(unseen.is_empty(), "named, but not shown:\n{}", Lines(&unseen));
}

/// Keeps a committed test that still shows the pair. Otherwise selects the test that shows the fewest other
/// pairs.
fn write_shown() {
    let (modelled, named) = (modelled(), shown());
    let mut sights = BTreeMap::<&str, usize>::new();
    for test in SEEN.values().flatten() {
        *sights.entry(test).or_default() += 1;
    }
    let lines = SEEN.iter().filter(|(pair, _)| modelled.contains(pair));
    let lines = lines.map(|(pair, tests)| {
        let kept = named.get(pair).copied().filter(|test| tests.contains(*test));
        let least = tests
            .iter()
            .map(String::as_str)
            .min_by_key(|test| (sights[test], *test));
        format!("{}: {}\n", spell(*pair), kept.or(least).unwrap())
    });
    let text = lines.collect::<String>();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/api/shown.txt");
    std::fs::write(path, text).unwrap();
}

#[test]
fn no_operation_answers_with_an_error_that_its_model_does_not_know() {
    // Errors that any operation may return, and ecru's own errors that stand for modelled ones.
    let beside = |operation: Operation, code: ErrorCode| match code {
        ErrorCode::AccessDeniedException
        | ErrorCode::SerializationException
        | ErrorCode::RequestEntityTooLargeException => true,
        // Ecru limits the number of open uploads, and the model has no error for that limit.
        ErrorCode::LimitExceededException if operation == Operation::InitiateLayerUpload => true,
        // The error for an image without the signature that its repository requires.
        ErrorCode::LayerInaccessibleException if operation == Operation::PutImage => true,
        own => own.modelled() != own && operation.errors().contains(&own.modelled()),
    };
    let strange = SEEN.keys().filter(|(operation, code)| {
        code.is_some_and(|code| !operation.errors().contains(&code) && !beside(*operation, code))
    });
    let strange = strange.copied().collect::<BTreeSet<_>>();
    assert!(strange.is_empty(), "not of the model:\n{}", Lines(&strange));
}
