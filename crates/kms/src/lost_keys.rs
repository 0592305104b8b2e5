//! Keys that cannot be used because their master key is missing.

use ecru_store::{Snapshot, StoreError};

use crate::MasterKey;
use crate::records::key::key_arn;
use ecru_model::{Region, RegistryId, Scope};
use ecru_store::stored;

/// The ARNs of all keys with material that this master key cannot decrypt; without a master key, of all keys with material.
pub fn lost_keys(at: &Snapshot<'_>, master: Option<&MasterKey>) -> Result<Vec<String>, StoreError> {
    let present = master.map_or("", |master| master.id.as_str());
    at.query(
        "SELECT DISTINCT account, region, key_id FROM kms_materials WHERE master <> ?1
         ORDER BY account, region, key_id",
        &[present.into()],
        |row| {
            let scope = Scope {
                registry_id: stored(RegistryId::parse(row.text(0)?))?,
                region: stored(Region::parse(row.text(1)?))?,
            };
            Ok(key_arn(&scope, row.text(2)?))
        },
    )
}
