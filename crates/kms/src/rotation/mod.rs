//! Rotation: from time to time a symmetric key gets new material, and the old one still decrypts.

mod disable_key_rotation;
mod enable_key_rotation;
mod get_key_rotation_status;
mod rotate;

use crate::Error;
use crate::error::unsupported;
use crate::records::key::Key;

pub(crate) use disable_key_rotation::disable_key_rotation;
pub(crate) use enable_key_rotation::enable_key_rotation;
pub(crate) use get_key_rotation_status::get_key_rotation_status;
pub(crate) use rotate::KeyRotation;

const DAYS_DEFAULT: i32 = 365;

fn check_rotatable(key: &Key) -> Result<(), Error> {
    key.check_usable()?;
    if key.is_symmetric() {
        return Ok(());
    }
    Err(unsupported(format!(
        "{} cannot be rotated: only symmetric encryption keys can",
        key.arn()
    )))
}
