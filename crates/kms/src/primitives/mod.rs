//! Cryptography over plain bytes: nothing here knows rows, requests or time.

pub(crate) mod ciphertext;
pub(crate) mod generate;
pub(crate) mod oaep;
pub(crate) mod signatures;
