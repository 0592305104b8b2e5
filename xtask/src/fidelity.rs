//! `cargo xtask fidelity`: writes the page that shows how closely ecru follows ECR. It lists the tests that
//! show each answer of the model, and the choices that ecru makes where ECR's behaviour is not known.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use ecru_facts::{Facts, Operation};

use crate::root;

const PAGE: &str = "docs/fidelity.md";
const TESTS: &str = "crates/server/tests/api";
const MARK: &str = "[unknown]";

/// The reason why no test shows an error: either for the named operations, or for all operations with another
/// error.
struct Reason<'a> {
    operations: Vec<&'a str>,
    beside: Option<&'a str>,
    error: &'a str,
    text: &'a str,
}

pub(crate) fn run() -> Result<()> {
    let path = root()?.join(PAGE);
    fs::write(&path, page()?).with_context(|| format!("writing `{}`", path.display()))
}

fn page() -> Result<String> {
    let root = root()?;
    let models = root.join("models/ecr");
    let model = Facts::parse(
        &read(&models.join("model.json"))?,
        &read(&models.join("overrides.json"))?,
    )?;
    let shown = read(&root.join(TESTS).join("shown.txt"))?;
    let shown = shown
        .lines()
        .filter_map(|line| line.split_once(": "))
        .collect::<BTreeMap<_, _>>();
    let uncovered = read(&root.join(TESTS).join("uncovered.txt"))?;
    let reasons = uncovered
        .lines()
        .map(|line| reason(line).with_context(|| format!("`{line}`")))
        .collect::<Result<Vec<_>>>()?;

    let mut page = head(&model, &shown, &reasons)?;
    for operation in &model.operations {
        section(&mut page, operation, &shown, &reasons)?;
    }
    choices(&mut page, &root)?;
    Ok(page)
}

fn head(model: &Facts, shown: &BTreeMap<&str, &str>, reasons: &[Reason<'_>]) -> Result<String> {
    let errors = model.operations.iter().map(|operation| operation.errors.len());
    let successes = shown.keys().filter(|pair| pair.ends_with(" success")).count();
    let mut page = format!(
        "# How closely ecru is ECR\n\n\
         Written by `cargo xtask fidelity` from the service model ({} {}), from what the tests saw, and from the comments of the \
         sources; a test compares.\n\n\
         {} operations know {} errors between them. Tests show {successes} operations succeeding and {} errors; the others cannot be \
         raised, for the reasons given. A test `room::name` is in `{TESTS}/room.rs`. Beside these, `ecru-conformance` asks every \
         operation in every variant that the model's constraints allow or forbid.\n\n\
         - [Answers](#answers)\n- [Reasons](#reasons)\n- [Choices](#choices)\n\n## Reasons\n\n\
         Errors that the model has and ecru does not answer with:\n\n| error | of | why not |\n|---|---|---|\n",
        model.source.package,
        model.source.version,
        model.operations.len(),
        errors.sum::<usize>(),
        shown.len() - successes,
    );
    for reason in reasons {
        let of = match reason.beside {
            Some(other) => format!("operations with `{other}` too"),
            None => reason.operations.join(", "),
        };
        writeln!(page, "| `{}` | {of} | {} |", reason.error, reason.text)?;
    }
    page.push_str("\n## Answers\n");
    Ok(page)
}

fn section(
    page: &mut String,
    operation: &Operation,
    shown: &BTreeMap<&str, &str>,
    reasons: &[Reason<'_>],
) -> Result<()> {
    writeln!(
        page,
        "\n### {}\n\n| answer | shown by |\n|---|---|",
        operation.name
    )?;
    let mut errors = operation.errors.iter().map(String::as_str).collect::<Vec<_>>();
    errors.sort_unstable();
    for what in std::iter::once("success").chain(errors) {
        let by = match shown.get(format!("{} {what}", operation.name).as_str()) {
            Some(test) => format!("`{test}`"),
            None => match reasons.iter().find(|reason| reason.is_about(operation, what)) {
                Some(reason) => format!("none: {}", reason.text),
                None => "none yet".to_owned(),
            },
        };
        writeln!(page, "| {what} | {by} |")?;
    }
    Ok(())
}

impl Reason<'_> {
    fn is_about(&self, operation: &Operation, error: &str) -> bool {
        let named = self.operations.contains(&operation.name.as_str());
        let knows = |other| operation.errors.iter().any(|known| known == other);
        self.error == error && (named || self.beside.is_some_and(knows))
    }
}

/// `<operation>, <operation> <error>: <reason>` or `* <error> beside <other>: <reason>`.
fn reason(line: &str) -> Result<Reason<'_>> {
    let (about, text) = line.split_once(": ").context("no reason")?;
    if let Some(rule) = about.strip_prefix("* ") {
        let (error, other) = rule.split_once(" beside ").context("no rule")?;
        return Ok(Reason {
            operations: Vec::new(),
            beside: Some(other),
            error,
            text,
        });
    }
    let (operations, error) = about.rsplit_once(' ').context("no error")?;
    Ok(Reason {
        operations: operations.split(", ").collect(),
        beside: None,
        error,
        text,
    })
}

