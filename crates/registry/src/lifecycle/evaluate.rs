//! Evaluates a lifecycle policy on the images of a repository: a pure decision over plain values.

use std::collections::{HashMap, HashSet};

use ecru_model::Timestamp;

use crate::lifecycle_policy::policy::{Action, Limit, Policy, Rule, Since, StorageClass};
use crate::lifecycle_policy::tag_matcher::TagMatcher;

/// Everything that a policy can depend on in an image.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Candidate {
    pub(super) tags: Vec<String>,
    /// None while the image is being restored.
    // [unknown] whether ECR's rules select such an image; here they do not.
    pub(super) class: Option<StorageClass>,
    /// The position in the order of pushes and restores.
    pub(super) sequence: i64,
    pub(super) pushed_at: Timestamp,
    pub(super) last_pulled_at: Option<Timestamp>,
    pub(super) last_activated_at: Option<Timestamp>,
    pub(super) last_archived_at: Option<Timestamp>,
    pub(super) tie: Tie,
}

/// Whether other images decide the fate of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Tie {
    Free,
    /// Indexes that exist name it, and all of them are archived.
    ChildOfArchived,
    /// An index that is not archived names it.
    ChildOfActive,
    /// It follows its subject, which exists, so no rule selects it.
    Referrer,
}

/// The finding of a rule about an image that meets its tag requirement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Finding {
    /// The priority of the rule.
    pub(super) rule: i32,
    pub(super) standing: Standing,
    /// The rule with a lower priority number that the image also meets, so that this rule cannot act on it.
    pub(super) claimed_by: Option<i32>,
    pub(super) verdict: Verdict,
}

/// The value that the rule compares with its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// The newest image has rank one.
    Rank(usize),
    /// The time from which the image is too old.
    DueAt(Timestamp),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Within the limit of the rule.
    Kept,
    /// Beyond the limit, but an earlier rule has claimed the image.
    OutOfReach,
    /// Beyond the limit, but an existing index needs the image.
    Blocked,
    Act(Action),
}

/// The rules of a policy at a given time, applied to one image after the other. Of a repository, only what
/// ranks need is kept.
pub(super) struct Rules<'p> {
    /// In the order in which they claim images.
    by_priority: Vec<&'p Rule>,
    tag_lists: TagMatcher,
    now: Timestamp,
}

/// The images that rules with a count select. Each takes sixteen bytes.
#[derive(Default)]
pub(super) struct Census {
    counted: Vec<Counted>,
}

#[derive(Debug, Clone, Copy)]
struct Counted {
    sequence: i64,
    /// A bit for each rule, in the order of their priorities.
    rules: u64,
}

/// For each rule, the sequence of the newest image beyond its count: every image up to this sequence is
/// beyond the count.
pub(super) struct Bounds(Vec<i64>);

impl<'p> Rules<'p> {
    pub(super) fn new(policy: &'p Policy, now: Timestamp) -> Self {
        let mut by_priority = policy.rules.iter().collect::<Vec<_>>();
        by_priority.sort_by_key(|rule| rule.priority);
        let tag_lists = TagMatcher::new(&by_priority);
        Self {
            by_priority,
            tag_lists,
            now,
        }
    }

    /// The rules that an image meets, one bit each, in the order of their priorities.
    fn met(&self, image: &Candidate) -> u64 {
        if image.class.is_none() || image.tie == Tie::Referrer {
            return 0;
        }
        let rules = self.by_priority.iter().enumerate();
        let of_class = rules
            .filter(|(_, rule)| image.class == Some(rule.class))
            .fold(0, |met, (place, _)| met | bit(place));
        of_class & self.tag_lists.met_rules(&image.tags)
    }

    /// Whether a rule counts images, so that a census is needed.
    pub(super) fn count(&self) -> bool {
        self.counting().next().is_some()
    }

