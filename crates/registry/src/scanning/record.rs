//! The rows of scans and their findings.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use ecru_model::{
    Digest, ImageScanStatus, ImageStatus, Region, RegistryId, RepositoryName, ScanStatus, ScanType, Scope,
    Timestamp,
};
use ecru_platform::Page;
use ecru_platform::paging::{Filling, Room};
use ecru_store::{Row, Snapshot, StoreError, Tx, Value, stored};
use serde::{Deserialize, Serialize};

use crate::ports::image_scanner::Finding;

/// A scan with some thousand findings takes a few dozen rows.
pub(super) const FINDINGS_PER_ROW: usize = 50;
const VERSION: u32 = 1;
const SCANS_AT_ONCE: i64 = 200;

#[derive(Clone, Debug)]
pub(super) struct Scan {
    pub(super) id: i64,
    pub(super) kind: ScanType,
    pub(super) status: ScanStatus,
    pub(super) description: String,
    pub(super) requested_at: Timestamp,
    pub(super) completed_at: Option<Timestamp>,
    pub(super) source_updated_at: Option<Timestamp>,
    /// The revision of the advisories, if the scan lacked some.
    pub(super) lacking_revision: Option<i64>,
    pub(super) severity_counts: BTreeMap<String, i64>,
    pub(super) generation: i64,
}

impl Scan {
    fn from_row(row: &Row<'_>) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.integer(0)?,
            kind: stored(ScanType::parse(row.text(1)?))?,
            status: stored(ScanStatus::parse(row.text(2)?))?,
            description: row.text(3)?.to_owned(),
            requested_at: Timestamp::from_millis(row.integer(4)?),
            completed_at: row.optional_integer(5)?.map(Timestamp::from_millis),
            source_updated_at: row.optional_integer(6)?.map(Timestamp::from_millis),
            lacking_revision: row.optional_integer(7)?,
            severity_counts: stored(serde_json::from_str(row.text(8)?))?,
            generation: row.integer(9)?,
        })
    }

    /// Whether a job must still end it.
    pub(super) fn is_under_way(&self) -> bool {
        matches!(self.status, ScanStatus::InProgress | ScanStatus::Pending)
    }

    /// Whether it lacked advisories, and others have been loaded since.
    pub(super) fn lacks_others_than(&self, revision: Option<i64>) -> bool {
        self.lacking_revision.is_some() && self.lacking_revision != revision
    }

    pub(super) fn describe_status(&self) -> ImageScanStatus {
        ImageScanStatus {
            status: Some(self.status),
            description: (!self.description.is_empty()).then(|| self.description.clone()),
        }
    }

    pub(super) fn describe_counts(&self) -> BTreeMap<String, i32> {
        let counts = self.severity_counts.iter();
        counts
            .map(|(severity, count)| (severity.clone(), i32::try_from(*count).unwrap_or(i32::MAX)))
            .collect()
    }
}

pub(super) fn find(
    at: &Snapshot<'_>,
    image_id: i64,
    scan_type: ScanType,
) -> Result<Option<Scan>, StoreError> {
    at.find(
        "SELECT id, scan_type, status, description, requested_at, completed_at, source_updated_at, lacking_revision,
                severity_counts, generation
         FROM image_scans WHERE image_id = ?1 AND scan_type = ?2",
        &[Value::Integer(image_id), Value::Text(scan_type.as_str())],
        Scan::from_row,
    )
}

/// Begins a scan, in place of the previous one. The old findings stay stored until the scan ends, but are not shown.
pub(super) fn begin(
    tx: &Tx<'_>,
    (repository_id, image_id): (i64, i64),
    (scan_type, status): (ScanType, ScanStatus),
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO image_scans (repository_id, image_id, scan_type, status, requested_at) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (image_id, scan_type) DO UPDATE SET status = excluded.status, description = '',
             requested_at = excluded.requested_at, completed_at = NULL, lacking_revision = NULL",
        &[
            Value::Integer(repository_id),
            Value::Integer(image_id),
            Value::Text(scan_type.as_str()),
            Value::Text(status.as_str()),
            Value::Integer(now.as_millis()),
        ],
    )?;
    Ok(())
}

/// A scan that lacked advisories, and the place of its image.
pub(super) struct Lacking {
    pub(super) scan_id: i64,
    pub(super) image_id: i64,
    pub(super) digest: Digest,
    pub(super) scope: Scope,
    pub(super) name: RepositoryName,
}

