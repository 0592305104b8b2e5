//! Fuzzes `ecru_fuzz::manifests`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ecru_fuzz::manifests(bytes));
