//! `cargo xtask test`: runs all checks, and ends with the sum of the counts that the test runners reported.

use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result};

/// Tests that passed and failed so far.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Count {
    passed: u64,
    failed: u64,
}

struct Step {
    what: &'static str,
    program: &'static str,
    arguments: &'static [&'static str],
    /// Parses the runner's own count. A step without one counts as one test.
    reads: Option<fn(&str) -> Option<Count>>,
}

const STEPS: [Step; 11] = [
    Step {
        what: "format",
        program: "cargo",
        arguments: &["fmt", "--all", "--check"],
        reads: None,
    },
    Step {
        what: "lints",
        program: "cargo",
        arguments: &[
            "clippy",
            "--locked",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ],
        reads: None,
    },
    Step {
        what: "tools of the checks",
        program: "sh",
        arguments: &["xtask/install.sh"],
        reads: None,
    },
    Step {
        what: "dependencies",
        program: "target/tools/cargo/bin/cargo-deny",
        arguments: &["--locked", "check", "bans", "licenses", "sources"],
        reads: None,
    },
    Step {
        what: "tests of the workspace",
        program: "cargo",
        arguments: &["test", "--locked", "--workspace", "--no-fail-fast"],
        reads: Some(cargo_count),
    },
    // The README builds with this profile. The optimised profile builds more slowly and behaves the same.
    Step {
        what: "release build",
        program: "cargo",
        arguments: &[
            "build",
            "--locked",
            "--release",
            "-p",
            "ecru-server",
            "-p",
            "ecru-conformance",
        ],
        reads: None,
    },
    Step {
        what: "conformance with the model of ECR",
        program: "target/release/ecru-conformance",
        arguments: &["check"],
        reads: Some(conformance_count),
    },
    Step {
        what: "conformance with the model of KMS",
        program: "target/release/ecru-conformance",
        arguments: &["check", "--service", "kms"],
        reads: Some(conformance_count),
    },
    Step {
        what: "conformance with the model of STS",
        program: "target/release/ecru-conformance",
        arguments: &["check", "--service", "sts"],
        reads: Some(conformance_count),
    },
    Step {
        what: "client tools",
        program: "sh",
        arguments: &["e2e/install.sh"],
        reads: None,
    },
    Step {
        what: "real clients",
        program: "target/tools/venv/bin/pytest",
        arguments: &["e2e"],
        reads: Some(pytest_count),
    },
];

/// The long rounds of checks that the steps above only sample. Each counts as one test.
const LONG_STEPS: [Step; 3] = [
    Step {
        what: "kills under load, 200 rounds",
        program: "target/tools/venv/bin/python",
        arguments: &[
            "e2e/kill.py",
            "--rounds",
            "200",
            "--clients",
            "8",
            "--images",
            "200",
        ],
        reads: None,
    },
    Step {
        what: "memory over an hour",
        program: "target/tools/venv/bin/python",
        arguments: &["e2e/soak.py", "--minutes", "60"],
        reads: None,
    },
    Step {
        what: "fuzz targets, ten minutes each",
        program: "sh",
        arguments: &["fuzz/run.sh", "600"],
        reads: None,
    },
];

/// With `long`, the long rounds follow the usual steps.
pub(crate) fn run(long: bool) -> Result<ExitCode> {
    let root = crate::root()?;
    let mut total = Count::default();
    let long_steps: &[Step] = if long { &LONG_STEPS } else { &[] };
    for step in STEPS.iter().chain(long_steps) {
        announce(step.what)?;
        let counted =
            run_step(step, &root).with_context(|| format!("could not run the step `{}`", step.what))?;
        total.passed += counted.passed;
        total.failed += counted.failed;
    }
    writeln!(
        std::io::stdout(),
        "\n{} passed, {} failed",
        total.passed,
        total.failed
    )?;
    Ok(if total.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn announce(what: &str) -> Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "\n── {what}")?;
    Ok(out.flush()?)
}