/// Scans after `last` that lacked advisories of another revision than this one.
pub(super) fn lacking(
    at: &Snapshot<'_>,
    last: i64,
    (revision, rows_max): (i64, i64),
) -> Result<Vec<Lacking>, StoreError> {
    at.query(
        "SELECT s.id, s.image_id, i.digest, r.account, r.region, r.name
         FROM image_scans s JOIN images i ON i.id = s.image_id JOIN repositories r ON r.id = s.repository_id
         WHERE s.id > ?1 AND s.lacking_revision <> ?2 AND i.status = ?3 AND r.deleted = 0 ORDER BY s.id LIMIT ?4",
        &[
            Value::Integer(last),
            Value::Integer(revision),
            Value::Text(ImageStatus::Active.as_str()),
            Value::Integer(rows_max),
        ],
        |row| {
            Ok(Lacking {
                scan_id: row.integer(0)?,
                image_id: row.integer(1)?,
                digest: stored(Digest::from_bytes(row.blob(2)?))?,
                scope: Scope {
                    registry_id: stored(RegistryId::parse(row.text(3)?))?,
                    region: stored(Region::parse(row.text(4)?))?,
                },
                name: stored(RepositoryName::parse(row.text(5)?))?,
            })
        },
    )
}

/// Whether any scan lacked advisories.
pub(super) fn any_lacks(at: &Snapshot<'_>) -> Result<bool, StoreError> {
    let found = at.find(
        "SELECT 1 FROM image_scans WHERE lacking_revision IS NOT NULL LIMIT 1",
        &[],
        |row| row.integer(0),
    )?;
    Ok(found.is_some())
}

/// Makes an automatic scan not count for the limit on requested scans.
pub(super) fn leave_room(tx: &Tx<'_>, scan_id: i64) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE image_scans SET requested_at = ?2 WHERE id = ?1",
        &[Value::Integer(scan_id), Value::Integer(i64::MIN)],
    )?;
    Ok(())
}

/// The end of a scan.
#[derive(Clone, Debug)]
pub(super) struct End {
    pub(super) status: ScanStatus,
    pub(super) description: String,
    pub(super) completed_at: Timestamp,
    pub(super) source_updated_at: Option<Timestamp>,
    pub(super) lacking_revision: Option<i64>,
    pub(super) severity_counts: BTreeMap<String, i64>,
    pub(super) generation: i64,
}

pub(super) fn end(tx: &Tx<'_>, scan_id: i64, end: &End) -> Result<(), StoreError> {
    let counts = stored(serde_json::to_string(&end.severity_counts))?;
    tx.execute(
        "UPDATE image_scans SET status = ?2, description = ?3, completed_at = ?4, source_updated_at = ?5,
             lacking_revision = ?6, severity_counts = ?7, generation = ?8
         WHERE id = ?1",
        &[
            Value::Integer(scan_id),
            Value::Text(end.status.as_str()),
            Value::Text(&end.description),
            Value::Integer(end.completed_at.as_millis()),
            Value::from(end.source_updated_at.map(Timestamp::as_millis)),
            Value::from(end.lacking_revision),
            Value::Text(&counts),
            Value::Integer(end.generation),
        ],
    )?;
    Ok(())
}

#[derive(Serialize, Deserialize)]
struct Chunk {
    version: u32,
    findings: Vec<Finding>,
}

/// The generation of the visible findings; none if the scan is gone with its image.
pub(super) fn find_generation(at: &Snapshot<'_>, scan_id: i64) -> Result<Option<i64>, StoreError> {
    at.find(
        "SELECT generation FROM image_scans WHERE id = ?1",
        &[Value::Integer(scan_id)],
        |row| row.integer(0),
    )
}

/// Adds findings that are not yet visible, beginning at `position`.
pub(super) fn add_findings(
    tx: &Tx<'_>,
    (scan_id, generation): (i64, i64),
    position: i64,
    findings: &[Finding],
) -> Result<(), StoreError> {
    let chunk = Chunk {
        version: VERSION,
        findings: findings.to_vec(),
    };
    let text = stored(serde_json::to_string(&chunk))?;
    tx.execute(
        "INSERT INTO image_scan_findings (scan_id, generation, first_position, findings) VALUES (?1, ?2, ?3, ?4)",
        &[
            Value::Integer(scan_id),
            Value::Integer(generation),
            Value::Integer(position),
            Value::Text(&text),
        ],
    )?;
    Ok(())
}

/// Removes findings that an interrupted run left in this generation. Returns whether there may be more.
pub(super) fn clear_findings(
    tx: &Tx<'_>,
    (scan_id, generation): (i64, i64),
    rows_max: i64,
) -> Result<bool, StoreError> {
    let removed = tx.execute(
        "DELETE FROM image_scan_findings WHERE (scan_id, generation, first_position) IN
             (SELECT scan_id, generation, first_position FROM image_scan_findings
              WHERE scan_id = ?1 AND generation = ?2 LIMIT ?3)",
        &[scan_id, generation, rows_max].map(Value::Integer),
    )?;
    Ok(i64::try_from(removed).is_ok_and(|removed| removed == rows_max))
}