fn choices(page: &mut String, root: &Path) -> Result<()> {
    page.push_str(
        "\n## Choices\n\nWhere ECR's way is not known, ecru does what a client would expect. Each place says so:\n",
    );
    let mut files = Vec::new();
    sources(&root.join("crates"), &mut files)?;
    files.sort();
    for file in files {
        let text = read(&file)?;
        let found = choices_in(&text);
        if found.is_empty() {
            continue;
        }
        let path = file.strip_prefix(root).unwrap_or(&file).display();
        writeln!(page, "\n[{path}](../{path})\n")?;
        for choice in found {
            writeln!(page, "- {choice}")?;
        }
    }
    Ok(())
}

/// The comments that mark a choice, each with the line below it.
fn choices_in(source: &str) -> Vec<String> {
    let lines = source.lines().map(str::trim).collect::<Vec<_>>();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        let Some(_) = comment(line) else {
            at += 1;
            continue;
        };
        let block = lines.iter().skip(at).map_while(|line| comment(line));
        let block = block.collect::<Vec<_>>();
        at += block.len();
        let said = block.join(" ");
        if said.contains(MARK) {
            let beneath = lines.iter().skip(at).take(6).find_map(|line| subject(line));
            let beneath = beneath.or_else(|| lines.get(at).map(|line| format!("`{line}`")));
            let said = said.replace(MARK, "*unknown*");
            found.push(format!("{}: {said}", beneath.unwrap_or_default()));
        }
    }
    found
}

fn comment(line: &str) -> Option<&str> {
    let text = line.strip_prefix("//")?;
    Some(text.trim_start_matches(['/', '!']).trim())
}

/// The subject of a comment: the function below it, or the sentence in the code.
fn subject(line: &str) -> Option<String> {
    if let Some((_, name)) = line.split_once("fn ") {
        let name = name
            .split(|end: char| !end.is_alphanumeric() && end != '_')
            .next()?;
        return Some(format!("`{name}`"));
    }
    let (_, text) = line.split_once('"')?;
    let (text, _) = text.rsplit_once('"').unwrap_or((text.trim_end_matches('\\'), ""));
    let sentence = text.contains(' ') && text.len() > 12;
    sentence.then(|| format!("“{}”", text.trim()))
}

fn sources(directory: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(directory).with_context(|| directory.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() && !path.ends_with("target") && !path.ends_with("tests") {
            sources(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("reading `{}`", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_page_is_what_the_tests_and_sources_say() {
        let committed = read(&root().unwrap().join(PAGE)).unwrap_or_default();
        assert!(
            committed == page().unwrap(),
            "`{PAGE}` differs: run `cargo xtask fidelity`"
        );
    }

    #[test]
    fn a_choice_is_told_with_what_it_is_about() {
        let source = "/// Refuses it.\n/// [unknown] in its words.\nfn refused() {}\n// Another.\nx();\n// [unknown] the text.\n\
                      return Err(\"there is no such thing\");\n";
        assert_eq!(
            choices_in(source),
            [
                "`refused`: Refuses it. *unknown* in its words.",
                "“there is no such thing”: *unknown* the text."
            ]
        );
    }

    #[test]
    fn a_rule_is_about_operations_that_know_both_errors() {
        let rule = reason("* V beside I: as the service answers").unwrap();
        let operation = |errors: [&str; 2]| {
            let facts = serde_json::json!({ "name": "X", "errors": errors });
            serde_json::from_value::<Operation>(facts).unwrap()
        };
        assert!(rule.is_about(&operation(["I", "V"]), "V"));
        assert!(!rule.is_about(&operation(["R", "V"]), "V"));
        let named = reason("X, Y V: there is none").unwrap();
        assert!(named.is_about(&operation(["R", "V"]), "V"));
        assert!(!named.is_about(&operation(["R", "V"]), "R"));
    }
}
