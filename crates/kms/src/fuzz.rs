//! What the fuzz targets call.

use std::collections::BTreeMap;

use zeroize::Zeroizing;

use crate::primitives::ciphertext::Ciphertext;

/// No bytes that were not encrypted open, whatever their form.
pub fn ciphertext(bytes: &[u8]) {
    let secret = Zeroizing::new(vec![7; 32]);
    if let Some(parsed) = Ciphertext::parse(bytes) {
        assert!(parsed.open(&secret, &BTreeMap::new()).is_none());
    }
}
