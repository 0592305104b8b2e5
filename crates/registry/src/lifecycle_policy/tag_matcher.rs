//! Finds the rules that the tags of an image meet, for all rules of a policy in one pass over each tag.
//!
//! A policy may list some three thousand patterns, and an image may have a thousand tags. Trying each pattern
//! on each tag would take minutes in a repository of such images. Here the patterns run side by side, one bit
//! for each of their characters. So a tag costs its length times the length of the policy, divided by the 64
//! bits of a word.

use super::policy::{RULES_MAX, Rule, TagRequirement};

const WORD_BITS: usize = 64;

const _: () = assert!(RULES_MAX <= WORD_BITS, "a set of rules is one word");

/// A set of positions: how far a tag has matched each pattern.
type Positions = Box<[u64]>;

pub(crate) struct TagMatcher {
    /// In the order of the rules.
    needs: Vec<Needs>,
    /// The position where each pattern begins.
    begin: Positions,
    /// For each byte, the positions that it can advance to from the position before.
    reached_by: Vec<Option<Positions>>,
    /// The positions that stay reached with any byte.
    stays: Positions,
    /// The positions at which a pattern matches, if the tag ends there.
    ends: Positions,
}

/// What a rule requires of the tags of an image.
enum Needs {
    Nothing,
    NoTag,
    /// All these ends must be reached, each by any tag.
    Ends(Positions),
}

/// A pattern in two parts: its literal characters, and the places between them where other characters may be.
struct Layout {
    literal: Vec<u8>,
    wild: Vec<usize>,
}

impl TagMatcher {
    pub(crate) fn new(rules: &[&Rule]) -> Self {
        let layouts = rules.iter().map(|rule| layouts(&rule.tags)).collect::<Vec<_>>();
        let patterns = layouts.iter().flatten().flatten();
        let length: usize = patterns.map(|layout| layout.literal.len() + 1).sum();
        let nowhere = || vec![0_u64; length.div_ceil(WORD_BITS)].into_boxed_slice();
        let mut matcher = Self {
            needs: Vec::new(),
            begin: nowhere(),
            reached_by: vec![None; usize::from(u8::MAX) + 1],
            stays: nowhere(),
            ends: nowhere(),
        };
        let mut place = 0;
        for (rule, layouts) in rules.iter().zip(&layouts) {
            let needs = match (&rule.tags, layouts) {
                (TagRequirement::Untagged, _) => Needs::NoTag,
                (_, None) => Needs::Nothing,
                (_, Some(layouts)) => {
                    let mut ends = nowhere();
                    for layout in layouts {
                        place = matcher.add(place, layout, &mut ends);
                    }
                    Needs::Ends(ends)
                }
            };
            matcher.needs.push(needs);
        }
        matcher
    }

    /// Lays out a pattern from a position on, records its end, and returns the position of the next pattern.
    fn add(&mut self, place: usize, layout: &Layout, ends: &mut Positions) -> usize {
        let end = place + layout.literal.len();
        put(&mut self.begin, place);
        for (offset, byte) in layout.literal.iter().enumerate() {
            if let Some(reached) = self.reached_by.get_mut(usize::from(*byte)) {
                let nowhere = || vec![0; self.ends.len()].into_boxed_slice();
                put(reached.get_or_insert_with(nowhere), place + offset + 1);
            }
        }
        for offset in &layout.wild {
            put(&mut self.stays, place + offset);
        }
        put(&mut self.ends, end);
        put(ends, end);
        end + 1
    }

    /// The rules whose tag requirement is met; the first rule is the lowest bit.
    pub(crate) fn met_rules(&self, tags: &[String]) -> u64 {
        let mut reached = vec![0; self.ends.len()];
        if !reached.is_empty() {
            let mut now = self.begin.clone();
            for tag in tags {
                now.copy_from_slice(&self.begin);
                self.run(&mut now, tag);
                for ((reached, now), ends) in reached.iter_mut().zip(&now).zip(&self.ends) {
                    *reached |= now & ends;
                }
                if *reached == *self.ends {
                    break;
                }
            }
        }
        let mut met = 0;
        for (index, needs) in self.needs.iter().enumerate() {
            let is_met = match needs {
                Needs::Nothing => true,
                Needs::NoTag => tags.is_empty(),
                Needs::Ends(ends) => ends
                    .iter()
                    .zip(&reached)
                    .all(|(ends, reached)| ends & !reached == 0),
            };
            met |= u64::from(is_met) << index;
        }
        met
    }

    /// Advances from the positions at the beginning of a tag to those at its end.
    fn run(&self, now: &mut Positions, tag: &str) {
        for byte in tag.bytes() {
            let mut any = 0;
            if let Some(Some(reached_by)) = self.reached_by.get(usize::from(byte)) {
                let mut carried = 0;
                for ((now, reached), stays) in now.iter_mut().zip(reached_by).zip(&self.stays) {
                    let before = *now;
                    *now = ((before << 1 | carried) & reached) | (before & stays);
                    carried = before >> (WORD_BITS - 1);
                    any |= *now;
                }
            } else {
                for (now, stays) in now.iter_mut().zip(&self.stays) {
                    *now &= stays;
                    any |= *now;
                }
            }
            if any == 0 {
                return;
            }
        }
    }
}

