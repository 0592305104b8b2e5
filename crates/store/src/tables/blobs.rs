//! `blobs`: each blob is stored once, however many repositories link it.

use ecru_model::Digest;

use crate::files::{FileName, Identity};
use crate::{Row, Snapshot, StoreError, Tx};

/// A stored blob, without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    pub id: i64,
    pub digest: Digest,
    pub size: u64,
    pub(crate) damaged: bool,
    pub(crate) place: Place,
}

impl Blob {
    /// Whether no damage to its bytes is recorded.
    pub fn is_intact(&self) -> bool {
        !self.damaged
    }
}

/// Where the bytes of a blob are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Row,
    File { name: FileName, identity: Identity },
}

/// The location of the bytes in a new row.
pub(crate) enum Content<'a> {
    Bytes(&'a [u8]),
    File { name: FileName, identity: &'a Identity },
}

pub(crate) fn find(at: &Snapshot<'_>, digest: &Digest) -> Result<Option<Blob>, StoreError> {
    at.find(
        "SELECT id, digest, size, damaged, file, identity, length(bytes) FROM blobs WHERE digest = ?1",
        &[digest.as_bytes().into()],
        from_row,
    )
}

/// The blobs after an id, in the order of their ids.
pub(crate) fn list_after(at: &Snapshot<'_>, last: i64, count_max: i64) -> Result<Vec<Blob>, StoreError> {
    at.query(
        "SELECT id, digest, size, damaged, file, identity, length(bytes) FROM blobs WHERE id > ?1 ORDER BY id LIMIT ?2",
        &[last.into(), count_max.into()],
        from_row,
    )
}

/// The ids of blobs whose rows name two locations for their bytes.
pub(crate) fn list_ambiguous(at: &Snapshot<'_>, count_max: i64) -> Result<Vec<i64>, StoreError> {
    at.query(
        "SELECT id FROM blobs WHERE file IS NOT NULL AND bytes IS NOT NULL LIMIT ?1",
        &[count_max.into()],
        |row| row.integer(0),
    )
}

pub(crate) fn find_bytes(at: &Snapshot<'_>, digest: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
    let bytes = at.find(
        "SELECT bytes FROM blobs WHERE digest = ?1",
        &[digest.as_bytes().into()],
        |row| Ok(row.optional_blob(0)?.map(<[u8]>::to_vec)),
    )?;
    Ok(bytes.flatten())
}

pub(crate) fn insert(
    tx: &Tx<'_>,
    digest: &Digest,
    size: u64,
    content: &Content<'_>,
) -> Result<i64, StoreError> {
    let (file, identity, bytes) = content.columns();
    let id = tx.returning(
        "INSERT INTO blobs (digest, size, file, identity, bytes) VALUES (?1, ?2, ?3, ?4, ?5) RETURNING id",
        &[
            digest.as_bytes().into(),
            size.cast_signed().into(),
            file.as_deref().into(),
            identity.into(),
            bytes.into(),
        ],
        |row| row.integer(0),
    )?;
    id.ok_or_else(|| StoreError::damaged("a new blob has no id"))
}

/// Sets new bytes for a damaged blob, and their size: perhaps only the size column was damaged.
pub(crate) fn mend(tx: &Tx<'_>, id: i64, size: u64, content: &Content<'_>) -> Result<(), StoreError> {
    let (file, identity, bytes) = content.columns();
    tx.execute(
        "UPDATE blobs SET damaged = 0, file = ?2, identity = ?3, bytes = ?4, size = ?5 WHERE id = ?1",
        &[
            id.into(),
            file.as_deref().into(),
            identity.into(),
            bytes.into(),
            size.cast_signed().into(),
        ],
    )
    .map(drop)
}

/// Records the result of hashing the file again, unless the row now names another file.
pub(crate) fn set_identity(
    tx: &Tx<'_>,
    digest: &Digest,
    name: FileName,
    identity: &Identity,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE blobs SET damaged = 0, identity = ?3 WHERE digest = ?1 AND file = ?2",
        &[
            digest.as_bytes().into(),
            (&name.to_string()).into(),
            identity.as_bytes().into(),
        ],
    )
    .map(drop)
}

/// Records the damage, unless the row now has other bytes.
pub(crate) fn set_damaged(tx: &Tx<'_>, blob: &Blob) -> Result<(), StoreError> {
    let digest = blob.digest.as_bytes().into();
    match &blob.place {
        Place::Row => tx.execute(
            "UPDATE blobs SET damaged = 1 WHERE digest = ?1 AND bytes IS NOT NULL",
            &[digest],
        ),
        Place::File { name, .. } => tx.execute(
            "UPDATE blobs SET damaged = 1 WHERE digest = ?1 AND file = ?2",
            &[digest, (&name.to_string()).into()],
        ),
    }
    .map(drop)
}

impl Content<'_> {
    fn columns(&self) -> (Option<String>, Option<&[u8]>, Option<&[u8]>) {
        match self {
            Content::Bytes(bytes) => (None, None, Some(bytes)),
            Content::File { name, identity } => (Some(name.to_string()), Some(identity.as_bytes()), None),
        }
    }
}

fn from_row(row: &Row<'_>) -> Result<Blob, StoreError> {
    let digest = Digest::from_bytes(row.blob(1)?).map_err(|_| StoreError::damaged("a blob has no digest"))?;
    let place = match (row.optional_text(4)?, row.optional_blob(5)?) {
        (None, _) => Place::Row,
        (Some(name), identity) => Place::File {
            name: FileName::from_stored(name)?,
            identity: Identity::from_stored(identity.unwrap_or_default()),
        },
    };
    let size = row.integer(2)?.cast_unsigned();
    // Comparing the size of bytes in the row costs nothing. The size of a file is compared when it is opened.
    let is_cut = row
        .optional_integer(6)?
        .is_some_and(|length| length.cast_unsigned() != size);
    Ok(Blob {
        id: row.integer(0)?,
        digest,
        size,
        damaged: row.boolean(3)? || is_cut,
        place,
    })
}
