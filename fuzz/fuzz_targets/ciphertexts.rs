//! Fuzzes `ecru_fuzz::ciphertexts`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ecru_fuzz::ciphertexts(bytes));
