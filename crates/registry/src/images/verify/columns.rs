//! Columns that repeat other rows or columns: counts, sums, and derived keys.

use ecru_store::{Snapshot, StoreError, Value};

const COMPLAINTS_MAX: i64 = 100;

/// The description of an error, and the query that finds its cases: it returns their names.
const LOOKS: [(&str, &str); 17] = [
    (
        "an image is kept for an index that does not exist: number",
        "SELECT '' || index_id FROM image_children c WHERE NOT EXISTS (SELECT 1 FROM images WHERE id = c.index_id)
         LIMIT ?1",
    ),
    (
        "a repository has no counters: number",
        "SELECT '' || r.id FROM repositories r WHERE r.deleted = 0
             AND NOT EXISTS (SELECT 1 FROM repository_counters WHERE repository_id = r.id) LIMIT ?1",
    ),
    (
        "a repository has a wrong count of images: number",
        "SELECT '' || c.repository_id FROM repository_counters c JOIN repositories r ON r.id = c.repository_id
         WHERE r.deleted = 0
             AND c.images <> (SELECT count(*) FROM images WHERE repository_id = c.repository_id) LIMIT ?1",
    ),
    (
        "a repository has a wrong count of uploads: number",
        "SELECT '' || c.repository_id FROM repository_counters c JOIN repositories r ON r.id = c.repository_id
         WHERE r.deleted = 0
             AND c.uploads <> (SELECT count(*) FROM uploads WHERE repository_id = c.repository_id) LIMIT ?1",
    ),
    (
        "a repository has counted fewer pushes than it has images: number",
        "SELECT '' || c.repository_id FROM repository_counters c JOIN repositories r ON r.id = c.repository_id
         WHERE r.deleted = 0
             AND c.push_sequence < (SELECT max(push_sequence) FROM images WHERE repository_id = c.repository_id)
         LIMIT ?1",
    ),
    (
        "images share a place in the order of pushes: repository number",
        "SELECT '' || i.repository_id FROM images i JOIN repositories r ON r.id = i.repository_id
         WHERE r.deleted = 0 GROUP BY i.repository_id, i.push_sequence HAVING count(*) > 1 LIMIT ?1",
    ),
    (
        "an image is wrongly listed as tagged or untagged: number",
        "SELECT '' || i.id FROM images i JOIN repositories r ON r.id = i.repository_id
         WHERE r.deleted = 0 AND i.tagged <> CASE WHEN EXISTS
             (SELECT 1 FROM tags WHERE repository_id = i.repository_id AND image_id = i.id) THEN 1 ELSE 0 END
         LIMIT ?1",
    ),
    (
        "a registry has a wrong count of things:",
        "SELECT account || '/' || region || ' ' || thing FROM (
             SELECT account, region, thing, held AS counted FROM registry_counters
             UNION ALL SELECT account, region, 'repositories', -1 FROM repositories WHERE deleted = 0
             UNION ALL SELECT account, region, 'creation-templates', -1 FROM creation_templates
             UNION ALL SELECT account, region, 'pull-through-cache-rules', -1 FROM pull_through_cache_rules
             UNION ALL SELECT account, region, 'pull-time-exclusions', -1 FROM pull_time_exclusions) AS held
         GROUP BY account, region, thing HAVING sum(counted) <> 0 LIMIT ?1",
    ),
    (
        "a link that images need has no media type: blob number",
        "SELECT '' || l.blob_id FROM links l JOIN repositories r ON r.id = l.repository_id
         WHERE r.deleted = 0 AND l.images > 0 AND l.media_type IS NULL LIMIT ?1",
    ),
    (
        "a scan is listed under another repository than its image: number",
        "SELECT '' || s.id FROM image_scans s JOIN images i ON i.id = s.image_id
         WHERE s.repository_id <> i.repository_id LIMIT ?1",
    ),
    (
        "a lifecycle policy preview has a wrong count of images: repository number",
        "SELECT '' || p.repository_id FROM lifecycle_previews p JOIN repositories r ON r.id = p.repository_id
         WHERE r.deleted = 0 AND p.status = 'COMPLETE'
             AND (p.expiring <> (SELECT count(*) FROM lifecycle_preview_results
                                 WHERE repository_id = p.repository_id AND action = 'EXPIRE')
                 OR p.archiving <> (SELECT count(*) FROM lifecycle_preview_results
                                    WHERE repository_id = p.repository_id AND action <> 'EXPIRE')) LIMIT ?1",
    ),
    (
        "a replication backfill has a wrong count of results:",
        "SELECT b.backfill_id FROM replication_backfills b WHERE b.removed = 0
             AND (b.total <> (SELECT count(*) FROM replication_backfill_results WHERE backfill_id = b.id)
                 OR b.completed <> (SELECT count(*) FROM replication_backfill_results
                                    WHERE backfill_id = b.id AND status <> 'PENDING' AND failure_code IS NULL)
                 OR b.failed <> (SELECT count(*) FROM replication_backfill_results
                                 WHERE backfill_id = b.id AND failure_code IS NOT NULL)) LIMIT ?1",
    ),
    (
        "a repository creation template is stored under a wrong prefix:",
        "SELECT given_prefix FROM creation_templates WHERE prefix <> CASE WHEN given_prefix LIKE '%/'
             THEN substr(given_prefix, 1, length(given_prefix) - 1) ELSE given_prefix END LIMIT ?1",
    ),
    (
        "a pull through cache rule is stored under a wrong prefix:",
        "SELECT given_prefix FROM pull_through_cache_rules WHERE prefix <> CASE WHEN given_prefix LIKE '%/'
             THEN substr(given_prefix, 1, length(given_prefix) - 1) ELSE given_prefix END LIMIT ?1",
    ),
    (
        "a secret is stored under a wrong registry:",
        "SELECT account || '/' || region FROM secrets
         WHERE arn NOT LIKE 'arn:%:secretsmanager:' || region || ':' || account || ':secret:%' LIMIT ?1",
    ),
    (
        "a principal is stored under a wrong account:",
        "SELECT account FROM principals WHERE arn NOT LIKE 'arn:%::' || account || ':%' LIMIT ?1",
    ),
    (
        "a repository requires signatures but has no key, or two keys: number",
        "SELECT '' || repository_id FROM verification_keys
         WHERE (public_key IS NULL AND kms_key_arn IS NULL) OR (public_key IS NOT NULL AND kms_key_arn IS NOT NULL)
         LIMIT ?1",
    ),
];

pub(super) fn complaints(at: &Snapshot<'_>) -> Result<Vec<String>, StoreError> {
    let mut complaints = Vec::new();
    for (words, sql) in LOOKS {
        let found = at.query(sql, &[Value::Integer(COMPLAINTS_MAX)], |row| {
            Ok(row.text(0)?.to_owned())
        })?;
        complaints.extend(found.into_iter().map(|what| format!("{words} {what}")));
    }
    Ok(complaints)
}