    /// The positions of the rules with a count, and that count.
    fn counting(&self) -> impl Iterator<Item = (usize, usize)> {
        let rules = self.by_priority.iter().enumerate();
        rules.filter_map(|(place, rule)| match rule.limit {
            Limit::Count(kept) => Some((place, usize::try_from(kept).unwrap_or(usize::MAX))),
            Limit::Age { .. } => None,
        })
    }

    /// The position of the rule with a priority.
    pub(super) fn place_of(&self, priority: i32) -> usize {
        self.by_priority.partition_point(|rule| rule.priority < priority)
    }

    /// The priority and the action of each rule, in their order.
    pub(super) fn acts(&self) -> Vec<(i32, Action)> {
        self.by_priority
            .iter()
            .map(|rule| (rule.priority, rule.action))
            .collect()
    }

    /// Reports every finding about an image to `visit`, in the order of the rules. Returns when the image
    /// grows too old, if it does. `rank` gives its position among the images that the rule at a position
    /// counts.
    pub(super) fn judge(
        &self,
        image: &Candidate,
        rank: &dyn Fn(usize) -> usize,
        visit: &mut dyn FnMut(Finding),
    ) -> Option<Timestamp> {
        let met = self.met(image);
        let (mut claim, mut next_due) = (None, None);
        for (place, rule) in self.by_priority.iter().enumerate() {
            if met & bit(place) == 0 {
                continue;
            }
            let rank = match rule.limit {
                Limit::Count(_) => rank(place),
                Limit::Age { .. } => 0,
            };
            let standing = standing(rule.limit, image, rank);
            let verdict = judge(rule, image, standing, claim, self.now);
            if let (Standing::DueAt(due), Verdict::Kept, None) = (standing, verdict, claim) {
                next_due = Some(due);
            }
            visit(Finding {
                rule: rule.priority,
                standing,
                claimed_by: claim,
                verdict,
            });
            // The first rule that an image meets claims it, whether that rule acts on it or not.
            claim.get_or_insert(rule.priority);
        }
        next_due
    }
}

impl Census {
    pub(super) fn note(&mut self, rules: &Rules<'_>, image: &Candidate) {
        let counting = rules.counting().fold(0, |places, (place, _)| places | bit(place));
        let met = rules.met(image) & counting;
        if met != 0 {
            self.counted.push(Counted {
                sequence: image.sequence,
                rules: met,
            });
        }
    }

    pub(super) fn bounds(mut self, rules: &Rules<'_>) -> Bounds {
        let mut bounds = vec![i64::MIN; rules.by_priority.len()];
        let mut left = rules.counting().collect::<Vec<_>>();
        for counted in self.newest_first() {
            left.retain_mut(|(place, kept)| {
                if counted.rules & bit(*place) == 0 {
                    return true;
                }
                if *kept == 0
                    && let Some(bound) = bounds.get_mut(*place)
                {
                    *bound = counted.sequence;
                    return false;
                }
                *kept = kept.saturating_sub(1);
                true
            });
            if left.is_empty() {
                break;
            }
        }
        Bounds(bounds)
    }

    /// The ranks of some images, by their sequences: one rank for each rule.
    pub(super) fn ranks(mut self, rules: &Rules<'_>, of: &HashSet<i64>) -> HashMap<i64, Vec<usize>> {
        let mut ranks = vec![0; rules.by_priority.len()];
        let mut found = HashMap::new();
        for counted in self.newest_first() {
            for (place, rank) in ranks.iter_mut().enumerate() {
                *rank += usize::from(counted.rules & bit(place) != 0);
            }
            if of.contains(&counted.sequence) {
                found.insert(counted.sequence, ranks.clone());
            }
        }
        found
    }

    fn newest_first(&mut self) -> &[Counted] {
        self.counted
            .sort_unstable_by_key(|counted| std::cmp::Reverse(counted.sequence));
        &self.counted
    }
}

impl Bounds {
    /// A rank within the count of the rule at a position, or a rank beyond every count.
    pub(super) fn rank(&self, place: usize, sequence: i64) -> usize {
        let bound = self.0.get(place).copied().unwrap_or(i64::MIN);
        if sequence <= bound { usize::MAX } else { 1 }
    }
}

