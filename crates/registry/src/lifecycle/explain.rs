//! Explains why each image of a repository is kept or expires: the findings of the evaluation, rule by rule.

use ecru_model::{Digest, ImageStatus, RepositoryName, Scope, Timestamp};
use ecru_platform::Page;
use ecru_platform::paging::{Extent, Filling, Room};
use ecru_store::{Snapshot, StoreError, Value, stored};

use super::evaluate::Candidate;
use super::evaluate::Census;
use super::evaluate::Finding;
use super::evaluate::Rules;
use super::evaluate::Standing;
use super::evaluate::Tie;
use super::evaluate::Verdict;
use super::inventory;
use super::inventory::Key;
use crate::lifecycle_policy::policy::{Action, Limit, Policy, StorageClass};
use crate::lifecycle_policy::{load, parse_stored};
use crate::records::repositories::{self, Repository};
use crate::{Error, Service};

/// The cost of a tag or a rule beside its texts.
const PART_BYTES: usize = 64;

/// The evaluation of a repository's policy on its images now.
#[derive(Debug, Clone)]
pub struct Explanation {
    pub evaluated_at: Timestamp,
    pub policy: String,
    pub images: Page<ExplainedImage, i64>,
}

#[derive(Debug, Clone)]
pub struct ExplainedImage {
    pub id: i64,
    pub digest: Digest,
    pub tags: Vec<String>,
    pub pushed_at: Timestamp,
    pub status: ImageStatus,
    /// `EXPIRE` or `TRANSITION`; none for an image that stays.
    pub action: Option<&'static str>,
    /// The priority of the rule that acts.
    pub applied_rule: Option<i32>,
    pub reason: String,
    /// The rules whose tag requirement the image meets, in the order of their priorities.
    pub rules: Vec<ExplainedRule>,
}

impl ExplainedImage {
    fn text_bytes(&self) -> usize {
        let tags = self.tags.iter().map(|tag| tag.len() + PART_BYTES).sum::<usize>();
        let rules = self
            .rules
            .iter()
            .map(|rule| rule.reason.len() + PART_BYTES)
            .sum::<usize>();
        tags + rules + self.reason.len()
    }
}

#[derive(Debug, Clone)]
pub struct ExplainedRule {
    pub priority: i32,
    /// `KEPT`, `CLAIMED`, `BLOCKED`, `EXPIRE` or `TRANSITION`.
    pub verdict: &'static str,
    pub reason: String,
}

pub async fn explain(
    service: &Service,
    scope: Scope,
    name: RepositoryName,
    extent: Extent,
) -> Result<Explanation, Error> {
    let now = service.clock.now();
    service
        .store
        .read_many(move |at| {
            let repository = repositories::load(at, &scope, &name)?;
            let stored_policy = load(at, &repository)?;
            let policy = parse_stored(&stored_policy.text)?;
            Ok(Explanation {
                evaluated_at: now,
                images: explain_page(at, &repository, &policy, now, extent)?,
                policy: stored_policy.text,
            })
        })
        .await
}

fn explain_page(
    at: &Snapshot<'_>,
    repository: &Repository,
    policy: &Policy,
    now: Timestamp,
    extent: Extent,
) -> Result<Page<ExplainedImage, i64>, Error> {
    // The row beyond the limit shows whether more follow.
    let page = inventory::page(at, repository, extent.after, extent.limit.saturating_add(1))?;

    // All images count, but only those of the page are reported.
    let rules = Rules::new(policy, now);
    let mut census = Census::default();
    if rules.count() {
        inventory::each(at, repository, &mut |_, candidate| census.note(&rules, candidate))?;
    }
    let sequences = page.iter().map(|(_, candidate)| candidate.sequence).collect();
    let ranks = census.ranks(&rules, &sequences);

    let room = Room::new(extent.limit);
    let mut filling = Filling::new(&room);
    for (key, candidate) in page {
        let ranks = ranks.get(&candidate.sequence);
        let rank = |place| ranks.and_then(|ranks| ranks.get(place)).copied().unwrap_or(0);
        let mut findings = Vec::new();
        rules.judge(&candidate, &rank, &mut |finding| findings.push(finding));
        let indexes = if candidate.tie == Tie::Free {
            Vec::new()
        } else {
            indexes_of(at, repository, &key)?
        };
        let image = explain_image(policy, &key, candidate, &findings, &indexes);
        let put = filling.put(key.id, image.text_bytes(), || Ok(Some(image)))?;
        if put.is_break() {
            break;
        }
    }
    Ok(filling.page())
}

