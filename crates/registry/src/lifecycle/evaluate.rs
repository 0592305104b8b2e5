//! What a lifecycle policy says of the images of a repository: a pure decision over plain values.

use ecru_model::Timestamp;

use super::policy::{Action, Limit, Policy, Rule, Since, StorageClass};
use super::tag_matcher::TagMatcher;

/// All that a policy can ask of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) tags: Vec<String>,
    /// None while an image is on its way back from the archive.
    // [unknown] whether ECR's rules see such an image; here they do not.
    pub(super) class: Option<StorageClass>,
    /// The place in the order of pushes and restores.
    pub(super) sequence: i64,
    pub(super) pushed_at: Timestamp,
    pub(super) last_pulled_at: Option<Timestamp>,
    pub(super) last_activated_at: Option<Timestamp>,
    pub(super) last_archived_at: Option<Timestamp>,
    pub(super) tie: Tie,
}

/// Whether other images decide over an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tie {
    Free,
    /// Indexes that are there name it, and all of them are archived.
    ChildOfArchived,
    /// Some index names it that is not archived.
    ChildOfActive,
    /// It follows its subject, which is there, so that no rule sees it.
    Referrer,
}

/// What a rule found of an image that meets its tag requirement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Finding {
    /// Its place among the candidates.
    pub(super) image: usize,
    /// The priority of the rule.
    pub(super) rule: i32,
    pub(super) standing: Standing,
    /// The rule of a lower number which the image also meets, so that it is out of reach.
    pub(super) claimed_by: Option<i32>,
    pub(super) verdict: Verdict,
}

/// What the rule measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// One is the newest.
    Rank(usize),
    /// The moment from which on the image is too old.
    DueAt(Timestamp),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Within the limit of the rule.
    Kept,
    /// Beyond the limit, but an earlier rule has claimed it.
    OutOfReach,
    /// Beyond the limit, but an index that is there needs it.
    Blocked,
    Act(Action),
}

/// Tells `visit` every finding, rule by rule, and answers when the next image grows too old.
pub(super) fn evaluate(
    policy: &Policy,
    images: &[Candidate],
    now: Timestamp,
    visit: &mut dyn FnMut(Finding),
) -> Option<Timestamp> {
    let mut newest_first = images.iter().enumerate().collect::<Vec<_>>();
    newest_first.sort_by_key(|(_, image)| std::cmp::Reverse(image.sequence));
    let mut rules = policy.rules.iter().collect::<Vec<_>>();
    rules.sort_by_key(|rule| rule.priority);

    let tag_lists = TagMatcher::new(&rules);
    let met = images
        .iter()
        .map(|image| met_rules(&tag_lists, image))
        .collect::<Vec<_>>();
    let mut claims = vec![None; images.len()];
    let mut next_due: Option<Timestamp> = None;
    for (index, rule) in rules.into_iter().enumerate() {
        let meets = |place: usize| met.get(place).is_some_and(|met| met >> index & 1 == 1);
        let matched = newest_first
            .iter()
            .filter(|(place, image)| image.class == Some(rule.class) && meets(*place));
        for (rank, (place, image)) in matched.enumerate() {
            let Some(claim) = claims.get_mut(*place) else {
                continue;
            };
            let standing = standing(rule.limit, image, rank + 1);
            let verdict = judge(rule, image, standing, *claim, now);
            if let (Standing::DueAt(due), Verdict::Kept, None) = (standing, verdict, *claim) {
                next_due = Some(next_due.map_or(due, |next| next.min(due)));
            }
            visit(Finding {
                image: *place,
                rule: rule.priority,
                standing,
                claimed_by: *claim,
                verdict,
            });
            // An image is claimed by the first rule it meets, whether that rule acts on it or not.
            claim.get_or_insert(rule.priority);
        }
    }
    next_due
}

/// The rules whose tag requirement an image meets, the first of them in the lowest bit; none of an image that no rule
/// sees.
fn met_rules(tags: &TagMatcher, image: &Candidate) -> u64 {
    if image.class.is_none() || image.tie == Tie::Referrer {
        return 0;
    }
    tags.met_rules(&image.tags)
}

fn standing(limit: Limit, image: &Candidate, rank: usize) -> Standing {
    match limit {
        Limit::Count(_) => Standing::Rank(rank),
        Limit::Age { since, number, unit } => {
            let age_max = i64::from(number).saturating_mul(unit.milliseconds());
            // The number is the highest age that is kept, so an image goes a moment after it has reached it.
            let due = clock(since, image)
                .as_millis()
                .saturating_add(age_max)
                .saturating_add(1);
            Standing::DueAt(Timestamp::from_millis(due))
        }
    }
}

/// The moment from which the age of an image counts. A restore counts as a push.
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
    use crate::lifecycle::grammar;
    use crate::lifecycle::policy::TagRequirement;
    use crate::repositories::matches_wildcard;

    const DAY: i64 = 24 * 60 * 60 * 1000;
    const NOW: Timestamp = Timestamp::from_millis(1_000 * DAY);

    fn days_ago(days: i64) -> Timestamp {
        Timestamp::from_millis(NOW.as_millis() - days * DAY)
    }

    /// Pushed so many days ago under these tags.
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

    /// `<tags> keep <n>`, `<tags> older <days>`, `<tags> unpulled <days>` (archived then) or `<tags> archived <days>`.
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

    fn findings(policy: &Policy, images: &[Candidate]) -> Vec<Finding> {
        let mut found = Vec::new();
        evaluate(policy, images, NOW, &mut |finding| found.push(finding));
        found
    }

    /// The letters of the images that are acted on, each with the priority of its rule.
    #[track_caller]
    fn check(rules: &[&str], images: &[Candidate], expected: &str) {
        let mut acted = findings(&policy(rules), images)
            .into_iter()
            .filter(|finding| matches!(finding.verdict, Verdict::Act(_)))
            .map(|finding| {
                let letter = char::from(b'A' + u8::try_from(finding.image).unwrap());
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
        let due = evaluate(&policy(&["a older 7"]), &images, NOW, &mut |_| {});
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
            .filter(|finding| finding.verdict == Verdict::Blocked);
        assert_eq!(
            blocked
                .map(|finding| (finding.image, finding.standing))
                .collect::<Vec<_>>(),
            [(1, Standing::Rank(3))]
        );
    }

    /// The algorithm as it is written down, with sets of positions.
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
                .filter(|finding| matches!(finding.verdict, Verdict::Act(_)))
                .map(|finding| (finding.image, finding.rule))
                .collect::<BTreeSet<_>>();
            prop_assert_eq!(&acted, &naive(&policy, &images));
            let once = acted.iter().map(|(image, _)| image).collect::<BTreeSet<_>>();
            prop_assert_eq!(once.len(), acted.len(), "an image is acted on by one rule at most");
        }
    }
}