fn bit(place: usize) -> u64 {
    u32::try_from(place)
        .ok()
        .and_then(|place| 1_u64.checked_shl(place))
        .unwrap_or(0)
}

fn standing(limit: Limit, image: &Candidate, rank: usize) -> Standing {
    match limit {
        Limit::Count(_) => Standing::Rank(rank),
        Limit::Age { since, number, unit } => {
            let age_max = i64::from(number).saturating_mul(unit.milliseconds());
            // The number is the highest age that is kept, so an image expires just after it has reached it.
            let due = clock(since, image)
                .as_millis()
                .saturating_add(age_max)
                .saturating_add(1);
            Standing::DueAt(Timestamp::from_millis(due))
        }
    }
}

/// The time from which the age of an image counts. A restore counts as a push.
fn clock(since: Since, image: &Candidate) -> Timestamp {
    let pushed = image.last_activated_at.unwrap_or(image.pushed_at);
    match since {
        Since::Pushed => pushed,
        Since::Pulled => image
            .last_pulled_at
            .map_or(pushed, |pulled| match image.last_activated_at {
                Some(activated) => pulled.max(activated),
                None => pulled,
            }),
        Since::Transitioned => image.last_archived_at.unwrap_or(pushed),
    }
}

fn judge(rule: &Rule, image: &Candidate, standing: Standing, claim: Option<i32>, now: Timestamp) -> Verdict {
    let beyond = match (rule.limit, standing) {
        (Limit::Count(kept), Standing::Rank(rank)) => rank > usize::try_from(kept).unwrap_or(usize::MAX),
        (_, Standing::DueAt(due)) => due <= now,
        (Limit::Age { .. }, Standing::Rank(_)) => false,
    };
    if !beyond {
        return Verdict::Kept;
    }
    if claim.is_some() {
        return Verdict::OutOfReach;
    }
    match (image.tie, rule.action) {
        (Tie::ChildOfActive, _) | (Tie::ChildOfArchived, Action::Expire) => Verdict::Blocked,
        _ => Verdict::Act(rule.action),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::lifecycle_policy::grammar;
    use crate::lifecycle_policy::policy::TagRequirement;
    use ecru_model::matches_wildcard;

    const DAY: i64 = 24 * 60 * 60 * 1000;
    const NOW: Timestamp = Timestamp::from_millis(1_000 * DAY);

    fn days_ago(days: i64) -> Timestamp {
        Timestamp::from_millis(NOW.as_millis() - days * DAY)
    }

    /// An image pushed this many days ago under these tags.
    fn image(tags: &str, age_days: i64) -> Candidate {
        Candidate {
            tags: tags.split_whitespace().map(str::to_owned).collect(),
            class: Some(StorageClass::Standard),
            sequence: -age_days,
            pushed_at: days_ago(age_days),
            last_pulled_at: None,
            last_activated_at: None,
            last_archived_at: None,
            tie: Tie::Free,
        }
    }

    fn archived(tags: &str, age_days: i64) -> Candidate {
        Candidate {
            class: Some(StorageClass::Archive),
            last_archived_at: Some(days_ago(age_days)),
            ..image(tags, age_days + 1)
        }
    }

    fn selection(tags: &str) -> Value {
        match tags {
            "any" | "untagged" => json!({ "tagStatus": tags }),
            _ => {
                let patterns = tags.split_whitespace().collect::<Vec<_>>();
                json!({ "tagStatus": "tagged", "tagPatternList": patterns })
            }
        }
    }

    fn rule(priority: usize, tags: &str, members: &Value, action: &Value) -> Value {
        let mut selection = selection(tags);
        for (name, value) in members.as_object().unwrap() {
            selection[name] = value.clone();
        }
        json!({ "rulePriority": priority, "selection": selection, "action": action })
    }

    /// Rules of the forms `<tags> keep <n>`, `<tags> older <days>`, `<tags> unpulled <days>` (which archives)
    /// and `<tags> archived <days>`.
    fn policy(rules: &[&str]) -> Policy {
        let rules = rules.iter().enumerate().map(|(place, text)| {
            let (rest, number) = text.rsplit_once(' ').unwrap();
            let (tags, word) = rest.rsplit_once(' ').unwrap();
            let number: i32 = number.parse().unwrap();
            let expire = json!({ "type": "expire" });
            let archive = json!({ "type": "transition", "targetStorageClass": "archive" });
            let since = |kind: &str, class: &str| {
                json!({ "countType": kind, "countUnit": "days", "countNumber": number, "storageClass": class })
            };
            match word {
                "keep" => rule(
                    place + 1,
                    tags,
                    &json!({ "countType": "imageCountMoreThan", "countNumber": number }),
                    &expire,
                ),
                "older" => rule(place + 1, tags, &since("sinceImagePushed", "standard"), &expire),
                "unpulled" => rule(place + 1, tags, &since("sinceImagePulled", "standard"), &archive),
                "archived" => rule(place + 1, tags, &since("sinceImageTransitioned", "archive"), &expire),
                _ => panic!("{word}"),
            }
        });
        let rules = rules.collect::<Vec<_>>();
        grammar::parse(&json!({ "rules": rules }).to_string()).unwrap()
    }

    /// The findings about each image, and when the next image grows too old. The decision by bounds must be the same.
    fn evaluate(policy: &Policy, images: &[Candidate]) -> (Vec<(usize, Finding)>, Option<Timestamp>) {
        let rules = Rules::new(policy, NOW);
        let census = || {
            let mut census = Census::default();
            for image in images {
                census.note(&rules, image);
            }
            census
        };
        let ranks = census().ranks(&rules, &images.iter().map(|image| image.sequence).collect());
        let bounds = census().bounds(&rules);
        let (mut found, mut next_due) = (Vec::new(), None);
        for (place, image) in images.iter().enumerate() {
            let rank = |rule: usize| ranks[&image.sequence][rule];
            let mut findings = Vec::new();
            let due = rules.judge(image, &rank, &mut |finding| findings.push(finding));
            let mut verdicts = Vec::new();
            let bounded = rules.judge(image, &|rule| bounds.rank(rule, image.sequence), &mut |finding| {
                verdicts.push((finding.rule, finding.verdict));
            });
            let exact = findings.iter().map(|finding| (finding.rule, finding.verdict));
            assert_eq!((exact.collect::<Vec<_>>(), due), (verdicts, bounded));
            found.extend(findings.into_iter().map(|finding| (place, finding)));
            next_due = next_due.into_iter().chain(due).min();
        }
        (found, next_due)
    }

    fn findings(policy: &Policy, images: &[Candidate]) -> Vec<(usize, Finding)> {
        evaluate(policy, images).0
    }

    /// The letters of the images that a rule acts on, each with the priority of that rule.
    #[track_caller]
    fn check(rules: &[&str], images: &[Candidate], expected: &str) {
        let mut acted = findings(&policy(rules), images)
            .into_iter()
            .filter(|(_, finding)| matches!(finding.verdict, Verdict::Act(_)))
            .map(|(image, finding)| {
                let letter = char::from(b'A' + u8::try_from(image).unwrap());
                format!("{letter}{}", finding.rule)
            })
            .collect::<Vec<_>>();
        acted.sort();
        assert_eq!(acted.join(" "), expected, "{rules:?}");
    }

    #[test]
    fn an_image_that_an_earlier_rule_has_seen_is_out_of_reach_of_later_ones() {
        let images = [
            image("beta-1 prod-1", 10),
            image("beta-2 prod-2", 9),
            image("beta-3", 8),
        ];
        check(&["prod* keep 1", "beta* keep 1"], &images, "A1");
        check(&["beta* keep 1", "prod* keep 1"], &images, "A1 B1");
    }

    #[test]
    fn every_entry_of_a_list_must_match_some_tag() {
        let images = [
            image("alpha-1", 12),
            image("beta-1", 11),
            image("alpha-2 beta-2", 10),
            image("alpha-3", 4),
            image("beta-3", 3),
            image("alpha-4 beta-4", 2),
        ];
        check(&["alpha* beta* older 5"], &images, "C1");
    }

    #[test]
    fn the_last_rule_takes_what_no_other_has_seen() {
        let images = [
            image("alpha-1 beta-1", 4),
            image("", 3),
            image("alpha-2", 2),
            image("git-hash", 1),
            image("", 0),
        ];
        check(
            &["alpha* keep 1", "untagged older 1", "any keep 1"],
            &images,
            "A1 B2 D3",
        );
    }

    #[test]
    fn an_image_is_too_old_a_moment_after_it_has_reached_the_age() {
        let mut images = [image("a", 5)];
        check(&["a older 5"], &images, "");
        images[0].pushed_at = Timestamp::from_millis(days_ago(5).as_millis() - 1);
        check(&["a older 5"], &images, "A1");
        let (_, due) = evaluate(&policy(&["a older 7"]), &images);
        assert_eq!(due, Some(Timestamp::from_millis(days_ago(-2).as_millis())));
    }

    #[test]
    fn ages_count_from_a_restore_and_from_the_last_pull() {
        let mut restored = image("a", 30);
        restored.last_activated_at = Some(days_ago(3));
        let mut pulled = image("a", 30);
        pulled.last_pulled_at = Some(days_ago(3));
        let mut pulled_before = restored.clone();
        pulled_before.last_pulled_at = Some(days_ago(20));
        let images = [image("a", 30), restored, pulled, pulled_before];
        check(&["a older 5"], &images, "A1 C1");
        check(&["a unpulled 5"], &images, "A1");
        check(&["a unpulled 2"], &images, "A1 B1 C1 D1");
    }

    #[test]
    fn each_storage_class_has_rules_of_its_own() {
        let images = [archived("a", 100), archived("a", 80), image("a", 100)];
        check(&["any older 5", "any archived 90"], &images, "A2 C1");
        let mut activating = image("a", 100);
        activating.class = None;
        check(&["any older 5"], &[activating], "");
    }

    #[test]
    fn children_are_blocked_by_their_index_but_counted_and_referrers_are_not_seen() {
        let tied = |tie: Tie, age_days: i64| Candidate {
            tie,
            ..image("a", age_days)
        };
        let images = [
            image("a", 9),
            tied(Tie::ChildOfActive, 8),
            tied(Tie::Referrer, 7),
            tied(Tie::ChildOfArchived, 6),
            image("a", 5),
        ];
        check(&["a keep 2"], &images, "A1");
        check(&["a unpulled 2"], &images, "A1 D1 E1");
        let blocked = findings(&policy(&["a keep 2"]), &images);
        let blocked = blocked
            .iter()
            .filter(|(_, finding)| finding.verdict == Verdict::Blocked);
        assert_eq!(
            blocked
                .map(|(image, finding)| (*image, finding.standing))
                .collect::<Vec<_>>(),
            [(1, Standing::Rank(3))]
        );
    }

    /// The algorithm as documented, with sets of positions.
    fn naive(policy: &Policy, images: &[Candidate]) -> BTreeSet<(usize, i32)> {
        let mut marked = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut rules = policy.rules.clone();
        rules.sort_by_key(|rule| rule.priority);
        for rule in &rules {
            let matched = (0..images.len())
                .filter(|&place| {
                    let image = &images[place];
                    let tagged = match &rule.tags {
                        TagRequirement::Any => true,
                        TagRequirement::Untagged => image.tags.is_empty(),
                        TagRequirement::Prefixes(list) => list
                            .iter()
                            .all(|entry| image.tags.iter().any(|tag| tag.starts_with(entry))),
                        TagRequirement::Patterns(list) => list
                            .iter()
                            .all(|entry| image.tags.iter().any(|tag| matches_wildcard(entry, tag))),
                    };
                    tagged && image.tie != Tie::Referrer && image.class == Some(rule.class)
                })
                .collect::<BTreeSet<_>>();
            let excess = matched.iter().copied().filter(|&place| match rule.limit {
                Limit::Count(kept) => {
                    let newer = matched
                        .iter()
                        .filter(|&&other| images[other].sequence > images[place].sequence);
                    newer.count() >= usize::try_from(kept).unwrap()
                }
                Limit::Age { since, number, unit } => {
                    let age = NOW.as_millis() - clock(since, &images[place]).as_millis();
                    age > i64::from(number) * unit.milliseconds()
                }
            });
            for place in excess.filter(|place| !seen.contains(place)) {
                let free = match images[place].tie {
                    Tie::ChildOfActive => false,
                    Tie::ChildOfArchived => rule.action == Action::Archive,
                    Tie::Free | Tie::Referrer => true,
                };
                if free {
                    marked.insert((place, rule.priority));
                }
            }
            seen.extend(matched);
        }
        marked
    }

    fn any_image() -> impl Strategy<Value = Candidate> {
        let tie = prop_oneof![
            4 => Just(Tie::Free),
            1 => Just(Tie::ChildOfActive),
            1 => Just(Tie::ChildOfArchived),
            1 => Just(Tie::Referrer),
        ];
        let tags = prop::collection::vec(prop::sample::select(vec!["a1", "a2", "b1", "ab", "c"]), 0..3);
        let moment = prop::option::of(0..120_i64);
        (
            tags,
            0..120_i64,
            moment.clone(),
            moment.clone(),
            moment,
            tie,
            0..8,
        )
            .prop_map(
                |(tags, age_days, pulled, activated, archived, tie, class)| Candidate {
                    class: match class {
                        0 => None,
                        1 => Some(StorageClass::Archive),
                        _ => Some(StorageClass::Standard),
                    },
                    last_pulled_at: pulled.map(days_ago),
                    last_activated_at: activated.map(days_ago),
                    last_archived_at: archived.map(days_ago),
                    tie,
                    ..image(&tags.join(" "), age_days)
                },
            )
    }

    fn any_rule() -> impl Strategy<Value = String> {
        let tags = prop::sample::select(vec!["a*", "b*", "a* b*", "*b*", "ab"]);
        let limit = prop_oneof![
            (1..5).prop_map(|kept| format!("keep {kept}")),
            (1..100).prop_map(|days| format!("older {days}")),
            (1..100).prop_map(|days| format!("unpulled {days}")),
            (90..110).prop_map(|days| format!("archived {days}")),
        ];
        (tags, limit).prop_map(|(tags, limit)| format!("{tags} {limit}"))
    }

    proptest! {
        #[test]
        fn rules_act_as_the_written_algorithm_says(
            mut images in prop::collection::vec(any_image(), 0..24),
            mut rules in prop::collection::vec(any_rule(), 1..5),
            untagged in prop::option::of(1..5),
            any in prop::option::of(1..5),
        ) {
            for (place, image) in images.iter_mut().enumerate() {
                image.sequence = i64::try_from(place * 7 % 24).unwrap();
            }
            rules.extend(untagged.map(|kept| format!("untagged keep {kept}")));
            rules.extend(any.map(|kept| format!("any keep {kept}")));
            let rules = rules.iter().map(String::as_str).collect::<Vec<_>>();
            let policy = policy(&rules);

            let acted = findings(&policy, &images)
                .into_iter()
                .filter(|(_, finding)| matches!(finding.verdict, Verdict::Act(_)))
                .map(|(image, finding)| (image, finding.rule))
                .collect::<BTreeSet<_>>();
            prop_assert_eq!(&acted, &naive(&policy, &images));
            let once = acted.iter().map(|(image, _)| image).collect::<BTreeSet<_>>();
            prop_assert_eq!(once.len(), acted.len(), "an image is acted on by one rule at most");
        }
    }
}
