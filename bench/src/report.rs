//! Prints figures as a Markdown table and as JSON.

use serde_json::{Value, json};

use crate::bench::Bench;
use crate::contestant::Contestant;
use crate::figures::{Measured, Verdict};
use crate::rows;

pub(crate) fn markdown(bench: &Bench) -> String {
    let mut text = format!("{}\n\n", bench.about());
    text.push_str("| item | unit | ecru | others | limits | target | reached | met |\n");
    text.push_str("|---|---|---|---|---|---|---|---|\n");
    let mut met = Vec::new();
    for measured in &bench.figures.rows {
        let verdicts = bench.figures.verdicts(measured);
        let own = measured.median(Contestant::Ecru).map(number).unwrap_or_default();
        let line = format!(
            "| {} | {} | {own} | {} | {} | {} | {} | {} |\n",
            bench.sized(measured.row.name),
            measured.row.unit,
            medians(measured, Contestant::is_peer),
            medians(measured, |it| it != Contestant::Ecru && !it.is_peer()),
            joined(&verdicts, |it| bench.sized(&it.asked)),
            joined(&verdicts, |it| it.reached.map_or_else(|| "–".to_owned(), number)),
            joined(&verdicts, |it| answer(it.met).to_owned()),
        );
        text.push_str(&line);
        met.extend(verdicts.iter().map(|it| it.met));
    }
    let count = |wanted| met.iter().filter(|it| **it == wanted).count();
    let (yes, no, open) = (count(Some(true)), count(Some(false)), count(None));
    let sum = format!("\nTargets: {yes} met, {no} not met, {open} without a reference.\n\n");
    text.push_str(&sum);
    for (contestant, note) in rows::NOTES {
        let takes_part = |it: &Measured| it.samples.contains_key(&contestant);
        if bench.figures.rows.iter().any(takes_part) {
            text.extend(["- ", contestant.name(), ": ", note, "\n"]);
        }
    }
    for note in &bench.notes {
        text.extend(["- ", note, "\n"]);
    }
    text
}

pub(crate) fn json(bench: &Bench) -> Value {
    let rows = bench.figures.rows.iter().map(|measured| {
        let values = measured.samples.iter().map(|(contestant, samples)| {
            let value = json!({"median": measured.median(*contestant), "samples": samples});
            (contestant.name().to_owned(), value)
        });
        let targets = bench
            .figures
            .verdicts(measured)
            .into_iter()
            .map(|it| json!({"asked": bench.sized(&it.asked), "reached": it.reached, "met": it.met}));
        json!({
            "item": bench.sized(measured.row.name),
            "unit": measured.row.unit,
            "values": values.collect::<serde_json::Map<_, _>>(),
            "targets": targets.collect::<Vec<_>>(),
        })
    });
    json!({
        "about": bench.about(),
        "rounds": bench.rounds,
        "rows": rows.collect::<Vec<_>>(),
        "notes": bench.notes,
    })
}

fn medians(measured: &Measured, wanted: impl Fn(Contestant) -> bool) -> String {
    let contestants = measured.samples.keys().filter(|it| wanted(**it));
    let texts = contestants
        .filter_map(|it| Some(format!("{it} {}", number(measured.median(*it)?))))
        .collect::<Vec<_>>();
    texts.join(", ")
}

fn joined(verdicts: &[Verdict], text: impl Fn(&Verdict) -> String) -> String {
    verdicts.iter().map(text).collect::<Vec<_>>().join("; ")
}

fn answer(met: Option<bool>) -> &'static str {
    match met {
        Some(true) => "yes",
        Some(false) => "no",
        None => "not measured",
    }
}

/// Formats a number with three significant digits and grouped thousands.
fn number(value: f64) -> String {
    let decimals = match value.abs() {
        it if it < 10.0 => 2,
        it if it < 100.0 => 1,
        _ => 0,
    };
    let text = format!("{value:.decimals$}");
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    if fraction.is_empty() {
        grouped
    } else {
        format!("{grouped}.{fraction}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_and_thousands_apart() {
        assert_eq!(number(0.123), "0.12");
        assert_eq!(number(12.34), "12.3");
        assert_eq!(number(123.4), "123");
        assert_eq!(number(1_234_567.8), "1,234,568");
    }
}