fn indexes_of(at: &Snapshot<'_>, repository: &Repository, key: &Key) -> Result<Vec<Digest>, StoreError> {
    at.query(
        "SELECT i.digest FROM image_children c JOIN images i ON i.id = c.index_id
         WHERE c.repository_id = ?1 AND c.child_id = ?2 ORDER BY c.index_id LIMIT 10",
        &[Value::Integer(repository.id), Value::Integer(key.id)],
        |row| stored(Digest::from_bytes(row.blob(0)?)),
    )
}

fn explain_image(
    policy: &Policy,
    key: &Key,
    candidate: Candidate,
    findings: &[Finding],
    indexes: &[Digest],
) -> ExplainedImage {
    let rules = findings
        .iter()
        .map(|finding| explain_rule(policy, finding, indexes))
        .collect::<Vec<_>>();
    let acted = findings.iter().find_map(|finding| match finding.verdict {
        Verdict::Act(action) => Some((finding.rule, name_of(action))),
        _ => None,
    });
    ExplainedImage {
        id: key.id,
        digest: key.digest,
        pushed_at: candidate.pushed_at,
        status: match candidate.class {
            Some(StorageClass::Standard) => ImageStatus::Active,
            Some(StorageClass::Archive) => ImageStatus::Archived,
            None => ImageStatus::Activating,
        },
        action: acted.map(|(_, action)| action),
        applied_rule: acted.map(|(rule, _)| rule),
        reason: reason(key, &candidate, acted.map(|(rule, _)| rule), &rules),
        tags: candidate.tags,
        rules,
    }
}

fn reason(key: &Key, candidate: &Candidate, acted: Option<i32>, rules: &[ExplainedRule]) -> String {
    let told = |verdict: &str| rules.iter().find(|rule| rule.verdict == verdict);
    match (acted, candidate.tie, key.subject) {
        (Some(rule), ..) => format!("rule {rule} acts on it"),
        (None, Tie::Referrer, Some(subject)) => {
            format!("it follows its subject {subject}, so that no rule sees it")
        }
        _ if candidate.class.is_none() => "it is being restored, so that no rule sees it".to_owned(),
        _ if rules.is_empty() => "no rule selects it".to_owned(),
        _ => match (told("BLOCKED"), told("CLAIMED")) {
            (Some(rule), _) | (None, Some(rule)) => format!(
                "kept although beyond the limit of rule {}: {}",
                rule.priority, rule.reason
            ),
            (None, None) => "kept: it is within the limits of every rule that selects it".to_owned(),
        },
    }
}

fn explain_rule(policy: &Policy, finding: &Finding, indexes: &[Digest]) -> ExplainedRule {
    let limit = policy
        .rules
        .iter()
        .find(|rule| rule.priority == finding.rule)
        .map(|rule| rule.limit);
    let measured = match (finding.standing, limit) {
        (Standing::Rank(rank), Some(Limit::Count(kept))) => {
            format!("it is number {rank} from the newest, and the limit is {kept}")
        }
        (Standing::Rank(rank), _) => format!("it is number {rank} from the newest"),
        (Standing::DueAt(due), _) => format!("it is kept until {due}"),
    };
    let (verdict, reason) = match (finding.verdict, finding.claimed_by) {
        (Verdict::Kept, _) => ("KEPT", measured),
        (Verdict::OutOfReach, Some(rule)) => {
            ("CLAIMED", format!("{measured}, but rule {rule} selects it first"))
        }
        (Verdict::OutOfReach, None) => ("CLAIMED", measured),
        (Verdict::Blocked, _) => {
            let indexes = indexes
                .iter()
                .map(Digest::to_string)
                .collect::<Vec<_>>()
                .join(", ");
            (
                "BLOCKED",
                format!("{measured}, but ImageReferencedByManifestList: [{indexes}]"),
            )
        }
        (Verdict::Act(action), _) => (name_of(action), measured),
    };
    ExplainedRule {
        priority: finding.rule,
        verdict,
        reason,
    }
}

fn name_of(action: Action) -> &'static str {
    match action {
        Action::Expire => "EXPIRE",
        Action::Archive => "TRANSITION",
    }
}
