//! Samples by row and contestant, their medians, and whether the targets are met.

use std::collections::BTreeMap;
use std::ptr;

use crate::contestant::Contestant;
use crate::rows::{Row, Target};

#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) rows: Vec<Measured>,
}

#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) row: &'static Row,
    pub(crate) samples: BTreeMap<Contestant, Vec<f64>>,
}

#[derive(Debug)]
pub(crate) struct Verdict {
    /// The target, such as `≥ 0.9 × nginx`.
    pub(crate) asked: String,
    /// The ratio of medians, or the median itself. `None` if the reference of the target was not measured.
    pub(crate) reached: Option<f64>,
    pub(crate) met: Option<bool>,
}

impl Figures {
    pub(crate) fn add(&mut self, row: &'static Row, contestant: Contestant, value: f64) {
        if !value.is_finite() {
            return;
        }
        let at = self.rows.iter().position(|it| ptr::eq(it.row, row));
        let at = at.unwrap_or_else(|| {
            self.rows.push(Measured {
                row,
                samples: BTreeMap::new(),
            });
            self.rows.len() - 1
        });
        if let Some(measured) = self.rows.get_mut(at) {
            measured.samples.entry(contestant).or_default().push(value);
        }
    }

    pub(crate) fn verdicts(&self, measured: &Measured) -> Vec<Verdict> {
        let own = measured.median(Contestant::Ecru);
        let targets = measured.row.targets.iter();
        own.map(|own| targets.map(|it| self.verdict(measured, own, *it)).collect())
            .unwrap_or_default()
    }

    fn verdict(&self, measured: &Measured, own: f64, target: Target) -> Verdict {
        match target {
            Target::AtLeast(times, of) => {
                let best = measured.best(of, |next, best| next > best);
                let reached = best.map(|(_, median)| own / median);
                Verdict {
                    asked: format!("≥ {times} × {}", named(best, of)),
                    reached,
                    met: reached.map(|ratio| ratio >= times),
                }
            }
            Target::AtMost(times, of) => {
                let best = measured.best(of, |next, best| next < best);
                let reached = best.map(|(_, median)| own / median);
                Verdict {
                    asked: format!("≤ {times} × {}", named(best, of)),
                    reached,
                    met: reached.map(|ratio| ratio <= times),
                }
            }
            Target::Below(most) => Verdict {
                asked: format!("≤ {most} {}", measured.row.unit),
                reached: Some(own),
                met: Some(own <= most),
            },
            Target::Flat(times, row) => {
                let base = self.rows.iter().find(|it| ptr::eq(it.row, row));
                let base = base.and_then(|it| it.median(Contestant::Ecru));
                let reached = base.map(|base| own / base);
                Verdict {
                    asked: format!("≤ {times} × {}", row.name),
                    reached,
                    met: reached.map(|ratio| ratio <= times),
                }
            }
        }
    }
}

/// The best measured contestant. If none was measured, all candidates.
fn named(best: Option<(Contestant, f64)>, of: &[Contestant]) -> String {
    match best {
        Some((contestant, _)) => contestant.to_string(),
        None => of.iter().map(|it| it.name()).collect::<Vec<_>>().join(" or "),
    }
}

impl Measured {
    pub(crate) fn median(&self, contestant: Contestant) -> Option<f64> {
        median(self.samples.get(&contestant)?)
    }

    fn best(&self, of: &[Contestant], better: fn(f64, f64) -> bool) -> Option<(Contestant, f64)> {
        let medians = of.iter().filter_map(|it| Some((*it, self.median(*it)?)));
        medians.reduce(|best, next| if better(next.1, best.1) { next } else { best })
    }
}

fn median(samples: &[f64]) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = *sorted.get(middle.checked_sub(1)?)?;
    Some(f64::midpoint(lower, upper))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows;

    #[test]
    fn a_median_is_the_middle_one_or_between_the_two() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 9.0]), Some(3.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 9.0]), Some(3.0));
    }

    #[test]
    fn a_target_is_held_against_the_best_of_those_that_were_measured() {
        let mut figures = Figures::default();
        figures.add(&rows::PUSH, Contestant::Ecru, 900.0);
        figures.add(&rows::PUSH, Contestant::Zot, 500.0);
        figures.add(&rows::PUSH, Contestant::Distribution, 700.0);
        let verdicts = figures.verdicts(&figures.rows[0]);
        let [floor, best] = verdicts.as_slice() else {
            panic!("expected two verdicts: {verdicts:?}");
        };
        assert_eq!(best.asked, "≥ 1.5 × docker-registry");
        assert_eq!(best.met, Some(false));
        assert_eq!(floor.asked, "≥ 0.9 × floor");
        assert_eq!(
            (floor.reached, floor.met),
            (None, None),
            "no reference was measured"
        );
    }

    #[test]
    fn growth_is_held_against_the_smallest() {
        let mut figures = Figures::default();
        figures.add(rows::GROWTH_PUT.first, Contestant::Ecru, 100.0);
        figures.add(rows::GROWTH_PUT.last, Contestant::Ecru, 119.0);
        let verdicts = figures.verdicts(&figures.rows[1]);
        assert_eq!(verdicts[0].met, Some(true), "{verdicts:?}");
    }
}