/// Prints the output of a step. A runner that fails without reporting a failed test counts as one failure.
fn run_step(step: &Step, root: &Path) -> Result<Count> {
    let program = if step.program.contains('/') {
        root.join(step.program)
    } else {
        step.program.into()
    };
    let mut child = Command::new(program)
        .args(step.arguments)
        .current_dir(root)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let printed = child.stdout.take().context("the step has no output")?;
    let mut count = Count::default();
    for line in BufReader::new(printed).split(b'\n') {
        let line = line?;
        let mut out = std::io::stdout();
        out.write_all(&line)?;
        out.write_all(b"\n")?;
        if let Some(counted) = step.reads.and_then(|read| read(&String::from_utf8_lossy(&line))) {
            count.passed += counted.passed;
            count.failed += counted.failed;
        }
    }
    let succeeded = child.wait()?.success();
    if succeeded && step.reads.is_none() {
        count.passed = 1;
    }
    let counted_nothing = step.reads.is_some() && count == Count::default();
    if (!succeeded && count.failed == 0) || counted_nothing {
        count.failed += 1;
    }
    Ok(count)
}

/// Parses `test result: ok. 38 passed; 0 failed; …`.
fn cargo_count(line: &str) -> Option<Count> {
    let counts = line.strip_prefix("test result: ")?;
    Some(Count {
        passed: before(counts, " passed")?,
        failed: before(counts, " failed")?,
    })
}

/// Parses `==== 3 failed, 60 passed, 1 error in 12.3s ====`.
fn pytest_count(line: &str) -> Option<Count> {
    let summary = line.trim_matches(|edge| edge == '=' || edge == ' ');
    let (counts, time) = summary.rsplit_once(" in ")?;
    if !time.starts_with(|first: char| first.is_ascii_digit()) || !time.contains('s') {
        return None;
    }
    let [passed, failed, error, errors, skipped] =
        [" passed", " failed", " error", " errors", " skipped"].map(|word| before(counts, word));
    // A skipped test proves nothing, so it counts as failed.
    let failed = [failed, errors.or(error), skipped].into_iter().flatten().sum();
    (passed.is_some() || failed > 0).then_some(Count {
        passed: passed.unwrap_or(0),
        failed,
    })
}

/// Parses `1715 passed, 0 failed`.
fn conformance_count(line: &str) -> Option<Count> {
    let (passed, failed) = line.split_once(" passed, ")?;
    Some(Count {
        passed: passed.parse().ok()?,
        failed: failed.strip_suffix(" failed")?.parse().ok()?,
    })
}

/// The number before a word.
fn before(text: &str, word: &str) -> Option<u64> {
    let (head, _) = text.split_once(word)?;
    let digits = head
        .rsplit(|character: char| !character.is_ascii_digit())
        .next()?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counts_of_all_runners_are_read() {
        let cargo = "test result: FAILED. 38 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 3.80s";
        assert_eq!(
            cargo_count(cargo),
            Some(Count {
                passed: 38,
                failed: 2
            })
        );
        assert_eq!(cargo_count("test a::b ... ok"), None);

        let pytest =
            "=================== 1 failed, 61 passed, 2 errors in 301.17s (0:05:01) ===================";
        assert_eq!(
            pytest_count(pytest),
            Some(Count {
                passed: 61,
                failed: 3
            })
        );
        assert_eq!(
            pytest_count("61 passed, 1 skipped in 30.11s"),
            Some(Count {
                passed: 61,
                failed: 1
            })
        );
        assert_eq!(pytest_count("waited in vain"), None);

        assert_eq!(
            conformance_count("1700 passed, 15 failed"),
            Some(Count {
                passed: 1_700,
                failed: 15
            })
        );
        assert_eq!(
            conformance_count("PutImage/minimal: 400 X, and 200 in the baseline"),
            None
        );
    }
}