/// Removes findings that are no longer visible, or that never were. Returns whether there may be more.
pub(super) fn remove_stale_findings(tx: &Tx<'_>, scan_id: i64, rows_max: i64) -> Result<bool, StoreError> {
    let removed = tx.execute(
        "DELETE FROM image_scan_findings WHERE (scan_id, generation, first_position) IN
             (SELECT f.scan_id, f.generation, f.first_position
              FROM image_scan_findings f JOIN image_scans s ON s.id = f.scan_id
              WHERE f.scan_id = ?1 AND f.generation <> s.generation LIMIT ?2)",
        &[Value::Integer(scan_id), Value::Integer(rows_max)],
    )?;
    Ok(i64::try_from(removed).is_ok_and(|removed| removed == rows_max))
}

/// A page of findings after a position, which is the number of findings before it. `more_bytes` is what each
/// costs beside its own texts.
pub(super) fn findings(
    at: &Snapshot<'_>,
    scan: &Scan,
    position: i64,
    (room, more_bytes): (&Room, usize),
) -> Result<Page<Finding, i64>, StoreError> {
    let per_row = i64::try_from(FINDINGS_PER_ROW).unwrap_or(i64::MAX);
    let mut filling = Filling::new(room);
    at.each(
        "SELECT findings, first_position FROM image_scan_findings
         WHERE scan_id = ?1 AND generation = ?2 AND first_position >= ?3 ORDER BY first_position",
        &[
            Value::Integer(scan.id),
            Value::Integer(scan.generation),
            Value::Integer(position - position % per_row),
        ],
        &mut |row| {
            let text = row.text(0)?;
            let mut reached = row.integer(1)?;
            let chunk = stored(serde_json::from_str::<Chunk>(text))?;
            let bytes = text.len() / chunk.findings.len().max(1) + more_bytes;
            for finding in chunk.findings {
                reached += 1;
                if reached <= position {
                    continue;
                }
                if filling.put(reached, bytes, || Ok(Some(finding)))?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            Ok(ControlFlow::Continue(()))
        },
    )?;
    Ok(filling.page())
}

/// Scans with a wrong count of visible findings, one line each, for verification.
pub(crate) fn miscounted(at: &Snapshot<'_>) -> Result<Vec<String>, StoreError> {
    let mut complaints = Vec::new();
    let mut last = 0;
    loop {
        let scans = at.query(
            "SELECT id, generation, severity_counts FROM image_scans WHERE id > ?1 ORDER BY id LIMIT ?2",
            &[last, SCANS_AT_ONCE].map(Value::Integer),
            |row| Ok((row.integer(0)?, row.integer(1)?, row.text(2)?.to_owned())),
        )?;
        let Some((end, ..)) = scans.last() else {
            return Ok(complaints);
        };
        last = *end;
        for (id, generation, counts) in scans {
            let counts = serde_json::from_str::<BTreeMap<String, i64>>(&counts).ok();
            if counts != count_again(at, id, generation)? {
                complaints.push(format!("a scan has a wrong count of findings: number {id}"));
            }
        }
    }
}

/// None if the findings are not contiguous, or cannot be read.
fn count_again(
    at: &Snapshot<'_>,
    scan_id: i64,
    generation: i64,
) -> Result<Option<BTreeMap<String, i64>>, StoreError> {
    let (mut counts, mut position, mut whole) = (BTreeMap::new(), 0_i64, true);
    at.each(
        "SELECT first_position, findings FROM image_scan_findings WHERE scan_id = ?1 AND generation = ?2
         ORDER BY first_position",
        &[scan_id, generation].map(Value::Integer),
        &mut |row| {
            let findings = serde_json::from_str::<Chunk>(row.text(1)?).map(|chunk| chunk.findings);
            whole &= findings.is_ok() && row.integer(0)? == position;
            for finding in findings.unwrap_or_default() {
                position += 1;
                *counts
                    .entry(finding.severity.as_model().as_str().to_owned())
                    .or_insert(0) += 1;
            }
            Ok(ControlFlow::Continue(()))
        },
    )?;
    Ok(whole.then_some(counts))
}

/// Deletes the scans of an image with their findings.
pub(crate) fn forget_image(tx: &Tx<'_>, image_id: i64) -> Result<(), StoreError> {
    tx.execute(
        "DELETE FROM image_scan_findings WHERE scan_id IN (SELECT id FROM image_scans WHERE image_id = ?1)",
        &[Value::Integer(image_id)],
    )?;
    tx.execute(
        "DELETE FROM image_scans WHERE image_id = ?1",
        &[Value::Integer(image_id)],
    )?;
    Ok(())
}
