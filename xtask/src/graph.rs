//! Import graphs: their cycles, and an order in which each name follows its imports.

use std::collections::{BTreeMap, BTreeSet};

/// Each name with its imports.
pub(crate) type Edges<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

/// Groups of names that import one another, directly or through others.
pub(crate) fn cycles<'a>(edges: &Edges<'a>) -> Vec<BTreeSet<&'a str>> {
    let all = reached(edges);
    let reaches = |from: &str, to: &str| all.get(from).is_some_and(|reached| reached.contains(to));
    let mut cycles = Vec::new();
    for name in edges.keys().copied().filter(|name| reaches(name, name)) {
        let cycle = edges.keys().copied();
        let cycle = cycle
            .filter(|other| reaches(name, other) && reaches(other, name))
            .collect::<BTreeSet<_>>();
        if !cycles.contains(&cycle) {
            cycles.push(cycle);
        }
    }
    cycles
}

/// Sorts the names so that each follows its imports, except within a cycle.
pub(crate) fn order<'a>(edges: &Edges<'a>) -> Vec<&'a str> {
    let reached = reached(edges);
    let mut names = edges.keys().copied().collect::<Vec<_>>();
    // A name reaches its imports and everything that they reach, so it reaches more names than any of them.
    names.sort_by_key(|name| (reached.get(name).map_or(0, BTreeSet::len), *name));
    names
}

/// Everything that each name imports, directly or through others.
fn reached<'a>(edges: &Edges<'a>) -> Edges<'a> {
    let all = edges.keys().map(|from| {
        let mut reached = BTreeSet::new();
        let mut next = vec![*from];
        while let Some(name) = next.pop() {
            for imported in edges.get(name).into_iter().flatten() {
                if reached.insert(*imported) {
                    next.push(imported);
                }
            }
        }
        (*from, reached)
    });
    all.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edges<'a>(lines: &[(&'a str, &'a str)]) -> Edges<'a> {
        lines
            .iter()
            .map(|(name, imported)| (*name, imported.split_whitespace().collect()))
            .collect()
    }

    #[test]
    fn a_graph_without_cycles_is_put_in_order() {
        let edges = edges(&[("a", "c d"), ("b", ""), ("c", "b"), ("d", "b c"), ("e", "")]);
        assert!(cycles(&edges).is_empty());
        assert_eq!(order(&edges), ["b", "e", "c", "d", "a"]);
    }

    #[test]
    fn each_cycle_is_found_once_and_whole() {
        let edges = edges(&[
            ("a", "b"),
            ("b", "c"),
            ("c", "a d"),
            ("d", "e"),
            ("e", "d f"),
            ("f", ""),
            ("g", "a"),
        ]);
        assert_eq!(
            cycles(&edges),
            [BTreeSet::from(["a", "b", "c"]), BTreeSet::from(["d", "e"])]
        );
        assert_eq!(order(&edges), ["f", "d", "e", "a", "b", "c", "g"]);
    }
}