fn put(positions: &mut Positions, place: usize) {
    if let Some(word) = positions.get_mut(place / WORD_BITS) {
        *word |= 1 << (place % WORD_BITS);
    }
}

/// None for a requirement without a list.
fn layouts(tags: &TagRequirement) -> Option<Vec<Layout>> {
    match tags {
        TagRequirement::Any | TagRequirement::Untagged => None,
        TagRequirement::Prefixes(prefixes) => Some(prefixes.iter().map(|text| prefix(text)).collect()),
        TagRequirement::Patterns(patterns) => Some(patterns.iter().map(|text| pattern(text)).collect()),
    }
}

fn prefix(text: &str) -> Layout {
    Layout {
        literal: text.as_bytes().to_vec(),
        wild: vec![text.len()],
    }
}

fn pattern(text: &str) -> Layout {
    let mut layout = Layout {
        literal: Vec::new(),
        wild: Vec::new(),
    };
    for byte in text.bytes() {
        if byte == b'*' {
            layout.wild.push(layout.literal.len());
        } else {
            layout.literal.push(byte);
        }
    }
    layout
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::grammar;
    use super::super::policy::Policy;
    use super::*;
    use ecru_model::matches_wildcard;

    fn policy(lists: &[(&str, Vec<String>)]) -> Policy {
        let rules = lists.iter().enumerate().map(|(index, (member, list))| {
            let mut selection = serde_json::json!({
                "tagStatus": "tagged", "countType": "imageCountMoreThan", "countNumber": 1,
            });
            selection[*member] = serde_json::json!(list);
            serde_json::json!({
                "rulePriority": index + 1, "selection": selection, "action": { "type": "expire" },
            })
        });
        let text = serde_json::json!({ "rules": rules.collect::<Vec<_>>() }).to_string();
        grammar::parse(&text).unwrap_or_else(|violation| panic!("{violation}: {text}"))
    }

    fn matcher(policy: &Policy) -> TagMatcher {
        TagMatcher::new(&policy.rules.iter().collect::<Vec<_>>())
    }

    fn naive(policy: &Policy, tags: &[String]) -> u64 {
        let mut met = 0;
        for (index, rule) in policy.rules.iter().enumerate() {
            let is_met = match &rule.tags {
                TagRequirement::Any => true,
                TagRequirement::Untagged => tags.is_empty(),
                TagRequirement::Prefixes(list) => list
                    .iter()
                    .all(|entry| tags.iter().any(|tag| tag.starts_with(entry))),
                TagRequirement::Patterns(list) => list
                    .iter()
                    .all(|entry| tags.iter().any(|tag| matches_wildcard(entry, tag))),
            };
            met |= u64::from(is_met) << index;
        }
        met
    }

    proptest! {
        #[test]
        fn all_patterns_together_match_as_each_alone(
            patterns in prop::collection::vec(prop::collection::vec("[ab*]{1,4}|[abé]{1,40}|\\*?a{1,70}\\*?", 1..6), 1..4),
            prefixes in prop::option::of(prop::collection::vec("[ab*é]{1,3}", 1..4)),
            tags in prop::collection::vec("[ab]{1,5}|a{60,75}b?", 0..6),
        ) {
            let mut lists = patterns
                .into_iter()
                .map(|list| ("tagPatternList", list))
                .collect::<Vec<_>>();
            lists.extend(prefixes.map(|list| ("tagPrefixList", list)));
            let policy = policy(&lists);
            prop_assert_eq!(matcher(&policy).met_rules(&tags), naive(&policy, &tags), "{:?} {:?}", lists, tags);
        }
    }

    /// A policy with the maximum number of patterns, each of which must be tried on tags that it does not match.
    fn large() -> Policy {
        let letter = |index: usize| char::from(b'a' + u8::try_from(index % 26).unwrap());
        let pattern = |index: usize| {
            let [first, second, third] = [index / 676, index / 26, index].map(letter);
            format!("*{first}*{second}*{third}*")
        };
        policy(&[("tagPatternList", (0..2_900).map(pattern).collect())])
    }

    #[test]
    fn a_tag_costs_as_many_words_as_the_policy_has_characters() {
        let policy = large();
        let matcher = matcher(&policy);
        assert!(
            matcher.ends.len() <= 2_900 * 4 / WORD_BITS + 1,
            "{}",
            matcher.ends.len()
        );
        let alphabet = (b'a'..=b'z').map(char::from).collect::<String>();
        let mut tags = (0..949).map(|index| format!("none-{index}")).collect::<Vec<_>>();
        assert_eq!(matcher.met_rules(&tags), 0);
        tags.push(alphabet.repeat(4));
        assert_eq!(matcher.met_rules(&tags), 1);
    }
}
